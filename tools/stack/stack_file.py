"""The stack file that pulumi is given: the tracked one plus this checkout's encryption salt, kept out of git.

With a passphrase Pulumi writes an `encryptionsalt:` into the stack file. That salt belongs to the passphrase that one
checkout has in .slipway: in a tracked file it would be a change after every first `make up`, and wrong everywhere else.
"""

import re
import shutil
from pathlib import Path

from tools.checkout import LOCAL, ROOT, private_folder, write_private
from tools.problem import Problem
from tools.stack import backend

_SALT = re.compile(r"^encryptionsalt:[ \t]*(\S+)[ \t]*\n?", re.MULTILINE)
_ENCRYPTED = re.compile(r"^\s*(?:-\s+)?[\"']?secure[\"']?\s*:", re.MULTILINE)


def tracked(stack: str) -> Path:
    """The stack file that the user writes."""
    path = ROOT / f"Pulumi.{stack}.yaml"
    if not path.exists():
        known = ", ".join(sorted(file.name.split(".")[1] for file in ROOT.glob("Pulumi.*.yaml"))) or "none"
        raise Problem(
            where=path.name,
            found="no such file",
            allowed=f"a stack of this checkout: {known}",
            do=f"Name one of those (make up STACK=dev), or write {path.name}.",
        )
    return path


def generated(stack: str) -> Path:
    """The file that `--config-file` names."""
    return LOCAL / f"Pulumi.{stack}.yaml"


def write(stack: str, text: str | None = None) -> Path:
    """Write the generated file from the tracked one, or from `text` where a stack has none of its own. Call it before
    every run: it may have changed."""
    if text is None:
        text = tracked(stack).read_text(encoding="utf-8")
    own = _own_salt(stack)
    # Encrypted values can only be read with the salt they were written with; without any, a salt here is another
    # checkout's or left by a plain `pulumi up`, and ours takes its place.
    if own is not None and not (_SALT.search(text) and _ENCRYPTED.search(text)):
        text = f"{_SALT.sub('', text).rstrip()}\nencryptionsalt: {own}\n"
    write_private(generated(stack), text)
    return generated(stack)


def keep_salt(stack: str) -> None:
    """Remember the salt that pulumi has put into the generated file, if it is a new one."""
    written = _salt_of(generated(stack))
    if written is not None and _own_salt(stack) is None:
        write_private(private_folder(_scratch(stack)) / f"Pulumi.{stack}.yaml", f"encryptionsalt: {written}\n")


def scratch_project(stack: str) -> Path:
    """A folder with only the project's file in it, where `pulumi stack init` can write its salt."""
    folder = private_folder(_scratch(stack))
    shutil.copyfile(ROOT / "Pulumi.yaml", folder / "Pulumi.yaml")
    return folder


def _own_salt(stack: str) -> str | None:
    return backend.salt_in_state(stack) or _salt_of(_scratch(stack) / f"Pulumi.{stack}.yaml")


def _salt_of(path: Path) -> str | None:
    try:
        found = _SALT.search(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found[1] if found else None


def _scratch(stack: str) -> Path:
    return LOCAL / "stacks" / stack
