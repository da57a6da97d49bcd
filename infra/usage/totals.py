"""Sums: by period, client and model for whoever pays, and by model and hour for what it was busy with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from infra.gateway.quota import PriceSettings
from infra.usage.rows import Used

DAY, MONTH, HOUR = 10, 7, 13
LENGTHS: Mapping[str, int] = {"day": DAY, "month": MONTH}
Key = tuple[str, str, str]
# Who showed no good key, and requests that came to no model: no client and no model of a stack is called so.
NOBODY, NOWHERE = "(nobody)", "(none)"


@dataclass
class Total:
    """`dollars` is of requests with a price; `unpriced_tokens` are those of all others."""

    requests: int = 0
    refused: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    dollars: float = 0.0
    unpriced_tokens: int = 0

    def add(self, used: Used, dollars: float | None) -> None:
        """One request more, or one less."""
        sign = used.sign
        self.requests += sign
        self.refused += sign * (used.status >= 400)
        self.prompt_tokens += sign * used.prompt_tokens
        self.output_tokens += sign * used.output_tokens
        if dollars is None:
            self.unpriced_tokens += sign * (used.prompt_tokens + used.output_tokens)
        else:
            self.dollars += sign * dollars

    def take(self, other: Total) -> None:
        """All of another sum."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Busy:
    """One model in one hour: requests that were answered, and their tokens."""

    answered: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0


@dataclass
class Totals:
    """As large as there are periods, clients and models; not as there are requests."""

    by: str
    prices: Mapping[str, PriceSettings]
    sums: dict[Key, Total] = field(default_factory=dict[Key, Total])
    months: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    hours: dict[tuple[str, str], Busy] = field(default_factory=dict[tuple[str, str], Busy])

    def count(self, requests: Iterable[Used]) -> None:
        """Adds all of them."""
        length = LENGTHS[self.by]
        for used in requests:
            client, model = used.client or NOBODY, used.model or NOWHERE
            dollars = used.cost if used.cost is not None else self._price(used)
            self.sums.setdefault((used.moment[:length], client, model), Total()).add(used, dollars)
            if dollars:
                month = (used.moment[:MONTH], client)
                self.months[month] = self.months.get(month, 0.0) + used.sign * dollars
            if used.status < 400 and used.output_tokens + used.prompt_tokens:
                busy = self.hours.setdefault((model, used.moment[:HOUR]), Busy())
                busy.answered += used.sign
                busy.prompt_tokens += used.sign * used.prompt_tokens
                busy.output_tokens += used.sign * used.output_tokens

    def _price(self, used: Used) -> float | None:
        """By the stack's price of today, where the gateway had none then; nothing used costs nothing."""
        if not used.prompt_tokens and not used.output_tokens:
            return 0.0
        price = self.prices.get(used.model or "")
        if price is None:
            return None
        return (
            used.prompt_tokens * price.input_dollars_per_million_tokens
            + used.output_tokens * price.output_dollars_per_million_tokens
        ) / 1_000_000

    def of(self, place: int) -> dict[str, Total]:
        """Sums over everything but one part of the key: 0 the period, 1 the client, 2 the model."""
        found: dict[str, Total] = {}
        for key, total in self.sums.items():
            found.setdefault(key[place], Total()).take(total)
        return dict(sorted(found.items()))
