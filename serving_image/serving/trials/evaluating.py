"""Asks a model the questions of an evaluation, a few at a time, and counts right answers."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable

from serving.trials.asking import Answer, Asking
from serving.trials.config import Case, Prompts
from serving.trials.record import Outcome, Verdict

_AT_ONCE = 4
# So many wrong cases are named; a record has to fit into a pod's termination message of 4 KiB.
_NAMED = 20


async def evaluate(trial: Prompts, ask: Asking, told: Callable[[str], None]) -> Outcome:
    """Every case once, in whatever order they end."""
    room = asyncio.Semaphore(_AT_ONCE)
    answers: dict[str, Answer] = {}

    async def one(name: str, case: Case) -> None:
        async with room:
            answers[name] = await ask.ask(case.prompt, case.max_tokens)
            told(f"{len(answers)} of {len(trial.cases)} cases answered")

    await asyncio.gather(*(one(name, case) for name, case in trial.cases.items()))
    return _counted(trial, answers)


def _counted(trial: Prompts, answers: dict[str, Answer]) -> Outcome:
    """One that was not answered at all is wrong too."""
    wrong = [name for name, case in trial.cases.items() if not is_right(case, answers[name])]
    percent = 100 * (len(trial.cases) - len(wrong)) / len(trial.cases)
    held = Verdict(
        what="right answers, percent, at least",
        measured=round(percent, 2),
        allowed=trial.at_least_percent,
        kept=percent >= trial.at_least_percent,
    )
    return Outcome(
        kind="prompts",
        figures={"cases": float(len(trial.cases)), "right_percent": round(percent, 2)},
        errors=dict(Counter(answer.error for answer in answers.values() if answer.error)),
        wrong=[*wrong[:_NAMED], *([f"and {len(wrong) - _NAMED} more"] if len(wrong) > _NAMED else [])],
        verdicts=[held],
    )


def is_right(case: Case, answer: Answer) -> bool:
    """Whether a whole answer has all that the case asks for."""
    if answer.error:
        return False
    folded = answer.text.casefold()
    if not all(text.casefold() in folded for text in case.contains):
        return False
    return case.matches is None or re.search(case.matches, answer.text) is not None
