"""One generation after another on the same sockets: nothing is cut or refused; one that fails changes nothing."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.running import (
    Hammer,
    Launcher,
    alive,
    free_port,
    launchers,
    marked,
    request,
    streams,
    toy,
    until,
    whole,
)

Start = Callable[..., Launcher]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with launchers(tmp_path) as start:
        yield start


def after(first: Launcher, folder: Path, **changes: Any) -> dict[str, Any]:
    """What follows it: another context on the same addresses."""
    changes = {"port": first.port, "operations": first.operations, "chat": {"context_tokens": 4096}, **changes}
    return toy(folder, **changes)


def test_streams_and_clients_notice_nothing(start: Start, tmp_path: Path) -> None:
    first = start(toy(tmp_path)).ready()
    old = [first.engine(), first.gateway()]
    with (
        Hammer(first.port, kept=False) as each_its_own,
        Hammer(first.port, kept=True) as kept,
        Hammer(first.operations, kept=False, path="/ready") as probe,
        streams(first.port, 20, 90) as running,
    ):
        second = start(after(first, tmp_path), first).ready()
        assert not all(future.done() for future in running), "the swap waited for the streams"
        assert first.process.poll() is None
        each_its_own.go_on(10)
        kept.go_on(10)
        whole(running)
        assert first.ended(8) == 0, first.tails()
        each_its_own.go_on(10)
        kept.go_on(10)
    assert each_its_own.failures == []
    assert kept.failures == []
    # The sockets are the successor's: nobody may be told that they are about to close.
    assert [failure for failure in probe.failures if "draining" in failure] == []
    assert not any(map(alive, old))
    assert marked(first.folder) == []
    assert "16384" in second.engine().cmdline()


def test_one_after_the_other_under_fire(start: Start, tmp_path: Path) -> None:
    served = start(toy(tmp_path)).ready()
    with Hammer(served.port, kept=False) as hammer:
        for context in (4096, 1024):
            former = served
            served = start(after(former, tmp_path, chat={"context_tokens": context}), former).ready()
            assert former.ended(8) == 0, former.tails()
            hammer.go_on(5)
    assert hammer.failures == []


def corrupt(spec: dict[str, Any], folder: Path) -> str:
    spec["engines"]["chat"]["weights"]["sha256"] = hashlib.sha256(b"another").hexdigest()
    return "SHA-256"


def crashing(spec: dict[str, Any], folder: Path) -> str:
    (folder / "crash").write_text("out of memory")
    spec["engines"]["chat"]["environment"] = {"TOY_CRASH_FILE": str(folder / "crash")}
    return "out of memory"


def refused_by_the_gateway(spec: dict[str, Any], folder: Path) -> str:
    spec["gateway"]["config"]["limits"]["surprise"] = 1
    return "an unknown field, not shown, at `$.limits`"


def unknown_key(spec: dict[str, Any], folder: Path) -> str:
    spec["surprise"] = 1
    return "surprise"


@pytest.mark.parametrize("spoil", [corrupt, crashing, refused_by_the_gateway, unknown_key])
def test_one_that_fails_leaves_the_former_as_it_was(
    start: Start, tmp_path: Path, spoil: Callable[[dict[str, Any], Path], str]
) -> None:
    first = start(toy(tmp_path)).ready()
    status = first.status()
    with Hammer(first.port, kept=False) as hammer, streams(first.port, 3, 30) as running:
        spec = after(first, tmp_path)
        said = spoil(spec, tmp_path)
        second = start(spec, first)
        assert said in second.refused()["found"]
        assert marked(second.folder) == []
        hammer.go_on(5)
        whole(running)
    assert hammer.failures == []
    assert first.status() == status
    if spoil is corrupt:  # and it can still be followed
        assert start(after(first, tmp_path), first).ready().answers()
        assert first.ended(8) == 0


def test_another_port(start: Start, tmp_path: Path) -> None:
    first = start(toy(tmp_path)).ready()
    with streams(first.port, 3, 20) as running:
        second = start(after(first, tmp_path, port=0, operations=0), first).ready()
        assert second.port != first.port
        assert second.answers()
        whole(running)
    assert first.ended(8) == 0, first.tails()
    for port in (first.port, first.operations):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=2)
    assert request(second.operations, "/ready")[0] == 200


def test_the_status_page_is_handed_over_too(start: Start, tmp_path: Path) -> None:
    """One without a page, one that gets it, one that takes its socket, and one that gives it up."""
    served = start(toy(tmp_path)).ready()
    port = free_port()
    assert "--admin-fd" not in " ".join(served.gateway().cmdline())
    for page in (port, port, None):
        former = served
        context = 2048 if page else 1024
        served = start(after(former, tmp_path, admin=page, chat={"context_tokens": context}), former).ready()
        assert former.ended(8) == 0, former.tails()
        if page:
            status, body = request(port, "/")
            assert (status, "<title>slipway gateway</title>" in body) == (200, True)
        else:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=2)


def test_ports_exchanged(start: Start, tmp_path: Path) -> None:
    first = start(toy(tmp_path)).ready()
    second = start(after(first, tmp_path, port=first.operations, operations=first.port), first).ready()
    assert first.ended(8) == 0
    assert second.answers()
    assert request(second.operations, "/metrics")[0] == 200


def test_dead_predecessor_is_not_waited_for(start: Start, tmp_path: Path) -> None:
    first = start(toy(tmp_path)).ready()
    first.end()
    assert (first.folder / "control.sock").exists()
    assert start(after(first, tmp_path), first).ready(5).answers()


def test_predecessor_that_dies_while_its_successor_loads(start: Start, tmp_path: Path) -> None:
    first = start(toy(tmp_path)).ready()
    spec = after(first, tmp_path)
    spec["engines"]["chat"]["environment"] = {"TOY_LOAD_SECONDS": "1"}
    second = start(spec, first)
    second.until(lambda: second.status().get("step") == "loading models", 10, "it does not load")
    first.end()
    second.ready()
    time.sleep(0.5)
    assert second.status()["state"] == "ready"
    assert second.answers()
    assert "Traceback" not in second.log()


def test_predecessor_never_was(start: Start, tmp_path: Path) -> None:
    first = start(toy(tmp_path)).ready()
    first.end()
    (first.folder / "control.sock").unlink()
    assert start(after(first, tmp_path), first).ready().answers()


def bound(listener: socket.socket, port: int) -> bool:
    """Whether it could take the port."""
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def test_port_taken_by_another_program_since(start: Start, tmp_path: Path) -> None:
    first = start(toy(tmp_path)).ready()
    spec = after(first, tmp_path)
    first.end()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # The gateway dies with its launcher, a moment later.
        until(lambda: bound(other, first.port), 5, "the port is not free again")
        other.listen()
        assert start(spec, first).refused()["found"].startswith("in use by process ")


def test_one_that_dies_while_taking_over_leaves_the_former_as_it_was(start: Start, tmp_path: Path) -> None:
    first = start(toy(tmp_path)).ready()
    spec = after(first, tmp_path)
    spec["engines"]["chat"]["environment"] = {"TOY_LOAD_SECONDS": "30"}
    with Hammer(first.port, kept=False) as hammer:
        second = start(spec, first)
        second.until(lambda: second.status().get("step") == "loading models", 10, "it does not load")
        second.end()
        hammer.go_on(10)
    assert hammer.failures == []
    assert first.process.poll() is None
    until(lambda: first.status()["state"] == "ready", 1, "it is not ready any more")
