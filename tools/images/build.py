"""Builds images of serving_image/Dockerfile here, on a base made of Debian's packages: no registry, no container.

Each is kept as a folder of .tools/images, named by what it was made of: `root`, its file system, and `config.json`,
what a runtime would be told. Needs Linux, root, buildah and debootstrap.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools import progress
from tools.checkout import ROOT, TOOLS, one_at_a_time, require_room
from tools.images.bases import DOCKERFILE
from tools.problem import Problem, run

IMAGES = TOOLS / "images"
# Those whose base is Debian. The others are built on engines' images, which only a registry has.
TARGETS = ("gateway", "llama_cpp")
SUITE = "trixie"
BASE = "localhost/debian"
PROGRAMS = ("buildah", "debootstrap")
INPUTS = ("requirements/gateway.txt", "requirements/local.txt", "requirements/dev.txt")
KEPT = 2
# Of pip's settings those that say where packages are. Folders of this machine are not there while an image is built.
PIP_SETTINGS = frozenset({"index-url", "extra-index-url", "trusted-host", "proxy", "default-timeout", "timeout"})


def main(arguments: list[str]) -> int:
    """Print the folder of every target named, or of all that can be built here."""
    for target in arguments:
        if target not in TARGETS:
            raise Problem(
                where="tools/images/build",
                found=f"the target `{target}`",
                allowed=", ".join(TARGETS),
                do="Name one of these; the others are built where their bases can be pulled.",
            )
    for folder in built(arguments or TARGETS):
        print(folder)
    return 0


def missing() -> str:
    """Why no image can be built here; empty when one can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root on Linux builds an image without a container runtime"
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def built(targets: Sequence[str]) -> list[Path]:
    """The folder of each target; made when there is none of these very inputs."""
    if reason := missing():
        raise Problem(
            where="tools/images/build",
            found=reason,
            allowed=f"root on Linux, with {' and '.join(PROGRAMS)}",
            do=f"Run apt-get install {' '.join(PROGRAMS)} as root, or build with docker (serving_image/Dockerfile).",
        )
    folder = IMAGES / _digest()
    with one_at_a_time("images"):
        if wanted := [target for target in targets if not (folder / target).exists()]:
            require_room(TOOLS, 3000, "building images")
            _forget_old(folder)
            folder.mkdir(parents=True, exist_ok=True)
            try:
                _build(folder, wanted)
            except progress.Failed as failure:
                raise Problem(
                    where="serving_image/Dockerfile",
                    found=str(failure),
                    allowed="a Dockerfile that builds, Debian's archive and a package index that answer",
                    do="Mend what is named above.",
                ) from None
    return [folder / target for target in targets]


def _build(folder: Path, targets: Sequence[str]) -> None:
    base = _base()
    with _scratch() as scratch:
        buildah = _buildah(scratch)
        with progress.step("making the base image", "10 s"):
            container = _last_line([*buildah, "from", "scratch"])
            progress.run([*buildah, "add", "--quiet", container, str(base), "/"], cwd=ROOT)
            progress.run([*buildah, "commit", "--quiet", "--rm", container, BASE], cwd=ROOT)
        for target in targets:
            with (
                progress.step(f"building the image {target}", "2 to 4 min for the first, then 30 s"),
                _secrets() as given,
            ):
                progress.run(
                    [
                        *(*buildah, "build", "--isolation", "chroot", "--layers", "--format", "docker", "--pull-never"),
                        *("--file", str(DOCKERFILE), "--ignorefile", f"{DOCKERFILE}.dockerignore"),
                        *("--build-arg", f"DEBIAN={BASE}", *given, "--target", target, "--tag", target, str(ROOT)),
                    ],
                    cwd=ROOT,
                )
            _keep(buildah, target, folder / target)


def _keep(buildah: Sequence[str], target: str, folder: Path) -> None:
    making = folder.with_name(f".{target}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    container = _last_line([*buildah, "from", "--pull-never", target])
    try:
        mounted = _last_line([*buildah, "mount", container])
        progress.run(["cp", "-a", mounted, str(making / "root")], cwd=ROOT)
        inspected = progress.run([*buildah, "inspect", "--type", "image", target], cwd=ROOT)
        (making / "config.json").write_text(json.dumps(json.loads(inspected)["Docker"]["config"], indent=1))
    finally:
        progress.run([*buildah, "rm", container], cwd=ROOT)
    making.replace(folder)


def _base() -> Path:
    """Debian's base system as an archive; of this month, so that its security updates are not older."""
    archive = IMAGES / f"{SUITE}-{hashlib.sha256(_month().encode()).hexdigest()[:8]}.tar"
    if not archive.exists():
        IMAGES.mkdir(parents=True, exist_ok=True)
        with (
            progress.step(f"fetching Debian {SUITE}", "30 to 60 s, once a month"),
            tempfile.TemporaryDirectory(prefix=".base-", dir=IMAGES) as scratch,
        ):
            root = Path(scratch, "root")
            progress.run(["debootstrap", "--variant=minbase", SUITE, str(root)], cwd=ROOT)
            partial = Path(scratch, archive.name)
            progress.run(["tar", "-C", str(root), "-cf", str(partial), "."], cwd=ROOT)
            for old in IMAGES.glob(f"{SUITE}-*.tar"):
                old.unlink()
            partial.replace(archive)
    return archive


def _month() -> str:
    import datetime

    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m")


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for one build. What an interrupted build left goes first."""
    for left in IMAGES.glob(".building-*"):
        _discard(left)
    scratch = Path(tempfile.mkdtemp(prefix=".building-", dir=IMAGES))
    try:
        yield scratch
    finally:
        _discard(scratch)


def _discard(scratch: Path) -> None:
    """Removes a build's folder; layers that are still mounted in it are let go of, never emptied."""
    for line in reversed(Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()):
        if (mounted := line.split()[1]).startswith(f"{scratch}/"):
            subprocess.run(["umount", "--lazy", mounted], check=False)
    shutil.rmtree(scratch, ignore_errors=True)


def _buildah(scratch: Path) -> list[str]:
    """buildah with a store of its own. Layers are mounted over each other where this file system allows it."""
    store = [f"--root={scratch / 'store'}", f"--runroot={scratch / 'run'}"]
    for driver in ("overlay", "vfs"):
        command = ["buildah", f"--storage-driver={driver}", *store]
        with contextlib.suppress(progress.Failed):
            progress.run([*command, "info"], cwd=ROOT)
            return command
    raise progress.Failed("buildah can keep its layers neither with overlay nor with vfs")


@contextlib.contextmanager
def _secrets() -> Iterator[list[str]]:
    """Where this machine has its packages from, for the build alone: neither is in any layer."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    settings = {
        name.rpartition(".")[2]: value.strip("'\"")
        for name, _, value in (line.partition("=") for line in listed.splitlines())
    }
    lines = [f"{name} = {value}" for name, value in settings.items() if name in PIP_SETTINGS]
    with tempfile.TemporaryDirectory(prefix="slipway-build-") as folder:
        given: list[str] = []
        if certificates := settings.get("cert"):
            lines.append("cert = /run/secrets/ca.pem")
            given += ["--secret", f"id=ca.pem,src={certificates}"]
        file = Path(folder, "pip.conf")
        file.write_text("\n".join(["[global]", *lines, ""]))
        yield [*given, "--secret", f"id=pip.conf,src={file}"]


def _digest() -> str:
    """Of everything that goes into the images."""
    digest = hashlib.sha256(f"{SUITE} {_month()}".encode())
    inputs = [ROOT / name for name in INPUTS]
    inputs += [path for path in (ROOT / "serving_image").rglob("*") if path.is_file()]
    for path in sorted(inputs):
        if "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(ROOT)} {path.stat().st_mode:o}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _forget_old(folder: Path) -> None:
    known = sorted((p for p in IMAGES.glob("[0-9a-f]*") if p != folder), key=lambda path: path.stat().st_mtime)
    for path in known[: max(0, len(known) - KEPT + 1)]:
        shutil.rmtree(path, ignore_errors=True)


def _last_line(command: Sequence[str]) -> str:
    return progress.run(command, cwd=ROOT).strip().splitlines()[-1]


if __name__ == "__main__":
    run(main)
