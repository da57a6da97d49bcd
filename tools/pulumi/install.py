"""Installs the Pulumi CLI where none fits: the official release, else a build from its Go modules."""

import shutil

from tools.checkout import one_at_a_time, replace_folder, require_room
from tools.problem import run
from tools.pulumi import release, source
from tools.pulumi.command_line import INSTALLED, CommandLine, find, installed, pinned_version


def main(arguments: list[str]) -> int:
    """Install if needed; the last line is the folder to put on PATH."""
    del arguments
    print(install().folder)
    return 0


def install() -> CommandLine:
    """The CLI to use, installed into .tools/pulumi/<version> if there was none."""
    found = find() or _install()
    if found.origin == "source":
        source.refresh(found.folder)
    return found


def _install() -> CommandLine:
    require_room(INSTALLED, 600, "the Pulumi CLI")
    with one_at_a_time("pulumi"):
        if already := installed():  # by the process that we have waited for
            return already
        version = pinned_version()
        home = INSTALLED / version
        unfinished = INSTALLED / f".{version}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)  # of an installation that was killed
        folder = unfinished / "bin"
        folder.mkdir(parents=True)
        try:
            origin = "release" if release.download(version, folder) else source.build(version, folder)
            (unfinished / "origin").write_text(origin + "\n", encoding="utf-8")
            replace_folder(home, unfinished)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    complete = installed()
    assert complete, f"{home} was just installed, yet is not complete"
    return complete


if __name__ == "__main__":
    run(main)
