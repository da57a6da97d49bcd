"""The metric of what became of tokens: per issuer, without a word of what was in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from serving.gateway.state import GatewayState


class TokenVerdicts:
    """A collector over the current policy's issuers. A token that is remembered is not judged again."""

    def __init__(self, state: GatewayState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client's Collector."""
        tokens = self._state.policy.tokens
        if tokens is None:
            return
        verdicts = CounterMetricFamily(
            "slipway_gateway_token_verdicts", "Tokens that were verified or refused.", labels=["issuer", "verdict"]
        )
        for (issuer, verdict), count in sorted(tokens.verdicts.items()):
            verdicts.add_metric([issuer, verdict], count)
        keys = GaugeMetricFamily("slipway_gateway_issuer_keys", "Usable keys of the issuer.", labels=["issuer"])
        for name, key_set in sorted(tokens.key_sets.items()):
            keys.add_metric([name], len(key_set.keys))
        yield from (verdicts, keys)

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering must not collect."""
        return []
