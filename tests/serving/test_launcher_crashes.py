"""What dies is started again: at once the first time, then with growing waits, and its last words are in its log."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.serving.running import Launcher, alive, launchers, toy, until

Start = Callable[..., Launcher]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with launchers(tmp_path) as start:
        yield start


def test_killed_gateway_answers_again_on_the_same_port(start: Start, tmp_path: Path) -> None:
    served = start(toy(tmp_path)).ready()
    killed = served.gateway()
    killed.kill()
    began = time.monotonic()
    # Its sockets are the launcher's: who connects meanwhile waits, and is not refused.
    assert served.answers(), served.tails()
    assert time.monotonic() - began < 5
    assert served.gateway().pid != killed.pid
    assert "the gateway ended with code -9; starting it again in 0.25 s" in served.log()


def test_engine_that_keeps_crashing_is_tried_less_and_less_often(start: Start, tmp_path: Path) -> None:
    crash = tmp_path / "crash"
    spec = toy(tmp_path)
    spec["engines"]["chat"]["environment"] = {"TOY_CRASH_FILE": str(crash)}
    served = start(spec).ready()
    crash.write_text("CUDA error: the card is on fire")
    served.engine().kill()
    served.until(lambda: served.log().count("starting it again") >= 4, 10, "it was not tried four times")
    waits = re.findall(r"engine chat ended with code (\S+); starting it again in (\S+) s", served.log())
    assert waits[:4] == [("-9", "0.25"), ("3", "0.50"), ("3", "1.00"), ("3", "2.00")]
    assert served.log("engine-chat").count("the card is on fire") >= 3
    crash.unlink()
    until(served.answers, 6, lambda: f"no answer once the engine was well again\n{served.tails()}")


def test_restarted_engine_keeps_address_and_key(start: Start, tmp_path: Path) -> None:
    served = start(toy(tmp_path)).ready()
    before = (served.folder / "gateway.json").read_bytes(), (served.folder / "engine-chat.key").read_bytes()
    first = served.engine()
    first.kill()
    until(served.answers, 5, lambda: f"no answer\n{served.tails()}")
    assert not alive(first)
    assert before == ((served.folder / "gateway.json").read_bytes(), (served.folder / "engine-chat.key").read_bytes())
