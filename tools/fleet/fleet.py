"""Changes the sites of one document, each a stack of its own, ring by ring: `make fleet STACK=edge`.

A site that fails holds up no other one of its ring; a ring that fails holds up the next. Run again, it goes on where it
stopped: a site that serves the plan is left alone.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from infra.config import StackConfig
from infra.load import load_file
from infra.naming import DEPLOYMENT_KEY
from infra.plan.build import build_plan
from infra.plan.layout import every_site, may_be_at
from infra.plan.types import DeploymentPlan
from infra.platforms import PLATFORMS
from infra.platforms.local.component import release_digest
from infra.problems import Refused, did_you_mean, listing
from infra.topologies.rollout import Fleet
from tools.checkout import LOCAL, ROOT
from tools.fleet import machines
from tools.fleet.journal import Journal
from tools.fleet.order import Order
from tools.fleet.rollout import Report, Row, Step, at_once, roll_out
from tools.problem import Problem, run
from tools.progress import say
from tools.stack import stack_file

MOST_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class Work:
    """What there is to do: the rings, each site's order, and the digest of what each is to serve."""

    fleet: Fleet
    orders: dict[str, Order]
    digests: dict[str, str]


def main(arguments: list[str]) -> int:
    """Change them, or with `--plan` show what that would be; 0 says that every site is as it should be."""
    parser = argparse.ArgumentParser(prog="tools/fleet/fleet", description=__doc__)
    parser.add_argument("stack")
    parser.add_argument("--only", action="append", default=[], metavar="SITE", help="this site alone; may be repeated")
    parser.add_argument("--plan", action="store_true", help="show rings, sites and machines; nothing is changed")
    parser.add_argument("--again", action="store_true", help="also sites that serve the plan since an earlier run")
    parser.add_argument("--down", action="store_true", help="take the sites down instead, all at once")
    options = parser.parse_args(arguments)
    try:
        work = planned(options.stack, options.only)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    folder = LOCAL / "fleet" / options.stack
    journal = Journal(folder / "serving.json")
    if options.plan:
        _print(_planned_rows(work, set() if options.again else journal.serving(work.digests)))
        return 0
    if options.again:
        for site in work.orders:
            journal.left(site)

    def told(verb: str) -> Step:
        return lambda site: machines.tell(work.fleet.hosts.get(site), verb, work.orders[site], folder / "logs")

    if options.down:
        report = _take_down(work, journal, told("down"))
    else:
        report = roll_out(work.fleet, work.digests, journal, change=told("up"), ask=told("check"), tell=say)
    _print(report.rows)
    if not report.good:
        print(f"\nWhat each site printed: {folder / 'logs'}/SITE.log. The same command again goes on from here.")
    return 0 if report.good else 1


def planned(stack: str, only: Iterable[str] = ()) -> Work:
    """The rings and the orders of one stack file. Raises Refused, or Problem where it is not a fleet's."""
    path = stack_file.tracked(stack)
    config = load_file(path)
    plan = build_plan(config, stack)
    fleet = config.topology.fleet
    if fleet is None:
        raise Problem(
            where=f"{path.name}, {DEPLOYMENT_KEY}.topology",
            found=f"the topology `{config.topology.kind}`, whose sites are not a stack each",
            allowed="one with many sites and a `rollout`, such as `edge`",
            do=f"Deploy it as one stack: make up STACK={stack}",
        )
    if wanted := list(dict.fromkeys(only)):
        for site in wanted:
            if site not in plan.sites:
                raise _unknown(site, list(plan.sites))
        fleet = replace(fleet, rings={"only": tuple(wanted)})
    sites = [site for ring in fleet.rings.values() for site in ring]
    document, release = path.read_text(encoding="utf-8"), release_digest(ROOT)
    asking = Asking(config, plan)
    orders = {
        site: Order(
            stack=stack,
            site=site,
            document=document,
            release=release,
            client=asking.client(site),
            asked={model: plan.models[model].task for model in plan.sites[site].models},
            answer_seconds=fleet.answer_seconds,
            extras=[*PLATFORMS[plan.sites[site].platform].extras],
        )
        for site in sites
    }
    return Work(fleet=fleet, orders=orders, digests={site: _digest(plan, site, release) for site in sites})


class Asking:
    """Who asks when a site is to show that it serves: a client whose data may be there, with most of its models."""

    def __init__(self, config: StackConfig, plan: DeploymentPlan) -> None:
        self._plan = plan
        self._boundaries = {name: site.boundary or config.gateway.boundary for name, site in every_site(config).items()}
        self._allowed = {boundary: [*may_be_at(config, boundary)] for boundary in {*self._boundaries.values()}}

    def client(self, site: str) -> str:
        """Its name; empty where there is none."""
        models = set(self._plan.sites[site].models)
        may = self._allowed[self._boundaries[site]]
        return max(may, key=lambda client: len(models.intersection(self._plan.clients[client].models)), default="")


def _digest(plan: DeploymentPlan, site: str, release: str) -> str:
    """Of all that makes a site what it is: its part of the plan, its clients, and the code that serves."""
    clients = {name: asdict(client) for name, client in plan.clients.items()}
    content = [asdict(plan.sites[site]), clients, release]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _take_down(work: Work, journal: Journal, down: Step) -> Report:
    sites = list(work.orders)
    for site in sites:
        journal.left(site)
    outcomes = at_once(work.fleet.concurrent_sites, sites, down, say, "")
    rows = [Row("", site, "changed" if one.good else "failed", one.seconds, one.said) for site, one in outcomes.items()]
    return Report(tuple(rows), None)


def _planned_rows(work: Work, serving: set[str]) -> list[Row]:
    def where(site: str) -> str:
        host = work.fleet.hosts.get(site)
        return "from here" if host is None else f"{host.ssh or 'this machine'}:{host.folder}"

    return [
        Row(ring, site, "serving" if site in serving else "to change", 0.0, where(site))
        for ring, sites in work.fleet.rings.items()
        for site in sites
    ]


def _print(rows: Iterable[Row]) -> None:
    cells = [("ring", "site", "state", "seconds", "")]
    cells += [(row.ring, row.site, row.state, f"{row.seconds:.0f}" if row.seconds else "", row.said) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    for row in cells:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)), row[4]]).rstrip())
    counted: dict[str, int] = {}
    for row in cells[1:]:
        counted[row[2]] = counted.get(row[2], 0) + 1
    print(f"\n{len(cells) - 1} sites: {', '.join(f'{count} {state}' for state, count in counted.items())}", flush=True)


def _unknown(site: str, sites: list[str]) -> Problem:
    more = f" and {len(sites) - MOST_NAMED} more" if len(sites) > MOST_NAMED else ""
    return Problem(
        where="--only",
        found=f"`{site}`, which is not among the sites",
        allowed=f"{listing(sites[:MOST_NAMED])}{more}",
        do=did_you_mean(site, sites, "name one of these"),
    )


if __name__ == "__main__":
    run(main)
