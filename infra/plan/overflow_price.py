"""What tokens cost at the next site, for the day's limit on overflow, into the files of gateways that count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from infra.config import StackConfig
from infra.naming import DEPLOYMENT_KEY
from infra.plan.link_types import SiteLink, TokenPrice
from infra.plan.pricing import Pricing
from infra.plan.types import ModelPlan, SitePlan
from infra.platforms.base import SiteRequest
from infra.problems import Problem, listing


@dataclass(frozen=True, kw_only=True)
class OverflowPrices:
    """By link. Only of those on which somebody bounds what is spent."""

    links: tuple[SiteLink, ...]

    def requests(self, requests: Mapping[str, SiteRequest]) -> dict[str, SiteRequest]:
        """Sites whose gateways count, with the prices in their files."""
        found: dict[str, SiteRequest] = {}
        for link in self.links:
            rule = link.overflow
            if rule is None or rule.dollars_per_day is None:
                continue
            request = requests[link.source]
            models = dict(request.gateway["models"])
            for name, price in rule.prices.items():
                said = {
                    "input_dollars_per_million_tokens": price.input_dollars_per_million_tokens,
                    "output_dollars_per_million_tokens": price.output_dollars_per_million_tokens,
                }
                models[name] = {**models[name], "overflow": {**models[name]["overflow"], "price": said}}
            content = {**request.gateway, "models": models, "overflow_dollars_per_day": rule.dollars_per_day}
            found[link.source] = replace(request, gateway=content)
        return found

    def problems(self) -> Iterator[Problem]:
        """A limit that nothing would count towards."""
        for link in self.links:
            rule = link.overflow
            if rule is None or rule.dollars_per_day is None:
                continue
            if unknown := [name for name in link.models if name not in rule.prices]:
                yield Problem(
                    where=f"{DEPLOYMENT_KEY}.topology.overflow.dollars_per_day",
                    found=f"a limit, and {listing(unknown)} without a price at `{link.target}`: nobody knows what "
                    "tokens cost there",
                    allowed="a limit on models with a `price`, or with a known speed on machines with a price",
                    remedy=f"set `models.{unknown[0]}.price`, or remove the limit",
                )


def overflow_prices(
    config: StackConfig,
    links: tuple[SiteLink, ...],
    costs: Pricing,
    models: Mapping[str, ModelPlan],
    sites: Mapping[str, SitePlan],
) -> OverflowPrices:
    """Of every link that has a limit."""

    def priced(link: SiteLink) -> SiteLink:
        rule = link.overflow
        if rule is None or rule.dollars_per_day is None:
            return link
        prices = {name: _price(config, costs, name, models[name], link.target, sites) for name in link.models}
        known = {name: price for name, price in prices.items() if price is not None}
        return replace(link, overflow=replace(rule, prices=known))

    return OverflowPrices(links=tuple(priced(link) for link in links))


def _price(
    config: StackConfig, costs: Pricing, name: str, model: ModelPlan, site: str, sites: Mapping[str, SitePlan]
) -> TokenPrice | None:
    """What is written, else by machines: at the load that the objective states, as tokens cost more at less than full
    load, and answers without the part that is their prompts'."""
    settings = config.models[name]
    if settings.price is not None:
        return TokenPrice(
            input_dollars_per_million_tokens=settings.price.input_dollars_per_million_tokens,
            output_dollars_per_million_tokens=settings.price.output_dollars_per_million_tokens,
            by="price",
        )
    price = costs.model_at(name, model, site, sites, settings.objective)
    speed = model.performance
    if price is None or speed is None:
        return None
    prompts = price.dollars_per_million_input_tokens_at_stated_load
    answers = price.dollars_per_million_output_tokens_at_stated_load
    load = "at the stated load"
    if prompts is None or answers is None:
        prompts, answers = price.dollars_per_million_input_tokens, price.dollars_per_million_output_tokens
        load = "at full load"
    each = speed.input_tokens / speed.output_tokens
    return TokenPrice(
        input_dollars_per_million_tokens=prompts,
        output_dollars_per_million_tokens=round(max(0.0, answers - prompts * each), 3),
        by=f"machines of {site} {load}",
    )
