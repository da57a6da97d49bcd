"""One engine's owner by itself, in this process: watching through trouble, and ending what does not want to end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec
import psutil
import pytest

from serving.launcher import back_off, engine
from serving.launcher.engine import Engine, series, threads_to_use
from serving.launcher.process_log import FileLog
from serving.launcher.specification import EngineSpecification, Weights
from tests.serving.package import PACKAGE
from tests.serving.running import chat, launchers, toy, toy_path


@pytest.fixture(autouse=True)
def _like_a_launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    monkeypatch.setenv("PATH", toy_path(tmp_path / "bin"))


def one(folder: Path, command: str = "llama-server", **environment: str) -> Engine:
    arguments = ["--host", "127.0.0.1", "--port", "{port}", "--api-key-file", "{key_file}"]
    spec = EngineSpecification(
        command=[command],
        arguments=arguments,
        environment=environment,
        weights=Weights(kind="file", location="", file=None, revision=None, sha256=None),
        readiness_path="/health",
        metrics_path="/metrics",
        running_metric="llamacpp:requests_processing",
        queued_metric="llamacpp:requests_deferred",
        drains_on_sigterm=False,
        start_seconds=10,
        drain_seconds=20,
    )
    return Engine("chat", spec, folder, folder, lambda source: FileLog(folder / f"{source}.log"))


def test_a_key_that_is_read_from_the_environment_is_there_alone(tmp_path: Path) -> None:
    owned = one(tmp_path)
    owned._spec = msgspec.structs.replace(owned._spec, key_environment="TOY_API_KEY")

    async def scenario() -> tuple[dict[str, str], list[str]]:
        await owned.start()
        process = psutil.Process(owned.pid)
        seen = process.environ(), process.cmdline()
        await owned.stop(0)
        return seen

    environment, command = asyncio.run(scenario())
    key = owned.key_file.read_text().strip()
    assert environment["TOY_API_KEY"] == key
    assert key not in " ".join(command)


async def asked(engine: Engine, tokens: int) -> str:
    headers = {"Authorization": f"Bearer {engine.key_file.read_text().strip()}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(engine.url + "/v1/chat/completions", json=chat(tokens)) as answer,
    ):
        return await answer.text()


def ended_while_it_answers(owned: Engine, drain_seconds: float, tokens: int) -> tuple[str, float]:
    """What a running request gets when the engine is ended meanwhile, and how long the ending takes."""

    async def scenario() -> tuple[str, float]:
        await owned.start()
        request = asyncio.create_task(asked(owned, tokens))
        await asyncio.sleep(0.2)
        began = time.monotonic()
        await owned.stop(drain_seconds)
        seconds = time.monotonic() - began
        try:
            return await request, seconds
        except (aiohttp.ClientError, OSError) as error:
            return repr(error), seconds

    return asyncio.run(scenario())


def test_running_request_is_waited_for(tmp_path: Path) -> None:
    text, seconds = ended_while_it_answers(one(tmp_path), 10, tokens=16)
    assert "tick" in text
    assert 0.4 < seconds < 3


def test_wait_for_it_is_bounded(tmp_path: Path) -> None:
    text, seconds = ended_while_it_answers(one(tmp_path), 0.5, tokens=200)
    assert "tick" not in text
    assert 0.4 < seconds < 3


def test_engine_too_busy_to_answer_is_not_taken_for_idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """llama.cpp answers /metrics between two batches; one of a large prompt may take longer than we care to wait."""
    monkeypatch.setattr(engine, "ANSWER_SECONDS", 0.1)
    text, seconds = ended_while_it_answers(one(tmp_path, TOY_METRICS_SECONDS="0.4"), 2, tokens=20)
    assert "tick" in text, "it was ended in the middle of a request"
    assert seconds < 4


def test_engine_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "KILL_SECONDS", 0.5)

    async def scenario() -> float:
        owned = one(tmp_path, TOY_DEAF="1")
        await owned.start()
        began = time.monotonic()
        await owned.stop(0)
        assert owned.pid is None
        return time.monotonic() - began

    assert 0.4 < asyncio.run(scenario()) < 3


def test_engine_whose_program_is_gone_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade in place removes a program for a moment. That must not end the watching."""
    monkeypatch.setattr(back_off, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(back_off, "MOST_SECONDS", 0.1)
    program = tmp_path / "bin" / "llama-server"
    owned = one(tmp_path, command=str(program))

    async def scenario() -> None:
        await owned.start()
        watching = asyncio.create_task(owned.watch())
        program.rename(program.with_name("away"))
        assert owned._child is not None
        await owned._child.stop(0)
        await asyncio.sleep(0.4)
        assert not watching.done(), f"nobody watches the engine any more: {watching}"
        program.with_name("away").rename(program)
        await until_true(lambda: answered(owned))
        await owned.stop(0)
        await asyncio.wait_for(watching, 5)

    asyncio.run(scenario())


async def answered(owned: Engine) -> bool:
    try:
        return "tick" in await asked(owned, 1)
    except (aiohttp.ClientError, OSError):
        return False


async def until_true(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(5):
        while not await condition():  # noqa: ASYNC110 - it asks another process
            await asyncio.sleep(0.05)


def test_waits_double_up_to_a_bound_and_are_short_again_after_a_sound_run() -> None:
    waits = back_off.BackOff()
    assert [waits.after(1) for _ in range(9)] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert waits.after(back_off.SOUND_SECONDS + 1) == 0.25
    assert waits.after(1) == 0.5


def test_samples_of_a_metric_are_added_and_of_no_other() -> None:
    text = """# HELP running requests\nrunning 2\nrunning{slot="1"} 3\nrunning_total 7\nrest 1\n"""
    assert series(text, "running") == 5
    assert series(text, "nothing") == 0


def test_threads_leave_a_core_to_others(tmp_path: Path) -> None:
    """Where the settings name none; counted where it serves, not where the plan was made."""
    with launchers(tmp_path) as start:
        command = start(toy(tmp_path, chat={"engine": {"kind": "llama_cpp"}})).ready().engine().cmdline()
    assert command[command.index("--threads") + 1] == str(threads_to_use())
    assert 1 <= threads_to_use() <= max(1, (os.cpu_count() or 1) - 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no process to a core")
def test_a_process_that_may_use_one_core_gets_one_thread() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert threads_to_use() == 1
    finally:
        os.sched_setaffinity(0, allowed)
