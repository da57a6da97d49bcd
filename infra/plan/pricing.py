"""Pricing: the bill of a whole plan, what a million tokens of each model cost in machines, and the budget."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from infra.cost import BudgetSettings, PricingSettings
from infra.naming import DEPLOYMENT_KEY
from infra.objective import ObjectiveSettings
from infra.plan.alternatives import worth_it
from infra.plan.crossover import crossovers
from infra.plan.figures import ModelPerformance
from infra.plan.price_types import Amount, Dollars, ModelPrice, PriceLine, PricePlan
from infra.plan.rollout_price import rollout_prices
from infra.plan.types import Alternative, ModelPlan, SitePlan
from infra.platforms import PLATFORMS
from infra.platforms.base import SiteRequest
from infra.price.bill import HOURS_PER_MONTH, Bill, Line, Use, bill, bill_warnings, counted_once, token_prices
from infra.price.book import OLD_AFTER_DAYS, PriceBook, age_in_days, interruption_warnings, price_book
from infra.price.budget import Candidate, budget_problems, budget_warnings
from infra.price.types import Discount, OwnPrice
from infra.problems import Problem

BUDGET = f"{DEPLOYMENT_KEY}.budget.dollars_per_month"


@dataclass(frozen=True, kw_only=True)
class Pricing:
    """The bill of every site together; None where nobody charges anything."""

    book: PriceBook
    uses: Sequence[Use]
    bill: Bill | None

    def plan(self, models: Mapping[str, ModelPlan], sites: Mapping[str, SitePlan]) -> PricePlan | None:
        """As the plan says it."""
        made = self.bill
        if made is None:
            return None
        month = _dollars(made.dollars_per_month_minimum, made.dollars_per_month_maximum)
        return PricePlan(
            dollars_per_hour_now=round(made.dollars_per_hour_now, 4),
            dollars_per_hour=Dollars(
                min=round(month.min / HOURS_PER_MONTH, 4), max=round(month.max / HOURS_PER_MONTH, 4)
            ),
            dollars_per_month=month,
            as_of=min((price.as_of for price in made.prices if price.as_of), default=None),
            lines=tuple(_line(line) for line in made.lines),
            rollouts=rollout_prices(models, sites, made.lines),
            crossovers=tuple(crossovers(models, sites, self.book)),
        )

    def problems(
        self, budget: BudgetSettings | None, cheaper: Mapping[str, Sequence[Alternative]]
    ) -> Iterator[Problem]:
        """Over budget with the fewest replicas, with what one model's change would make of the whole bill."""
        if self.bill and budget:
            month = self.bill.dollars_per_month_minimum
            ways = [
                Candidate(
                    name=f"{' and '.join(f'`{change}`' for change in one.changes)} for `{name}`",
                    dollars_per_month=month - one.saves_dollars_per_month,
                )
                for name, found in cheaper.items()
                for one in found
            ]
            yield from budget_problems(BUDGET, self.bill, budget.dollars_per_month, ways)

    def warnings(self, budget: BudgetSettings | None, today: date | None) -> Iterator[str]:
        """What has no price, what is over budget when everything scales out, and with a date, what is old."""
        if self.bill is None:
            if budget:
                yield "nothing here has a price: `budget` does nothing on own machines"
            return
        yield from bill_warnings(self.bill)
        yield from budget_warnings(BUDGET, self.bill, budget and budget.dollars_per_month)
        yield from interruption_warnings(self.bill.prices)
        if today:
            ages = {price.name: age_in_days(price.as_of, today) for price in self.bill.prices}
            undated = sum(age is None for age in ages.values())
            old = sum(age is not None and age > OLD_AFTER_DAYS for age in ages.values())
            if undated or old:
                yield (
                    f"of {len(ages)} list prices, {undated} are undated and {old} older than {OLD_AFTER_DAYS} days: "
                    "`lines` of `price` say from when each is (`--format json`)"
                )

    def of_models(
        self,
        models: Mapping[str, ModelPlan],
        sites: Mapping[str, SitePlan],
        objectives: Mapping[str, ObjectiveSettings | None],
        cheaper: Mapping[str, Sequence[Alternative]],
    ) -> Mapping[str, ModelPlan]:
        """Each with its own price, where its machines have one and its speed is known, and what would be cheaper."""
        return {
            name: replace(
                model,
                price=self._model(name, model, sites, objectives[name]),
                alternatives=worth_it(cheaper.get(name, ())),
            )
            for name, model in models.items()
        }

    def _model(
        self, name: str, model: ModelPlan, sites: Mapping[str, SitePlan], objective: ObjectiveSettings | None
    ) -> ModelPrice | None:
        """On the first of its sites that costs anything."""
        lines = self.bill.lines if self.bill else ()
        site = next((site for site in model.sites if any(_is(line, name, site) for line in lines)), None)
        return None if site is None else self.model_at(name, model, site, sites, objective)

    def model_at(
        self, name: str, model: ModelPlan, site: str, sites: Mapping[str, SitePlan], objective: ObjectiveSettings | None
    ) -> ModelPrice | None:
        """On one of its sites; None where no machine of its own has a price there, or its speed is not known."""
        if self.bill is None or model.performance is None:
            return None
        hour = 0.0
        for line in self.bill.lines:
            if not _is(line, name, site):
                continue
            if line.dollars_per_month_maximum is None:
                return None
            replicas = sum(sites[site].replicas[other].max for other in line.models)
            # Whoever shares a GPU shares its speed, of which the figures are those of the whole.
            shared_by = max((pool.shared_by for pool in sites[site].node_pools if name in pool.models), default=1)
            hour += line.dollars_per_month_maximum / HOURS_PER_MONTH / replicas * shared_by
        if not hour:
            return None
        return _model_price(hour, model.performance, stated_load(model, objective))


def price_book_of(settings: PricingSettings) -> PriceBook:
    """The user's prices and then the lists'."""
    return price_book(
        [OwnPrice(**own.model_dump()) for own in settings.prices],
        [Discount(**discount.model_dump()) for discount in settings.discounts],
    )


def pricing(book: PriceBook, requests: Mapping[str, SiteRequest], sites: Mapping[str, SitePlan]) -> Pricing:
    """What every site is billed for."""
    every = (
        replace(use, site=name)
        for name, request in requests.items()
        for use in PLATFORMS[sites[name].platform].uses(request, sites[name])
    )
    uses = [*counted_once(every)]
    return Pricing(book=book, uses=uses, bill=bill(book, uses) if uses else None)


def stated_load(model: ModelPlan, objective: ObjectiveSettings | None) -> float | None:
    """The part of what then runs that the objective uses: the replicas that always run, or as many as it needs."""
    speed = model.performance
    if objective is None or speed is None:
        return None
    rate = objective.requests_per_second
    asked, each = (
        (objective.concurrent_users or 0, speed.running_requests) if rate is None else (rate, speed.requests_per_second)
    )
    return asked / each / max(model.replicas.min, math.ceil(asked / each))


def _model_price(dollars_per_hour: float, speed: ModelPerformance, load: float | None) -> ModelPrice:
    figures: Any = {
        "dollars_per_hour": dollars_per_hour,
        "output_tokens_per_second": speed.output_tokens_per_second,
        "expected_load": load or 1.0,
    }
    whole = token_prices(**figures)
    # The part of it that reads prompts.
    read = token_prices(
        **figures,
        input_tokens_per_second=speed.requests_per_second * speed.input_tokens,
        prefill_share=speed.prefill_share,
    )
    full, stated = whole.dollars_per_million_output_tokens_at_full_load, None
    read_full = read.dollars_per_million_input_tokens_at_full_load or 0.0
    if load:
        stated = whole.dollars_per_million_output_tokens_at_expected_load
    return ModelPrice(
        dollars_per_million_output_tokens=round(full, 3),
        dollars_per_million_input_tokens=round(read_full, 4),
        stated_load=load and round(load, 3),
        dollars_per_million_output_tokens_at_stated_load=stated and round(stated, 3),
        dollars_per_million_input_tokens_at_stated_load=round(read_full / load, 4) if load else None,
    )


def _is(line: Line, model: str, site: str) -> bool:
    return line.site == site and model in line.models


def _line(line: Line) -> PriceLine:
    least, most = line.dollars_per_month_minimum, line.dollars_per_month_maximum
    return PriceLine(
        site=line.site,
        what=line.what,
        item=line.item,
        amount=Amount(min=round(line.minimum, 2), max=round(line.maximum, 2)),
        dollars_per_month=None if least is None or most is None else _dollars(least, most),
        source=line.price and line.price.source,
        as_of=line.price and line.price.as_of,
    )


def _dollars(least: float, most: float) -> Dollars:
    return Dollars(min=round(least, 2), max=round(most, 2))
