"""One meter: reserves before, settles after, and is right about what is left. No clock, lock or network of its own."""

from __future__ import annotations

import time
from typing import Literal

from serving.gateway.limits.windows import Window

Kind = Literal["requests", "tokens_per_minute", "tokens_per_day", "concurrent_requests", "budget", "dollars_per_day"]

BURST_SECONDS = 10
"""A client may send this many seconds' worth of its requests per minute at once (at least one). Tokens per minute
may be spent within one moment: a single long prompt can be most of a minute's tokens."""
# Sums of fractions may be off in the last digits; a request at exactly the promised moment is not refused for that.
_ROUNDING = 1e-6
# Nobody knows when running requests end and give back what they do not use.
_UNTIL_SOME_END_SECONDS = 2.0
# A gateway keeps at most this part of its share of a limit in hand for its next requests (see `Meter.want`).
_SPARE_PART = 4
# In hand for as many more requests like the first one.
_AT_FIRST = 8


class Meter:
    """What one client may use of one thing, alone or (`model`) with one model.

    A reservation is *held*: it does not leak away while its request runs, and turns into *spent* at the end, only for
    what was used. So spent + held never exceeds `capacity`, unless a request uses more than was reserved for it, and
    giving back what was not used can never give back what time has already given back.

    Two ways to take: `take_local` against this process's own count (of the whole limit, or of its share while the
    shared store is away), and `take_leased` against what the shared store has lent. `total` only grows: the store is
    told it as an absolute number, so that repeating a lost exchange counts nothing twice.
    """

    __slots__ = (
        "_at",
        "_known_at",
        "_known_others",
        "_known_spent",
        "_lent",
        "_pace",
        "_share_capacity",
        "_share_rate",
        "_spent",
        "_taken",
        "capacity",
        "client",
        "demand",
        "gateways",
        "held",
        "kind",
        "lease",
        "model",
        "rate",
        "reported",
        "total",
        "waiting",
        "window",
    )

    def __init__(self, kind: Kind, client: str, model: str | None, limit: int, gateways: int = 1) -> None:
        self.kind: Kind = kind
        self.client = client
        self.model = model
        self.window: Window | None = None
        if kind in ("tokens_per_day", "dollars_per_day"):
            self.window = Window("day", time.time())
        elif kind == "budget":
            self.window = Window("month", time.time())
        self.held = 0
        self.total = 0
        self._spent = 0.0
        self._at = 0.0
        self.lease = 0
        # What the store may think that we hold: more than `lease` while an answer is missing.
        self._lent = 0
        self.reported = 0
        self.demand = 0
        # Asked for by requests that wait for the store's answer: of the next lease so much is theirs.
        self.waiting = 0
        self._taken = 0
        self._pace = 0
        self._known_spent = 0.0
        self._known_others = 0
        self._known_at: float | None = None
        self.adopt(limit, gateways)

    def adopt(self, limit: int, gateways: int) -> None:
        """The limit may have changed (a reload): it counts from now on, and what is spent stays spent."""
        self.gateways = gateways
        self.capacity = max(1, limit * BURST_SECONDS // 60) if self.kind == "requests" else limit
        self.rate = limit / 60 if self.kind in ("requests", "tokens_per_minute") else 0.0
        self._share_rate = self.rate / gateways
        whole = self.kind in ("requests", "concurrent_requests")
        # At least one, or a small limit over many gateways would be a limit of none.
        self._share_capacity = max(1, self.capacity // gateways) if whole else self.capacity / gateways

    def take_local(self, amount: int, now: float) -> bool:
        """Hold `amount` if there is room for it now. `now` is monotonic; the wall clock only turns windows."""
        if self.window is not None and time.time() >= self.window.ends_at:
            self.turn(time.time())
        self._leak(now)
        if self._spent + self.held + amount > self._share_capacity + _ROUNDING:
            return False
        self.held += amount
        return True

    def settle_local(self, reserved: int, used: int, now: float) -> None:
        """End a reservation with what was really used."""
        self.held -= reserved
        if used:
            self._leak(now)
            self._spent += used
            self.total += used

    def take_leased(self, amount: int, asked: bool = False) -> bool:
        """Hold `amount` if the lease covers it; for who has not `asked`, beside all that others are waiting for."""
        if self.window is not None and time.time() >= self.window.ends_at:
            self.turn(time.time())
        before = 0 if asked else self.waiting
        if self.held + self.total - self.reported + before + amount > self.lease:
            return False
        self.held += amount
        self._taken += amount
        return True

    def settle_leased(self, reserved: int, used: int) -> None:
        """See settle_local. The lease keeps covering it until the store was told."""
        self.held -= reserved
        self.total += used

    def turn(self, wall: float) -> None:
        """Follow the wall clock into a new window. What is held will count there, where it ends."""
        if self.window is not None and self.window.move(wall):
            self.total = self.reported = self.lease = self._lent = 0
            self._spent = self._known_spent = 0.0
            self._known_others = 0

    def wait(self, amount: int, now: float, leasing: bool) -> float:
        """Seconds until `amount` may fit, if nothing else is taken meanwhile."""
        if leasing:
            spent, held = self._known(now), self._known_others + self.held
            over = spent + held + amount - self.capacity
            rate = self.rate
        else:
            self._leak(now)
            spent, held, rate = self._spent, self.held, self._share_rate
            over = spent + held + amount - self._share_capacity
        if self.kind == "concurrent_requests" or over <= _ROUNDING:
            return 1.0
        if over > spent + _ROUNDING:
            return _UNTIL_SOME_END_SECONDS
        if self.window is None:
            return over / rate
        return _UNTIL_SOME_END_SECONDS if over <= held else self.window.seconds_left()

    def remaining(self, now: float, leasing: bool) -> tuple[int, float]:
        """What could be taken now, and the seconds until the whole limit could be (headers)."""
        if leasing:
            used = self._known(now) + self._known_others + self.held
            left, rate = self.capacity - used, self.rate
        else:
            self._leak(now)
            used = self._spent + self.held
            left, rate = self._share_capacity - used, self._share_rate
        reset = used / rate if rate else self.window.seconds_left() if self.window is not None else 0.0
        return max(0, int(left + _ROUNDING)), reset

    # The shared store's side.

    def ask(self, amount: int) -> None:
        """Let the next exchange bring room for it. Until `heard`, nobody who comes later takes that room."""
        self.demand += amount
        self.waiting += amount

    def heard(self, amount: int) -> None:
        """The exchange is over, and who asked for it is to take it now."""
        self.waiting -= amount

    def want(self, every_second: bool) -> int:
        """The lease to ask for: what is held, what waits, and a little in hand while there is traffic."""
        if every_second:
            self._pace = self._taken
            self._taken = 0
        # Doubling while there is more traffic than in the last second; all of it goes back after an idle one.
        lively = max(self._pace, 2 * self._taken, _AT_FIRST * self.demand)
        spare = min(self.capacity // (_SPARE_PART * self.gateways), lively)
        want = self.held + self.waiting + spare
        self.demand = 0
        # Nothing beyond what is asked for may be used while the question is on its way.
        self.lease = min(self.lease, want + self.total - self.reported)
        self._lent = max(self._lent, want)
        return want

    def leave(self) -> None:
        """Ask for nothing beyond what is held from now on."""
        self._pace = self._taken = self.demand = 0

    def base(self) -> int:
        """What the store counts from when it does not know us (it may have lost its memory): a window's use is told
        whole again; what leaks was told and has leaked."""
        return self.reported if self.window is None else 0

    def label(self) -> str:
        """The window's name, part of the store's key."""
        return "" if self.window is None else self.window.label

    def granted(self, label: str, total: int, lease: int, spent: float, others: int, now: float) -> None:
        """The store's answer to a question asked in the window `label`, when `total` was ours."""
        if label != self.label():
            return
        self.reported = total
        self.lease = self._lent = lease
        self._known_spent = spent
        self._known_others = others
        self._known_at = now

    def silent_for(self, now: float) -> float | None:
        """Seconds since the store last answered about this meter; None: never."""
        return None if self._known_at is None else now - self._known_at

    def go_local(self, now: float) -> None:
        """The store is away: go on with our share of what it last said was spent."""
        self._spent = self._told(now) / self.gateways + self.total - self.reported
        self._at = now
        self.lease = 0

    def idle(self) -> bool:
        """Whether the store knows everything and nothing is lent or held. Never, where nothing is taken before it is
        spent: then asking every second is how a gateway hears what others did."""
        return self.kind != "dollars_per_day" and not self._lent and not self.held and self.total == self.reported

    def change_store(self, leasing: bool) -> None:
        """A reload named another store: it will be told what this process counts as spent (its share of it)."""
        now = time.monotonic()
        if leasing:
            self.go_local(now)
        self._leak(now)
        self.total = round(self._spent)
        self.reported = self.lease = self._lent = 0
        self._known_at = None
        self._known_others = 0

    def _told(self, now: float) -> float:
        """What the store said was spent by all, as it has leaked since."""
        return 0.0 if self._known_at is None else max(0.0, self._known_spent - (now - self._known_at) * self.rate)

    def _known(self, now: float) -> float:
        return self._told(now) + self.total - self.reported

    def _leak(self, now: float) -> None:
        elapsed = now - self._at
        if elapsed > 0:
            self._at = now
            if self._spent:
                self._spent = max(0.0, self._spent - elapsed * self._share_rate)
