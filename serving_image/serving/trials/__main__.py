"""`python -m serving.trials CONFIG`: runs one trial and prints its record; 0 passed, 1 not, 2 nothing to try.

One that a tool runs is judged by what the tool has left.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from serving.trials.asking import asking
from serving.trials.config import GuideLlm, LmEvaluationHarness, Load, Prompts, Trace, TrialConfig, Unusable, read
from serving.trials.evaluating import evaluate
from serving.trials.loading import Unanswered, put_load
from serving.trials.record import Outcome, Record
from serving.trials.results import guidellm_outcome, harness_outcome, newest


def main(arguments: list[str] | None = None) -> int:
    """One trial. Its progress is told on stderr."""
    parser = argparse.ArgumentParser(prog="python -m serving.trials", description=__doc__)
    parser.add_argument("config", type=Path, help="what to try, as JSON")
    parser.add_argument("--record", type=Path, help="write the record there too, such as /dev/termination-log")
    options = parser.parse_args(arguments)
    try:
        config = read(options.config)
        record = judged(config) or asyncio.run(tried(config, _told))
    except Unusable as why:
        print(f"serving.trials: {why}", file=sys.stderr)
        return 2
    except Unanswered as why:
        print(f"serving.trials: a short request is not answered: {why}", file=sys.stderr)
        return 2
    written = msgspec.json.encode(record).decode()
    if options.record:
        options.record.write_text(written + "\n", encoding="utf-8")
    print(written)
    return 0 if record.passed else 1


def judged(config: TrialConfig) -> Record | None:
    """What a tool has left, as a record; None where nobody but us asks. Raises Unusable."""
    trial = config.trial
    if isinstance(trial, LmEvaluationHarness):
        found, about = harness_outcome(trial, newest(config.results), config.model)
    elif isinstance(trial, GuideLlm):
        found, about = guidellm_outcome(trial, newest(config.results), config.model)
    else:
        return None
    return _record(config, _now(), found, {**config.about, **about})


async def tried(config: TrialConfig, told: Callable[[str], None]) -> Record:
    """Runs it. Raises Unanswered where there is nobody to measure."""
    trial, at = config.trial, _now()
    async with asking(config) as ask:
        if isinstance(trial, Load | Trace):
            found = await put_load(trial, ask, config.seed, told)
        elif isinstance(trial, Prompts):
            found = await evaluate(trial, ask, told)
        else:
            raise Unusable("what a tool asks is only judged here")
    return _record(config, at, found, config.about)


def _record(config: TrialConfig, at: str, found: Outcome, about: dict[str, str]) -> Record:
    return Record(
        model=config.model,
        at=at,
        about=about,
        passed=all(verdict.kept for verdict in found.verdicts),
        **msgspec.structs.asdict(found),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _told(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
