"""Puts a load on a model for a while, and measures what each request saw.

With a rate, requests come at random moments (exponential gaps) whether or not earlier ones have ended, as they do from
clients who do not know of each other: a model that cannot keep up is not spared. With a trace they come at its moments,
in the same way. With users, each asks again as soon as the answer has ended.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from serving.trials.asking import Answer, Asking
from serving.trials.config import Arrival, Load, Trace
from serving.trials.record import Outcome, Verdict, counts, curve, percentile

# Plain words, nearly all of them one token each in every tokenizer, in another order for each request: nothing of a
# prompt may be in the cache of prefixes yet.
_TEXT = """
time year people way day man thing woman life child world school state family student group country problem
hand part place case week company system program question work government number night point home water room
mother area money story fact month lot right study book eye job word business issue side kind head house
service friend father power hour game line end member law car city community name president team minute idea
kid body back parent face others level office door health person art war history party result change morning
reason research girl guy moment air teacher force education
"""
_WORDS = _TEXT.split()
_SHORT, _LONG = 20, 120


class Words:
    """How many words make a prompt of so many tokens: measured by two short requests, since only the engine knows."""

    def __init__(self, per_word: float, around: float) -> None:
        self._per_word, self._around = per_word, around

    def count(self, tokens: int) -> int:
        """At least one."""
        return max(1, round((tokens - self._around) / self._per_word))


class Unanswered(Exception):
    """Not even one short request is answered: there is nothing to measure."""


async def words(ask: Asking, chance: random.Random) -> Words:
    """Asks twice. Raises Unanswered. An engine that tells no usage gets a word for each token."""
    counted: list[int] = []
    for length in (_SHORT, _LONG):
        answer = await ask.ask(_prompt(length, chance), 1)
        if answer.error:
            raise Unanswered(answer.error)
        counted.append(answer.prompt_tokens)
    per_word = (counted[1] - counted[0]) / (_LONG - _SHORT)
    return Words(per_word, counted[0] - per_word * _SHORT) if per_word > 0 else Words(1.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request that has ended: when it was sent, in seconds since the beginning, and how late that was."""

    at: float
    late: float
    answer: Answer


async def put_load(trial: Load | Trace, ask: Asking, seed: int, told: Callable[[str], None]) -> Outcome:
    """For its seconds, and then until all that came has ended."""
    chance = random.Random(seed)  # noqa: S311 - load, not secrets
    length = await words(ask, chance)
    sent: list[Sent] = []
    began = time.perf_counter()
    ends = began + trial.seconds

    async def one(wanted: Arrival) -> None:
        prompt = _prompt(length.count(wanted.input_tokens), chance)
        at = time.perf_counter() - began
        answer = await ask.ask(prompt, wanted.output_tokens)
        sent.append(Sent(at=at, late=at - wanted.at, answer=answer))

    async def user(load: Load) -> None:
        while (now := time.perf_counter()) < ends:
            await one(Arrival(now - began, load.input_tokens, load.output_tokens))

    telling = asyncio.create_task(_telling(sent, told))
    if isinstance(trial, Load) and trial.concurrent_users is not None:
        await asyncio.gather(*(user(trial) for _ in range(trial.concurrent_users)))
    else:
        open_requests: set[asyncio.Task[None]] = set()
        for wanted in _arrivals(trial, chance):
            await asyncio.sleep(max(0.0, began + wanted.at - time.perf_counter()))
            task = asyncio.create_task(one(wanted))
            open_requests.add(task)
            task.add_done_callback(open_requests.discard)
        await asyncio.sleep(max(0.0, ends - time.perf_counter()))
        await asyncio.gather(*open_requests)
    telling.cancel()
    return _measured(trial, sent, time.perf_counter() - began)


def _arrivals(trial: Load | Trace, chance: random.Random) -> Iterator[Arrival]:
    """What is sent whether or not earlier ones have ended."""
    if isinstance(trial, Trace):
        yield from trial.sent
        return
    at = 0.0
    while (at := at + chance.expovariate(trial.requests_per_second or 1.0)) < trial.seconds:
        yield Arrival(at, trial.input_tokens, trial.output_tokens)


def _measured(trial: Load | Trace, sent: list[Sent], seconds: float) -> Outcome:
    answers = [one.answer for one in sent]
    whole = [answer for answer in answers if not answer.error]
    first = [answer.first_token for answer in whole if answer.first_token is not None]
    between = [ms for answer in whole if (ms := answer.per_output_token_ms) is not None]
    late = [one.late for one in sent]
    failed = 100 * (1 - len(whole) / len(answers)) if answers else 100.0
    figures = {
        "requests": float(len(answers)),
        "seconds": round(seconds, 2),
        "requests_per_second": round(len(whole) / seconds, 3),
        "output_tokens_per_second": round(sum(answer.output_tokens for answer in whole) / seconds, 2),
        "requests_in_flight": round(sum(answer.seconds for answer in answers) / seconds, 3),
        "errors_percent": round(failed, 3),
    }
    if whole:
        figures["input_tokens"] = round(sum(answer.prompt_tokens for answer in whole) / len(whole), 1)
        figures["output_tokens"] = round(sum(answer.output_tokens for answer in whole) / len(whole), 1)
    verdicts = [within("failed requests, percent", failed, trial.at_most_errors_percent)]
    for what, sample, allowed in (
        ("time to first token, seconds", first, trial.time_to_first_token_seconds),
        ("time per output token, milliseconds", between, trial.time_per_output_token_milliseconds),
    ):
        # Nothing measured keeps no promise.
        if allowed is not None and (sample or not whole):
            found = percentile(sorted(sample), trial.percentile) if sample else None
            verdicts.append(within(f"{what}, of {trial.percentile:g} %", found, allowed))
    return Outcome(
        kind="load",
        figures=figures,
        curves={
            "time_to_first_token_seconds": curve(first),
            "time_per_output_token_milliseconds": curve(between),
            "request_seconds": curve([answer.seconds for answer in whole]),
            # How late the sender itself was: if much, it was not this load that came.
            **({} if isinstance(trial, Load) and trial.concurrent_users else {"sent_late_seconds": curve(late)}),
        },
        course={
            "arrivals": counts([one.at for one in sent], seconds),
            "answers": counts([one.at + one.answer.seconds for one in sent if not one.answer.error], seconds),
        },
        errors=dict(Counter(answer.error for answer in answers if answer.error)),
        verdicts=verdicts,
    )


def within(what: str, measured: float | None, allowed: float) -> Verdict:
    """Whether a figure is at most what is allowed; one that was not measured is not."""
    if measured is None:
        return Verdict(what=what, measured=None, allowed=allowed, kept=False)
    return Verdict(what=what, measured=round(measured, 4), allowed=allowed, kept=measured <= allowed)


def _prompt(count: int, chance: random.Random) -> str:
    return " ".join(chance.choices(_WORDS, k=count))


async def _telling(sent: list[Sent], told: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(5)
        told(f"{len(sent)} requests have ended, {sum(1 for one in sent if one.answer.error)} of them failed")
