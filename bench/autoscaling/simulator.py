"""The simulation: requests come, wait, run in batches and end; a policy looks every so often and changes replicas.

Nothing is dropped to make room: a replica that is to go takes nothing more and ends with its last request. Requests
wait at the gateway, in one queue, for as long as it lets them.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from bench.autoscaling.days import Request
from bench.autoscaling.engine import Engine

_READY, _COMPLETION = 0, 1


class Replica:
    """One engine. `progress` counts the tokens that each of its running requests has had since it began; `stall` is
    time that prompts have still to take from them."""

    __slots__ = (
        "asked", "at", "busy", "busy_from", "busy_seen", "draining", "ended", "ending", "live", "prefill_until",
        "progress", "ready", "running", "stall", "step", "version",
    )  # fmt: skip

    def __init__(self, asked: float, ready: float) -> None:
        self.asked, self.ready, self.ended = asked, ready, math.inf
        self.draining = False
        self.running, self.live, self.version = 0, 0.0, 0
        self.progress, self.at, self.stall, self.prefill_until = 0.0, ready, 0.0, 0.0
        # What a token takes since something last came or ended.
        self.step = 1.0
        self.ending: list[tuple[float, int]] = []
        self.busy = self.busy_seen = self.busy_from = 0.0


class Policy(Protocol):
    """What decides how many replicas there are. A new one for each day: it may remember."""

    every_seconds: float

    def wanted(self, now: float, fleet: Fleet) -> int:
        """How many there shall be. `fleet` is what it may look at."""
        ...


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is the same for every policy. A start takes between the two times, evenly, and as much longer as its image
    takes where no replica was before; how long each takes is drawn from `seed`. `machines_stay` says that what was
    pulled once is there. `waits_seconds`, `waiting` and `lets_pass_seconds` are the queue's: who has waited longer
    than that lets those pass who have not."""

    engine: Engine
    start_seconds: tuple[float, float]
    pull_seconds: tuple[float, float] = (0.0, 0.0)
    machines_stay: bool = True
    initial: int
    least: int
    most: int
    seconds: float
    seed: int
    waits_seconds: float = math.inf
    waiting: int = 1_000_000
    lets_pass_seconds: float = math.inf


@dataclass(kw_only=True)
class Outcome:
    """What became of a day. Times are by request, in seconds, NaN for one that was refused."""

    first_token: list[float]
    per_token: list[float]
    ended: list[float]
    refused: int = 0
    starts: int = 0
    replica_seconds: float = 0.0
    counts: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])


class Fleet:
    """Replicas and what waits for them."""

    def __init__(self, requests: list[Request], setting: Setting) -> None:
        self.setting, self.requests = setting, requests
        self.chance = random.Random(setting.seed)
        self.replicas = [Replica(0.0, 0.0) for _ in range(setting.initial)]
        self.open = list(self.replicas)
        self.starting: list[Replica] = []
        # Those who still come first, and those who waited for so long that the others pass.
        self.queue: deque[int] = deque()
        self.late: deque[int] = deque()
        self.running = 0
        self.events: list[tuple[float, int, int, int, Replica]] = []
        self.number = 0
        # On machines with the image, and on all: what is to start is placed where the image is, as schedulers do.
        self.pulled = self.placed = setting.initial
        empty = [math.nan] * len(requests)
        self.outcome = Outcome(first_token=empty, per_token=list(empty), ended=list(empty))

    @property
    def count(self) -> int:
        """Replicas that are there or starting, without those that are going."""
        return len(self.open) + len(self.starting)

    @property
    def waiting(self) -> int:
        return len(self.queue) + len(self.late)

    @property
    def in_flight(self) -> int:
        """What gateways count: at engines, and waiting."""
        return self.running + self.waiting

    def utilisations(self, now: float, seconds: float) -> list[float]:
        """Of each ready replica, the share of the last `seconds` in which it did anything at all."""
        found: list[float] = []
        for one in self.open:
            busy = one.busy + (now - one.busy_from if one.running else 0.0)
            found.append((busy - one.busy_seen) / seconds)
            one.busy_seen = busy
        return found

    def run(self, policy: Policy) -> Outcome:
        """The whole day, and after it whatever still runs."""
        setting, requests, events = self.setting, self.requests, self.events
        end, step, total = setting.seconds, policy.every_seconds, len(requests)
        look, index = step, 0
        while True:
            arrival = requests[index].at if index < total else math.inf
            event = events[0][0] if events else math.inf
            if arrival <= event and arrival <= look:
                if arrival == math.inf:
                    break
                self._arrives(index, arrival)
                index += 1
            elif event <= look:
                now, kind, _, version, replica = heapq.heappop(events)
                if kind == _COMPLETION:
                    if version == replica.version:
                        self._completes(replica, now)
                elif not replica.draining:
                    self.starting.remove(replica)
                    self.open.append(replica)
                    self._fill(now)
            else:
                self._expire(look)
                self._resize(policy.wanted(look, self), look)
                look += step
                if look > end:
                    look = math.inf
        self._close(end)
        return self.outcome

    def _arrives(self, index: int, now: float) -> None:
        if not self.waiting:
            most = self.setting.engine.at_once
            best = None
            for one in self.open:
                if one.running < most:
                    most, best = one.running, one
            if best is not None:
                self._admit(best, index, now)
                return
        self._expire(now)
        if self.waiting >= self.setting.waiting:
            self.outcome.refused += 1
        else:
            self.queue.append(index)

    def _admit(self, one: Replica, index: int, now: float) -> None:
        engine, request = self.setting.engine, self.requests[index]
        self._advance(one, now)
        prompt = engine.prefills[request.input_tokens]
        if not one.running:
            one.busy_from = now
        one.running += 1
        self.running += 1
        one.live += request.input_tokens + request.output_tokens / 2
        step = engine.step(one.running, one.live)
        one.prefill_until = max(one.prefill_until, now) + prompt
        one.stall += prompt * engine.interference
        first = one.prefill_until + engine.before_first_token
        # The others go on in whatever of that time no prompt takes from them, and this one then has one token.
        before = max(0.0, (first - now - one.stall) / step)
        heapq.heappush(one.ending, (one.progress + before + request.output_tokens, index))
        self.outcome.first_token[index] = first + step - request.at
        self._plan(one, now, step)

    def _advance(self, one: Replica, now: float) -> None:
        passed = now - one.at
        one.at = now
        if not one.running:
            one.stall = 0.0
            return
        if one.stall:
            stalled = min(one.stall, passed)
            one.stall -= stalled
            passed -= stalled
        one.progress += passed / one.step

    def _plan(self, one: Replica, now: float, step: float) -> None:
        one.step = step
        one.version += 1
        self.number += 1
        at = now + one.stall + max(0.0, one.ending[0][0] - one.progress) * step
        heapq.heappush(self.events, (at, _COMPLETION, self.number, one.version, one))

    def _completes(self, one: Replica, now: float) -> None:
        self._advance(one, now)
        _, index = heapq.heappop(one.ending)
        request, outcome = self.requests[index], self.outcome
        one.running -= 1
        self.running -= 1
        one.live -= request.input_tokens + request.output_tokens / 2
        outcome.ended[index] = now
        after = max(0.0, now - request.at - outcome.first_token[index])
        outcome.per_token[index] = after / max(1, request.output_tokens - 1)
        if one.running:
            self._plan(one, now, self.setting.engine.step(one.running, one.live))
        else:
            one.version += 1
            one.busy += now - one.busy_from
            one.live = 0.0
            if one.draining:
                self._ends(one, now)
        if self.waiting and not one.draining:
            self._fill(now)

    def _fill(self, now: float) -> None:
        self._expire(now)
        while self.waiting:
            best = min(self.open, key=lambda one: one.running, default=None)
            if best is None or best.running >= self.setting.engine.at_once:
                return
            self._admit(best, (self.queue or self.late).popleft(), now)

    def _expire(self, now: float) -> None:
        while self.queue and now - self.requests[self.queue[0]].at > self.setting.lets_pass_seconds:
            self.late.append(self.queue.popleft())
        for waiting in (self.late, self.queue):
            while waiting and now - self.requests[waiting[0]].at > self.setting.waits_seconds:
                waiting.popleft()
                self.outcome.refused += 1

    def _resize(self, wanted: int, now: float) -> None:
        wanted = max(self.setting.least, min(wanted, self.setting.most))
        if wanted != self.count or not self.outcome.counts:
            self.outcome.counts.append((now, wanted))
        for _ in range(wanted - self.count):
            one = Replica(now, now + self._start_seconds())
            self.number += 1
            self.outcome.starts += 1
            self.replicas.append(one)
            self.starting.append(one)
            heapq.heappush(self.events, (one.ready, _READY, self.number, 0, one))
        for _ in range(self.count - wanted):
            # As a ReplicaSet does it: what is not ready first, then the youngest.
            one = self.starting.pop() if self.starting else self.open.pop()
            one.draining = True
            if not one.running:
                self._ends(one, now)

    def _start_seconds(self) -> float:
        setting = self.setting
        # Both are drawn, so that what one start takes says nothing of what the next one does.
        start, pull = self.chance.uniform(*setting.start_seconds), self.chance.uniform(*setting.pull_seconds)
        self.placed += 1
        if setting.machines_stay and self.placed <= self.pulled:
            return start
        self.pulled = max(self.pulled, self.placed)
        return start + pull

    def _ends(self, one: Replica, now: float) -> None:
        one.ended = now
        self.placed -= 1

    def _close(self, end: float) -> None:
        self.outcome.refused += self.waiting
        self.outcome.replica_seconds = sum(min(one.ended, end) - min(one.asked, end) for one in self.replicas)


def simulate(requests: list[Request], setting: Setting, policy: Policy) -> Outcome:
    """One day of one policy. The same seed draws the same times for starts, whatever the policy."""
    return Fleet(requests, setting).run(policy)
