"""`python -m serving.making CONFIG`: makes one version and prints its record; 0 registered, 1 not good enough, 2 not
made."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from serving.launcher.refusal import Refusal
from serving.making.config import Gguf, Lora, MakingConfig, Started, Taught
from serving.making.judging import figures, verdicts
from serving.making.measured import Measured, Unmeasured
from serving.making.measuring import measure_reached, measure_started, original_weights
from serving.making.pruning import pruned
from serving.making.quantising import Unmade, quantise
from serving.making.registering import files, register
from serving.making.teaching import of_data, said, says, taught_before, teach
from serving.trials.record import Verdict


class MakingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What was made and found; small enough for a pod's termination message. `why` is why it was removed again;
    `taught` is what the tool that taught it says of that; `removed` are older versions, and what was half made, that
    made room."""

    making: str
    model: str
    version: str
    at: str
    registered: bool
    figures: dict[str, float]
    verdicts: list[Verdict]
    original: dict[str, Any]
    result: dict[str, Any]
    why: str | None = None
    taught: dict[str, Any] | None = None
    removed: list[str] = []


def main(arguments: list[str] | None = None) -> int:
    """One version. Its progress is told on stderr."""
    parser = argparse.ArgumentParser(prog="python -m serving.making", description=__doc__)
    parser.add_argument("config", type=Path, help="what to make, as JSON")
    parser.add_argument("--record", type=Path, help="write the record there too, such as /dev/termination-log")
    options = parser.parse_args(arguments)
    try:
        config = msgspec.json.decode(options.config.read_bytes(), type=MakingConfig)
        if isinstance(config.make, Lora) and config.make.of_data:
            config = asyncio.run(taught_before(config, lambda line: print(line, file=sys.stderr, flush=True)))
        if isinstance(config.make, Taught):
            config = of_data(config)
            if config.target.exists():
                return _unchanged(config, options.record)
        record = asyncio.run(made(config, lambda line: print(line, file=sys.stderr, flush=True)))
    except (OSError, msgspec.MsgspecError, Unmade, Unmeasured, Refusal) as why:
        said = f"serving.making: {why}"
        print(said, file=sys.stderr)
        if options.record:
            options.record.write_text(said[:4000] + "\n", encoding="utf-8")
        return 2
    written = msgspec.json.encode(record).decode()
    if options.record:
        options.record.write_text(written + "\n", encoding="utf-8")
    print(written)
    return 0 if record.registered else 1


def _unchanged(config: MakingConfig, record: Path | None) -> int:
    told = f"the data is that of {config.target}: nothing to do"
    shutil.rmtree(config.unfinished, ignore_errors=True)
    print(told, file=sys.stderr)
    if record:
        record.write_text(told + "\n", encoding="utf-8")
    return 0


async def made(config: MakingConfig, told: Callable[[str], None]) -> MakingRecord:
    """Makes, measures, and registers or removes. Raises Unmade, Unmeasured and Refusal where there is no comparison;
    nothing is left of the version then either."""
    if config.target.exists():
        raise Unmade(f"{config.target} is there already: a version is never made again; give the new one another name")
    try:
        found = await _compared(config, told)
    except BaseException:
        shutil.rmtree(config.unfinished, ignore_errors=True)
        raise
    if found.registered:
        register(config.unfinished, config.target, _card(config, found))
    else:
        shutil.rmtree(config.unfinished)
    return msgspec.structs.replace(found, removed=pruned(config, told, registered=found.registered))


async def _compared(config: MakingConfig, told: Callable[[str], None]) -> MakingRecord:
    taught = said(config)
    if isinstance(config.served, Started):
        original, result, why, taught = await _here(config, config.served, told)
    else:
        told("measuring what serves now")
        original = await measure_reached(
            config, config.served, config.served.original, Path(config.served.original_weights), told
        )
        told("measuring the result")
        result = await measure_reached(config, config.served, config.served.result, config.unfinished, told)
        why = None
    judged = verdicts(config, original, result) if result else []
    missed = [f"{one.what} {one.allowed:g}: {one.measured:g}" for one in judged if not one.kept]
    return MakingRecord(
        making=config.making,
        model=config.model,
        version=config.version,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        registered=result is not None and not missed,
        figures=figures(original, result) if result else {},
        verdicts=judged,
        original=original.kept,
        result=result.kept if result else {},
        why=why or "; ".join(missed) or None,
        taught=taught,
    )


async def _here(
    config: MakingConfig, started: Started, told: Callable[[str], None]
) -> tuple[Measured, Measured | None, str | None, dict[str, Any] | None]:
    """On this machine, one engine after the other. A result that no engine serves is a result, and not good enough."""
    weights = await original_weights(started)
    taught = said(config)
    if isinstance(config.make, Gguf | Lora):
        shutil.rmtree(config.unfinished, ignore_errors=True)  # of one that was killed
        config.unfinished.mkdir(parents=True)
    if isinstance(config.make, Gguf):
        told(f"making {config.make.quantization} of {weights.name}")
        finished = await quantise(config.make, weights, config.unfinished)
    elif isinstance(config.make, Lora):
        told(f"teaching {weights.name} what {says(config.make.data)} says")
        finished, taught = await teach(config.make, weights, config.unfinished)
    else:
        finished = config.unfinished / (config.make.file or "")
    told("measuring the original")
    original = await measure_started(config, started, weights, told)
    told("measuring the result")
    try:
        return original, await measure_started(config, started, finished, told), None, taught
    except Unmeasured as why:
        return original, None, str(why), taught


def _card(config: MakingConfig, found: MakingRecord) -> dict[str, Any]:
    """What was known before, and what is known now."""
    return {
        "model": config.model,
        "version": config.version,
        "made_at": found.at,
        **config.card,
        **({"taught": found.taught} if found.taught else {}),
        "files": files(config.unfinished),
        "evaluated": {
            "evaluation": config.evaluation,
            "original": found.original,
            "result": found.result,
            "figures": found.figures,
            "verdicts": msgspec.to_builtins(found.verdicts),
        },
    }


if __name__ == "__main__":
    sys.exit(main())
