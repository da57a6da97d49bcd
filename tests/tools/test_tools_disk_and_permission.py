"""No room and no permission: said before anything is written, or repaired by the next run."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Checkout  # pyright: ignore[reportMissingImports]

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def small_disk() -> Iterator[Callable[[Path, int], None]]:
    """Mounts a file system of some MiB on a folder, where this machine allows that."""
    mounted: list[Path] = []

    def mount(folder: Path, mebibytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700", "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            pytest.skip(f"cannot mount a small file system here: {done.stderr.strip()}")
        mounted.append(folder)

    if not shutil.which("mount") or os.uname().sysname != "Linux":
        pytest.skip("only Linux mounts a tmpfs")
    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_no_room_for_the_state(checkout: Checkout, small_disk: Callable[[Path, int], None]) -> None:
    small_disk(checkout.root / ".slipway", 1)
    printed = checkout.run("tools/up", status=1)
    assert f"where    {checkout.root}/.slipway" in printed
    assert "MiB of free disk space" in printed
    assert "allowed  at least 100 MiB for the deployment's state" in printed
    assert list((checkout.root / ".slipway").iterdir()) == []


def test_the_disk_fills_while_the_state_is_saved(checkout: Checkout, small_disk: Callable[[Path, int], None]) -> None:
    small_disk(checkout.root / ".slipway", 104)
    checkout.configure(seconds="0", fill="true")
    printed = checkout.run("tools/up", status=1)
    assert "no space left on device" in printed
    assert "allowed  room on the disk for the state" in printed
    assert "do       Free some space, then run the same command again." in printed
    assert "Traceback" not in printed

    (checkout.root / ".slipway" / "filler").unlink()
    checkout.configure(seconds="0")
    assert "key of client dev" in checkout.run("tools/up")
    assert "unchanged" in checkout.run("tools/up")
    checkout.run("tools/down")


def test_no_room_for_the_packages(bare: Checkout, small_disk: Callable[[Path, int], None]) -> None:
    small_disk(bare.root / ".venv", 8)
    printed = bare.run("tools/python/install", "local", status=1)
    assert "allowed  at least 700 MiB for the Python packages of local" in printed


def test_a_checkout_that_may_not_be_written(checkout: Checkout) -> None:
    unprivileged: tuple[str, ...] = ()
    if os.geteuid() == 0:  # root may write everywhere, unless that is taken from it
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("runs as root, and there is no setpriv to take root's permission to write everywhere")
        lost = "-dac_override,-dac_read_search,-fowner"
        unprivileged = (setpriv, f"--bounding-set={lost}", f"--inh-caps={lost}")
    checkout.root.chmod(0o555)
    try:
        printed = checkout.run(*unprivileged, "tools/up", status=1)
    finally:
        checkout.root.chmod(0o755)
    assert f"where    {checkout.root}" in printed
    assert "cannot be written by you" in printed
    assert "allowed  a checkout that you may write" in printed
    assert "Traceback" not in printed
    assert not (checkout.root / ".slipway").exists()
    checkout.run("tools/up")
    checkout.run("tools/down")
