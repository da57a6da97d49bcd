"""How far releases are: a file that gateways follow and no deployment writes, so that none undoes a promotion.

The judge and whoever runs `python -m infra release` own it. All that a judge knows is in it: one that is started again
goes on, and while none runs, everything stays as it is.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from serving.gateway.strict import Strict, problem, without_values
from serving.release.history import Count, Figures, Look, Phase, percentile, thinned

FILE = "released.json"
# The newest decisions are kept: an object of Kubernetes has 1 MiB at most.
MOST_ENTRIES = 40
# What is left for everything else in that object: above it, histories are thinned further.
MOST_BYTES = 900_000


class VersionCounts(Strict, frozen=True, omit_defaults=True):
    """Of one version: answers that went well and that failed, and first tokens of streams within the limit or late.
    `waited` are these by how long they took, between the bounds of gateways; nothing is decided by it."""

    good: Count = 0
    failed: Count = 0
    in_time: Count = 0
    late: Count = 0
    waited: tuple[Count, ...] = ()

    @property
    def answers(self) -> int:
        return self.good + self.failed

    @property
    def first_tokens(self) -> int:
        return self.in_time + self.late

    @property
    def figures(self) -> Figures:
        """For whoever reads them later."""
        return Figures(
            answers=self.answers,
            failed=self.failed,
            first_tokens=self.first_tokens,
            late=self.late,
            p95_seconds=percentile(self.waited, 0.95),
        )


class Counts(Strict, frozen=True):
    """Of both versions."""

    stable: VersionCounts = VersionCounts()
    candidate: VersionCounts = VersionCounts()


class Seen(Strict, frozen=True):
    """What a gateway process had counted when it was looked at last; `started` tells it from the one before it."""

    started: float
    counts: Counts


class Entry(Strict, frozen=True):
    """A decision: when, and in words."""

    at: float
    said: str


class Evaluation(Strict, frozen=True):
    """What the candidate's answers to questions were worth before a step: `due` is when it was time to ask, `passed` is
    None until they are answered, at `at`."""

    before_step: Annotated[int, Meta(ge=0, le=20)]
    due: float
    at: float | None = None
    right_percent: Annotated[float, Meta(ge=0, le=100)] | None = None
    passed: bool | None = None
    said: str = ""


class ReleaseState(Strict, frozen=True):
    """Of one model. `release` is whose state it is, `step` is the index of the step, -1 before the first. `since` is
    when all gateways had it, `totals` what was counted from then on. `says` is what it waits for; `history` is what
    looks found, for metrics and pictures alone."""

    release: Annotated[str, Meta(max_length=256)]
    phase: Phase = "running"
    step: Annotated[int, Meta(ge=-1, le=20)] = -1
    percent: Annotated[float, Meta(ge=0, le=100)] = 0.0
    since: float = 0.0
    says: str = ""
    totals: Counts = Counts()
    seen: dict[str, Seen] = msgspec.field(default_factory=dict[str, Seen])
    log: tuple[Entry, ...] = ()
    history: tuple[Look, ...] = ()
    evaluation: Evaluation | None = None

    @property
    def due_evaluation(self) -> Evaluation | None:
        """The one whose questions are to be asked now."""
        due = self.evaluation
        waits = due is not None and due.passed is None and due.before_step == self.step + 1
        return due if waits and self.phase == "running" else None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was rolled back, if it is."""
        if self.phase != "rolled_back":
            return ()
        return self.history[-1].reasons if self.history else ("by_hand",)

    def noted(self, at: float, said: str) -> ReleaseState:
        """With one more decision."""
        entries = (*self.log, Entry(at=at, said=said))
        return msgspec.structs.replace(self, says=said, log=entries[-MOST_ENTRIES:])


States = dict[str, ReleaseState]


def decoded(text: bytes | str) -> States:
    """Raises msgspec.DecodeError. Nothing at all is a file that nobody has written yet."""
    return msgspec.json.decode(text, type=States) if text else {}


def encoded(states: States) -> bytes:
    """For people to read. Where that would not fit into an object of Kubernetes, it is written densely, and with fewer
    looks if that is not enough."""
    readable = msgspec.json.format(msgspec.json.encode(states), indent=1)
    if len(readable) <= MOST_BYTES:
        return readable
    while True:
        text = msgspec.json.encode(states)
        longest = max((len(state.history) for state in states.values()), default=0)
        if len(text) <= MOST_BYTES or not longest:
            return text
        states = {
            model: msgspec.structs.replace(state, history=thinned(state.history, longest // 2))
            for model, state in states.items()
        }


def read_released(file: Path | None, problems: list[str]) -> States:
    """The content of the file; nothing where there is none."""
    if file is None:
        return {}
    try:
        return decoded(file.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        found = error.strerror or type(error).__name__
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = f"a problem ({without_values(str(error))})"
    remedy = "Write it with `python -m infra release`, or remove it: releases then begin again."
    problems.append(problem(f"{file}", found, "the state of releases by model, as JSON", remedy))
    return {}


def digest_of_released(file: Path) -> str | None:
    """Another one whenever gateways are to send elsewhere, not for every count. None while it cannot be read."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        content = b""
    except OSError:
        return None
    try:
        states = decoded(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return hashlib.sha256(content).hexdigest()
    return repr(sorted((model, state.release, state.percent) for model, state in states.items()))
