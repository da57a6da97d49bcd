"""From a StackConfig to a DeploymentPlan: pure, offline, and every problem at once."""

from __future__ import annotations

from datetime import date

from infra import chosen_site
from infra.config import StackConfig
from infra.governance.checks import governance_problems, governed, planned_problems
from infra.governance.profile import with_profile
from infra.plan.calibration import calibration_warnings
from infra.plan.chosen_images import gateway_image_problems
from infra.plan.drain import drain_plan
from infra.plan.gateway_checks import gateway_problems, longest_wait
from infra.plan.layout import (
    abilities_of,
    every_site,
    links_of,
    no_platform,
    nobody_there,
    placement_request,
    site_problems,
)
from infra.plan.making import making_problems
from infra.plan.model_cards import license_problems
from infra.plan.network import network_problems, reserved, taken
from infra.plan.overflow_checks import overflow_problems
from infra.plan.overflow_price import overflow_prices
from infra.plan.planner import Planner
from infra.plan.pricing import price_book_of, pricing
from infra.plan.releases import release_problems
from infra.plan.secured_ways import upstream_problems, way_problems
from infra.plan.site_drain import with_site_drain
from infra.plan.trials import trial_problems
from infra.plan.types import DeploymentPlan, RemoteModelPlan
from infra.plan.weakenings import counting_warnings, gateway_warnings, partner_warnings
from infra.plan.zone_loss import with_zone_loss
from infra.platforms import PLATFORMS
from infra.problems import Refused
from infra.topologies import TOPOLOGIES
from infra.topologies.base import Layout

NOTHING = Layout(placements=(), gateways={})


def build_plan(config: StackConfig, stack: str, today: date | None = None, site: str | None = None) -> DeploymentPlan:
    """Decides everything. Raises Refused with every problem that can be known without a cloud; with a date, old prices
    are warned of. `site` is the one that the stack deploys; None: all of them."""
    config = governed(config)
    sites = every_site(config)
    problems = [*chosen_site.site_problems(site, sites), *no_platform(sites)]
    sites = {name: site for name, site in sites.items() if site.platform is not None}
    abilities = abilities_of(sites)
    problems += site_problems(config, sites)

    topology = TOPOLOGIES[config.topology.kind]
    placing = placement_request(config, sites, abilities)
    problems += topology.problems(placing)
    layout = NOTHING if problems else topology.place(placing)

    book = price_book_of(config.pricing)
    planner = Planner(config, stack, sites, layout, book)
    problems += planner.model_problems()
    problems += [
        *gateway_problems(config),
        *upstream_problems(config),
        *gateway_image_problems(config),
        *trial_problems(config, any(can.runs_jobs for can in abilities.values())),
        *making_problems(config),
    ]
    problems += [*license_problems(config), *release_problems(config, sites)]
    problems += governance_problems(config, sites, abilities)
    requests = planner.requests()
    problems += overflow_problems(config, sites, layout.links)
    problems += way_problems(config, abilities, layout.links)
    problems += nobody_there(sites, {name: request.gateway["clients"] for name, request in requests.items()})
    platforms = {name: PLATFORMS[site.platform.kind] for name, site in sites.items()}
    ranges = [one for name, request in requests.items() for one in taken(request, platforms[name].ranges(request))]
    problems += network_problems(ranges, [*reserved(config.reserved_ranges)])
    for name, request in requests.items():
        problems += platforms[name].problems(request)
    if problems:
        raise Refused(f"the stack `{stack}`", problems)

    planned = {name: platforms[name].plan(request) for name, request in requests.items()}
    needed = {name: model.needed for name, model in placing.models.items()}
    if problems := planned_problems(config, sites, planned):
        raise Refused(f"the stack `{stack}`", problems)
    planned |= {name: with_zone_loss(planned[name], abilities[name].zones, needed) for name in layout.outlive_zones}
    costs = pricing(book, requests, planned)
    links = overflow_prices(config, links_of(config, sites, layout), costs, planner.models(), planned)
    # What tokens cost at another site is known only when that one is planned, and is in the files of those that count.
    planned |= {name: platforms[name].plan(request) for name, request in links.requests(requests).items()}
    planned = with_profile(config.governance, planned)
    # Only what can be planned has a price.
    cheaper = planner.alternatives(requests, costs.uses, costs.book)
    if problems := [*links.problems(), *costs.problems(config.budget, cheaper)]:
        raise Refused(f"the stack `{stack}`", problems)

    weakenings = (
        *gateway_warnings(config),
        *counting_warnings(
            config, {name: n for name, n in layout.gateways.items() if not abilities[name].counts_together}
        ),
        *partner_warnings(config, layout.links),
        *planner.model_warnings(),
        *calibration_warnings(config),
        *(warning for name, request in requests.items() for warning in platforms[name].warnings(request)),
    )
    models = planner.models()
    objectives = {name: settings.objective for name, settings in config.models.items()}
    return DeploymentPlan(
        stack=stack,
        topology=config.topology.kind,
        sites=planned,
        deployed_sites=tuple(planned) if site is None else (site,),
        links=links.links,
        models=costs.of_models(with_site_drain(models, planned), planned, objectives, cheaper),
        remote_models={
            name: RemoteModelPlan(
                task=settings.task,
                context_tokens=settings.context_tokens,
                max_output_tokens=settings.longest_answer_tokens,
                upstreams={upstream: found.url for upstream, found in settings.upstreams.items()},
                drain=drain_plan(settings.longest_generation_seconds, longest_wait(name, config)),
            )
            for name, settings in config.remote_models.items()
        },
        clients=planner.clients,
        gateway_keep_alive_seconds=config.gateway.limits.keep_alive_seconds,
        trials=planner.trials,
        makings=planner.makings,
        price=costs.plan(models, planned),
        weakenings=weakenings,
        warnings=(*weakenings, *costs.warnings(config.budget, today)),
    )
