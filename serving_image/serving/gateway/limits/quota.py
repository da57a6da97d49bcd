"""What one client may use of one model: its meters in order, and a request's reservation of them."""

from __future__ import annotations

from typing import Any, cast

from serving.gateway.limits.config import PriceConfig
from serving.gateway.limits.estimate import ModelMeasure
from serving.gateway.limits.meter import Meter

# Which of a reservation's amounts a meter counts.
_ONE, _TOKENS, _MONEY = 0, 1, 2
_UNIT = {
    "requests": _ONE,
    "concurrent_requests": _ONE,
    "tokens_per_minute": _TOKENS,
    "tokens_per_day": _TOKENS,
    "budget": _MONEY,
}
NANODOLLARS = 1_000_000_000


class Price:
    """Of one model, in billionths of a dollar per token."""

    __slots__ = ("input", "output")

    def __init__(self, config: PriceConfig) -> None:
        self.input = round(config.input_dollars_per_million_tokens * 1000)
        self.output = round(config.output_dollars_per_million_tokens * 1000)

    def of(self, prompt_tokens: int, output_tokens: int) -> int:
        """What these tokens cost."""
        return prompt_tokens * self.input + output_tokens * self.output


class Quota:
    """The meters of one client with one model: the client's own and those for this model, in one tuple with the
    unit each counts. `counts_tokens`: the answer's usage must be known, for them or for what else is counted."""

    __slots__ = ("client", "counts_tokens", "measure", "meters", "model", "price")

    def __init__(
        self,
        client: str,
        model: str,
        meters: tuple[Meter, ...],
        price: Price | None,
        measure: ModelMeasure,
        *,
        counts_tokens: bool = False,
    ) -> None:
        self.client = client
        self.model = model
        self.meters = tuple((meter, _UNIT[meter.kind]) for meter in meters)
        self.counts_tokens = counts_tokens or price is not None or any(unit != _ONE for _, unit in self.meters)
        self.price = price
        self.measure = measure

    def take(self, amounts: tuple[int, int, int], now: float, leasing: bool, asked: bool = False) -> Meter | None:
        """Hold all of it, or nothing and say which meter had no room. `asked`: an exchange was for this."""
        for taken, (meter, unit) in enumerate(self.meters):
            amount = amounts[unit]
            if not (meter.take_leased(amount, asked) if leasing else meter.take_local(amount, now)):
                for other, other_unit in self.meters[:taken]:
                    other.held -= amounts[other_unit]
                return meter
        return None

    def ask_for(self, amounts: tuple[int, int, int]) -> None:
        """Let the next exchange with the shared store bring room for these."""
        for meter, unit in self.meters:
            meter.ask(amounts[unit])

    def heard(self, amounts: tuple[int, int, int]) -> None:
        """That exchange is over."""
        for meter, unit in self.meters:
            meter.heard(amounts[unit])


class Reservation:
    """What one request holds, and how it is settled when the request ends."""

    __slots__ = ("amounts", "output_tokens", "prompt_tokens", "quota", "sent_bytes")

    def __init__(self, quota: Quota, prompt_tokens: int, output_tokens: int, sent_bytes: int) -> None:
        self.quota = quota
        self.prompt_tokens = prompt_tokens
        self.output_tokens = output_tokens
        self.sent_bytes = sent_bytes
        money = 0 if quota.price is None else quota.price.of(prompt_tokens, output_tokens)
        self.amounts = (1, prompt_tokens + output_tokens, money)

    def settle(self, prompt_tokens: int, output_tokens: int, now: float, leasing: bool) -> int:
        """Turn what is held into what was used; the cost in billionths of a dollar."""
        quota = self.quota
        money = 0 if quota.price is None else quota.price.of(prompt_tokens, output_tokens)
        used = (1, prompt_tokens + output_tokens, money)
        for meter, unit in quota.meters:
            spent = 0 if meter.kind == "concurrent_requests" else used[unit]
            if leasing:
                meter.settle_leased(self.amounts[unit], spent)
            else:
                meter.settle_local(self.amounts[unit], spent, now)
        return money


def output_tokens_wanted(document: dict[str, Any], endpoint: str) -> int:
    """The most tokens the answer may have: max_tokens (always there by now) times the number of answers."""
    if endpoint == "embeddings":
        return 0
    choices = max(document.get("n") or 1, document.get("best_of") or 1)
    prompt: Any = document.get("prompt")
    if type(prompt) is list:
        prompts = cast("list[Any]", prompt)
        choices *= 1 if type(prompts[0]) is int else len(prompts)  # never empty: check_bounds
    largest = max(document.get("max_tokens") or 0, document.get("max_completion_tokens") or 0)
    return choices * max(largest, document.get("n_predict") or 0)
