"""Teaches weights what a data set says, by `tuning` in a Python of its own: PyTorch is nothing that serves."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from serving.making.config import Lora, MakingConfig, Started, Taught
from serving.making.measuring import original_weights
from serving.making.quantising import Unmade

# Hexadecimal digits of a digest, and as many of them as tell versions apart.
_DIGEST, SHORT = 64, 8


async def teach(make: Lora, original: Path, folder: Path) -> tuple[Path, dict[str, Any]]:
    """The new file, and what is to be said of how it was made. What was learned before a kill is not learned again.
    Raises Unmade."""
    target = folder / make.file
    with tempfile.TemporaryDirectory() as scratch:
        config, record = Path(scratch, "tuning.json"), Path(scratch, "record.json")
        places = {
            "base": str(original),
            "data": make.data,
            "result": str(target),
            "checkpoints": make.checkpoints,
        }
        config.write_bytes(msgspec.json.encode({**make.settings, **places}))
        command = [make.program, "-W", "ignore", "-m", "tuning", str(config), "--record", str(record)]
        environment = {**os.environ, "PYTHONPATH": make.module}
        try:
            process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.DEVNULL)
        except OSError as error:
            raise Unmade(f"{make.program} cannot be started: {(error.strerror or 'unknown').lower()}") from None
        try:
            status = await process.wait()
        finally:
            if process.returncode is None:
                # It keeps what it has learned, and ends.
                process.terminate()
                await process.wait()
        if status:
            raise Unmade(f"tuning ended with status {status}: its last words are above; run it again to go on")
        return target, msgspec.json.decode(record.read_bytes())


async def taught_before(config: MakingConfig, told: Callable[[str], None]) -> MakingConfig:
    """Teaches a version that is called after what was learned: from here on, somebody else has taught it. Raises Unmade
    and Refusal."""
    make, served = config.make, config.served
    assert isinstance(make, Lora)
    assert isinstance(served, Started)
    weights = await original_weights(served)
    shutil.rmtree(config.unfinished, ignore_errors=True)  # of one that was killed
    config.unfinished.mkdir(parents=True)
    told(f"teaching {weights.name} what {says(make.data)} says")
    try:
        _, record = await teach(make, weights, config.unfinished)
    except BaseException:
        shutil.rmtree(config.unfinished, ignore_errors=True)
        raise
    config.said.write_bytes(msgspec.json.encode(record))
    return msgspec.structs.replace(config, make=Taught(file=make.file))


def says(data: str | dict[str, str]) -> str:
    """Whose data it is, in words."""
    return data if isinstance(data, str) else ", ".join(data.values()) or "each site"


def of_data(config: MakingConfig) -> MakingConfig:
    """The version of the data that somebody else has taught it, by what is said of that. Raises Unmade."""
    told = said(config)
    digest = str((told or {}).get("data_digest", ""))
    if len(digest) != _DIGEST:
        raise Unmade(f"{config.said} does not say what was taught: the tool has not ended well")
    version = f"{config.version}-{digest[:SHORT]}"
    trained = msgspec.json.encode(f"{_words(config.card.get('trained_on'))} (SHA-256 {digest})")
    card = {**config.card, "trained_on": msgspec.Raw(trained)}
    return msgspec.structs.replace(config, version=version, made_as=config.version, card=card)


def said(config: MakingConfig) -> dict[str, Any] | None:
    """What somebody else says of how it was taught; None where nobody does."""
    if not isinstance(config.make, Taught) or not config.said.exists():
        return None
    return msgspec.json.decode(config.said.read_bytes())


def _words(raw: msgspec.Raw | None) -> str:
    return str(msgspec.json.decode(raw)) if raw else "data"
