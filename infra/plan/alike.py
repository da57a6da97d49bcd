"""Sites that cost the same: one of them is billed, as far as one model goes, and a thousand take no longer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from infra.plan.serving import pool_name
from infra.plan.types import SitePlan
from infra.platforms import PLATFORMS
from infra.platforms.base import SiteRequest
from infra.price.bill import Bill, Use, bill
from infra.price.book import PriceBook


@dataclass(frozen=True, kw_only=True)
class Here:
    """A site as far as one model and those on the same machines go, and how many sites there are like it. `others` says
    whether there are more models."""

    request: SiteRequest
    bill: Bill
    count: int
    others: bool


@dataclass(frozen=True, kw_only=True)
class Alike:
    """Sites with one `number` cost the same. `together` are models that share machines: fewer run than replicas do."""

    number: int
    together: frozenset[str]


def alike(requests: Mapping[str, SiteRequest], uses: Sequence[Use]) -> dict[str, Alike]:
    """Sites by what they are billed for and run; those on own machines are not there, and nothing is known of them."""
    by_site: defaultdict[str, list[Use]] = defaultdict(list)
    for use in uses:
        by_site[use.site].append(replace(use, site=""))
    known: dict[object, Alike] = {}
    found: dict[str, Alike] = {}
    for site, its in by_site.items():
        replicas = requests[site].replicas
        key = (tuple(its), tuple(replicas.items()))
        if key not in known:
            together = (
                name
                for use in its
                if use.share_of is None and 0 < use.maximum < sum(replicas[name].max for name in use.models)
                for name in use.models
                if len(use.models) > 1
            )
            known[key] = Alike(number=len(known), together=frozenset(together))
        found[site] = known[key]
    return found


def sites_of(
    name: str, sites: Sequence[str], requests: Mapping[str, SiteRequest], like: Mapping[str, Alike], book: PriceBook
) -> list[Here]:
    """The sites of a model, those that cost the same once."""
    counts = Counter(like[site].number for site in sites)
    found: dict[int, Here] = {}
    for site in sites:
        one, whole = like[site], requests[site]
        if one.number in found:
            continue
        # Machines that several models share are judged with all of them.
        pool = pool_name(whole.models[name])
        mates = (mate for mate in one.together if pool_name(whole.models[mate]) == pool)
        names = sorted(mates) if name in one.together else [name]
        found[one.number] = replace(
            _reduced(names, whole, book), count=counts[one.number], others=len(whole.models) > 1
        )
    return [*found.values()]


def bill_of(book: PriceBook, request: SiteRequest, plan: SitePlan) -> Bill:
    """What a site is billed for."""
    return bill(book, PLATFORMS[plan.platform].uses(request, plan))


def _reduced(names: Sequence[str], whole: SiteRequest, book: PriceBook) -> Here:
    request = replace(
        whole,
        models={name: whole.models[name] for name in names},
        replicas={name: whole.replicas[name] for name in names},
    )
    plan = PLATFORMS[request.settings.kind].plan(request)
    return Here(request=request, bill=bill_of(book, request, plan), count=1, others=False)
