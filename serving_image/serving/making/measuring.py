"""Measures the original and the result: the same questions, the same text, the same engine."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import msgspec

from serving.launcher.engine import Engine
from serving.launcher.process_log import FileLog
from serving.launcher.refusal import Refusal
from serving.launcher.weights import check_digest, fetch, package_file, read_token
from serving.making.config import Endpoint, MakingConfig, Reached, Started
from serving.making.measured import Measured, Unmeasured
from serving.making.same import continuations
from serving.trials.asking import asking
from serving.trials.config import TrialConfig
from serving.trials.evaluating import evaluate

_POLL_SECONDS = 0.2


async def original_weights(started: Started) -> Path:
    """Where the weights are that the engine serves now, checked. Raises Refusal."""
    weights = started.engine.weights
    match weights.kind:
        case "package":
            path = package_file(weights)
        case "file":
            path = Path(os.path.normpath(Path(started.base_directory) / os.path.expanduser(weights.location)))
        case "huggingface":
            file = started.huggingface_token_file
            return await fetch(weights, Path(started.cache_directory), read_token(Path(file)) if file else None)
        case _:
            raise Refusal(
                where=f"weights of {weights.location}",
                found=f"weights of the kind {weights.kind}",
                allowed="one file of this machine, or of a hub",
                remedy="make the version where the weights are",
            )
    await check_digest(path, weights.sha256)
    return path


async def measure_started(
    config: MakingConfig, started: Started, weights: Path, told: Callable[[str], None]
) -> Measured:
    """Starts the engine with these weights on a free port of this machine, and ends it again. Raises Unmeasured."""
    spec = msgspec.structs.replace(started.engine, port=None, key_file=None)
    with tempfile.TemporaryDirectory() as scratch:
        engine = Engine(config.model, spec, weights, Path(scratch), lambda name: FileLog(Path(scratch, f"{name}.log")))
        try:
            await engine.start()
            return await _measured(config, engine.url, engine.key_file, weights, told)
        except Refusal as why:
            raise Unmeasured(f"no engine serves it: {' '.join(why.found.split())[:1000]}") from None
        finally:
            await engine.stop(0)


async def measure_reached(
    config: MakingConfig, reached: Reached, which: Endpoint, weights: Path, told: Callable[[str], None]
) -> Measured:
    """Asks somebody who serves it. Raises Unmeasured."""
    if which is reached.result:
        await _ready(f"{which.url.rstrip('/')}{reached.readiness_path}", reached.start_seconds)
    key_file = Path(which.key_file) if which.key_file else None
    return await _measured(config, which.url, key_file, weights, told)


async def _measured(
    config: MakingConfig,
    url: str,
    key_file: Path | None,
    weights: Path,
    told: Callable[[str], None],
) -> Measured:
    async with _key(key_file) as key:
        asked = TrialConfig(
            url=url, model=config.model, key_file=str(key), trial=config.trial, answer_seconds=config.answer_seconds
        )
        async with asking(asked) as ask:
            found = await evaluate(config.trial, ask, told)
        secret = key.read_text(encoding="ascii").strip()
        goes_on = await continuations(url, config.model, secret, config.answer_seconds, told)
    if sum(found.errors.values()) == len(config.trial.cases):
        raise Unmeasured(f"not one question was answered: {', '.join(found.errors)}")
    return Measured(
        right_percent=found.figures["right_percent"],
        cases=len(config.trial.cases),
        wrong=found.wrong,
        errors=found.errors,
        continuations=goes_on,
        bytes=size(weights),
    )


@asynccontextmanager
async def _key(file: Path | None) -> AsyncGenerator[Path]:
    """A file with the key to show; where nobody asks for one, any word will do."""
    if file is not None:
        yield file
        return
    with tempfile.TemporaryDirectory() as scratch:
        nothing = Path(scratch, "key")
        nothing.write_text("none", encoding="ascii")
        yield nothing


async def _ready(url: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        while time.monotonic() < deadline:
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(_POLL_SECONDS)
    raise Unmeasured(f"the engine with the result is not ready after {seconds:g} s")


def size(weights: Path) -> int:
    """Of a file, or of all files of a folder."""
    if weights.is_file():
        return weights.stat().st_size
    return sum(file.stat().st_size for file in weights.rglob("*") if file.is_file())
