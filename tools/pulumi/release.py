"""Downloads the official release of the Pulumi CLI and checks it against the published checksums."""

import hashlib
import platform
import sys
import tarfile
import threading
import urllib.error
import urllib.request
from pathlib import Path

from tools import progress
from tools.problem import Problem
from tools.pulumi.command_line import PROGRAMS

BASE = "https://get.pulumi.com/releases/sdk"
CONNECT_SECONDS = 4.0  # whoever is offline waits no longer than this before the build from source starts
READ_SECONDS = 60.0


def download(version: str, folder: Path) -> bool:
    """Put the release's programs into `folder`; False where there is none for this machine or it cannot be had."""
    system = {"linux": "linux", "darwin": "darwin"}.get(sys.platform)
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine().lower())
    if system is None or machine is None:
        return False
    archive = f"pulumi-v{version}-{system}-{machine}.tar.gz"
    checksums = _checksums(version)
    if checksums is None:
        progress.say(f"no Pulumi release can be downloaded here ({BASE} does not answer)")
        return False
    if archive not in checksums:
        return False
    packed = folder.parent / archive
    try:
        with progress.step(f"downloading Pulumi {version}", "10 to 60 s"):
            found = _fetch(f"{BASE}/{archive}", packed)
    except (OSError, urllib.error.URLError) as error:
        progress.say(f"the download of {archive} broke off ({error})")
        return False
    if found != checksums[archive]:
        raise Problem(
            where=f"{BASE}/{archive}",
            found=f"a file with SHA-256 {found}",
            allowed=f"SHA-256 {checksums[archive]}, as published beside it",
            do="Run the same command again; if it stays so, something between you and the release changes it.",
        )
    _unpack(packed, folder)
    packed.unlink()
    return True


def _checksums(version: str) -> dict[str, str] | None:
    """File name → SHA-256 of the release, or None when nothing answers in time.

    The timeout of a socket does not bound name resolution, hence the thread.
    """
    answer: list[str] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(f"{BASE}/pulumi-{version}-checksums.txt", timeout=CONNECT_SECONDS) as reply:
                answer.append(reply.read(1 << 20).decode())
        except (OSError, ValueError):
            pass  # offline, refused or unknown: all the same to the caller

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(CONNECT_SECONDS)
    if not answer:
        return None
    fields = (line.split() for line in answer[0].splitlines())
    return {name.lstrip("*"): digest for digest, name in (field for field in fields if len(field) == 2)}


def _fetch(address: str, target: Path) -> str:
    digest = hashlib.sha256()
    with urllib.request.urlopen(address, timeout=READ_SECONDS) as reply, target.open("wb") as file:
        while block := reply.read(1 << 20):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _unpack(packed: Path, folder: Path) -> None:
    """Take the programs that Python needs out of the archive; the other languages' hosts stay behind."""
    with tarfile.open(packed) as archive:
        for member in archive:
            name = Path(member.name).name
            wanted = name == "pulumi" or "python" in name  # its hosts, and what policy packs are started with
            content = archive.extractfile(member) if wanted else None
            if content is not None:
                (folder / name).write_bytes(content.read())
                (folder / name).chmod(0o755)
    missing = [name for name in PROGRAMS if not (folder / name).exists()]
    if missing:
        raise Problem(
            where=packed.name,
            found=f"no {', '.join(missing)} inside",
            allowed=f"a release that holds {', '.join(PROGRAMS)}",
            do="Correct the version in tools/pulumi/go.mod.",
        )
