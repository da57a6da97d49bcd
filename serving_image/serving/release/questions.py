"""Asks candidates the questions of an evaluation before each step, while the judge goes on looking at gateways."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Protocol

import msgspec

from serving.release.rules import ReleaseRules
from serving.release.state import Evaluation, States
from serving.trials.asking import asking
from serving.trials.config import Prompts, TrialConfig, Unusable, checked
from serving.trials.evaluating import evaluate
from serving.trials.record import Outcome

# What is known of the answers: what they were worth, or in words why nobody knows yet.
Answered = Evaluation | str


class Ruled(Protocol):
    """What is known of one model's release."""

    @property
    def rules(self) -> ReleaseRules: ...


@dataclass
class _Run:
    """One time that all questions are asked. `ended` is None while they are."""

    due: Evaluation
    found: Answered
    ended: float | None = field(default=None)


class Questioning:
    """`file` has by model what is asked (None: nothing is). Where questions stay without an answer that decides, they
    are asked again after `pause_seconds`."""

    def __init__(self, file: Path | None, pause_seconds: float) -> None:
        self._file, self._pause = file, pause_seconds
        self._runs: dict[str, _Run] = {}

    def of(self, model: str) -> Answered | None:
        """What came of it so far."""
        run = self._runs.get(model)
        return None if run is None else run.found

    def follow(self, releases: Mapping[str, Ruled], states: States) -> None:
        """Begins to ask wherever it is time to."""
        for model, release in releases.items():
            due = states[model].due_evaluation
            if due is None:
                continue
            run = self._runs.get(model)
            if run is None or run.due != due or (run.ended is not None and time.monotonic() > run.ended + self._pause):
                self._begin(model, release.rules, due)

    def _begin(self, model: str, rules: ReleaseRules, due: Evaluation) -> None:
        about = f"`{rules.candidate}` the questions of `{rules.evaluation}`"
        run = self._runs[model] = _Run(due=due, found=f"asks {about}")
        try:
            config, trial = self.told(model, rules)
        except Unusable as why:
            run.found, run.ended = f"waits: cannot ask {about}: {why}", time.monotonic()
            return
        # One that hangs must not keep the judge from its other releases, nor from ending.
        Thread(target=_ask, args=(run, config, trial, about), daemon=True).start()

    def told(self, model: str, rules: ReleaseRules) -> tuple[TrialConfig, Prompts]:
        """Read each time: in a cluster it changes while the judge runs. Raises Unusable."""
        if self._file is None:
            raise Unusable("nobody said what they are")
        try:
            told = msgspec.json.decode(self._file.read_bytes(), type=dict[str, TrialConfig])
        except (OSError, msgspec.MsgspecError) as why:
            raise Unusable(f"{self._file}: {why}") from None
        config = told.get(model)
        # After a deployment the file and the rules reach a pod one after the other.
        if config is None or (config.model, config.about.get("trial")) != (rules.candidate, rules.evaluation):
            raise Unusable(f"{self._file} does not have them")
        if not isinstance(config.trial, Prompts):
            raise Unusable(f"{self._file}: only what `serving.trials` asks itself can be asked here")
        checked(config, f"{self._file}: {model}")
        return config, config.trial


def _ask(run: _Run, config: TrialConfig, trial: Prompts, about: str) -> None:
    found: Answered = f"waits: asking {about} broke off"
    try:
        found = judged(run.due, config, trial, asyncio.run(_outcome(config, trial)))
    except (OSError, ValueError) as why:
        found = f"waits: cannot ask {about}: {type(why).__name__}"
    finally:
        run.found, run.ended = found, time.monotonic()


async def _outcome(config: TrialConfig, trial: Prompts) -> Outcome:
    async with asking(config) as ask:
        return await evaluate(trial, ask, lambda _: None)


def judged(due: Evaluation, config: TrialConfig, trial: Prompts, outcome: Outcome) -> Answered:
    """What stayed without an answer is nobody's mistake: it decides nothing, and where it would, is asked again."""
    cases, name = len(trial.cases), config.about.get("trial", "")
    right_percent, unanswered = outcome.figures["right_percent"], sum(outcome.errors.values())
    passed = all(verdict.kept for verdict in outcome.verdicts)
    if not passed and right_percent + 100 * unanswered / cases >= trial.at_least_percent:
        errors = ", ".join(f"{count} × {error}" for error, count in sorted(outcome.errors.items()))
        return (
            f"waits: `{config.model}` was asked `{name}`, and {unanswered} of {cases} questions were not answered "
            f"({errors}); asks again"
        )
    wrong = "" if passed else f"; not right: {', '.join(outcome.wrong)}"
    return msgspec.structs.replace(
        due,
        at=time.time(),
        right_percent=right_percent,
        passed=passed,
        said=f"{right_percent:g} % of its answers to `{name}` are right (at least {trial.at_least_percent:g} %){wrong}",
    )
