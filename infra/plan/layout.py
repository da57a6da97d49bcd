"""Who runs where: from the configuration's sites to what a topology places, and what is wrong between sites."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cache

from infra.config import StackConfig
from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.crossings import crossings, may_be_at
from infra.plan.fit_checks import replicas_needed
from infra.plan.link_types import Crossing, SiteLink
from infra.platforms import PLATFORMS
from infra.platforms.base import Abilities
from infra.problems import Problem, did_you_mean, listing
from infra.topologies import TOPOLOGIES
from infra.topologies.base import Layout, Place, PlacementRequest, Site, Wanted


def every_site(config: StackConfig) -> dict[str, Site]:
    """Those that are written, and those that the topology makes of them, by name."""
    written = {
        name: Site(
            where=dotted(DEPLOYMENT_KEY, ("sites", name)),
            platform=site.platform,
            models=None if site.models is None else tuple(site.models),
            boundary=site.boundary,
        )
        for name, site in config.sites.items()
    }
    return {**TOPOLOGIES[config.topology.kind].sites(DEPLOYMENT_KEY, config.topology, written)}


def no_platform(sites: Mapping[str, Site]) -> Iterator[Problem]:
    """Sites of which nobody said what they are."""
    for name, site in sites.items():
        if site.platform is None:
            yield Problem(
                where=f"{site.where}.platform",
                found=f"nothing, and the site `{name}` has none of its own",
                allowed="a platform for every site",
                remedy="add `platform: {kind: KIND}` here, or to each site",
            )


def placement_request(
    config: StackConfig, sites: Mapping[str, Site], abilities: Mapping[str, Abilities]
) -> PlacementRequest:
    """What a topology is asked."""
    every = tuple(config.models)
    return PlacementRequest(
        where=DEPLOYMENT_KEY,
        settings=config.topology,
        places={
            name: Place(
                where=site.where,
                zones=abilities[name].zones,
                most_replicas=abilities[name].most_replicas,
                scales_to_zero=abilities[name].scales_to_zero,
                models=every if site.models is None else tuple(m for m in site.models if m in config.models),
                single_points=abilities[name].single_points,
                endpoint=abilities[name].endpoint,
                way=abilities[name].way,
                region=abilities[name].region,
            )
            for name, site in sites.items()
        },
        models={
            name: Wanted(
                min_replicas=model.scaling.min_replicas,
                max_replicas=model.scaling.max_replicas,
                holds=model.hold is not None,
                needed=replicas_needed(model),
            )
            for name, model in config.models.items()
        },
    )


def abilities_of(sites: Mapping[str, Site]) -> dict[str, Abilities]:
    """What each site can do."""
    return {name: PLATFORMS[site.platform.kind].abilities(site.platform) for name, site in sites.items()}


def site_problems(config: StackConfig, sites: Mapping[str, Site]) -> Iterator[Problem]:
    """What no site alone can know: models that are not there, or nowhere."""
    for site in sites.values():
        for index, model in enumerate(site.models or ()):
            if model not in config.models:
                yield Problem(
                    where=f"{site.where}.models[{index}]",
                    found=f"`{model}`, which is not among the models",
                    allowed=listing(config.models),
                    remedy=did_you_mean(model, config.models, "name a model that runs on an engine of ours"),
                )
    if sites and all(site.models is not None for site in sites.values()):
        placed = {model for site in sites.values() for model in site.models or ()}
        for model in config.models:
            if model not in placed:
                yield Problem(
                    where=dotted(DEPLOYMENT_KEY, ("models", model)),
                    found="no site that runs it",
                    allowed="a model among the `models` of one site at least",
                    remedy="add it to a site's `models`, or remove it",
                )


def nobody_there(sites: Mapping[str, Site], clients: Mapping[str, Collection[str]]) -> Iterator[Problem]:
    """Sites that no client's data may be at."""
    for name, site in sites.items():
        if not clients[name]:
            yield Problem(
                where=f"{site.where}.boundary",
                found=f"`{site.boundary}`, where no client's data may be",
                allowed="a boundary among the `gateway.data_classes` of one client at least",
                remedy="add it to a data class, or remove the site",
            )


def links_of(config: StackConfig, sites: Mapping[str, Site], layout: Layout) -> tuple[SiteLink, ...]:
    """The layout's links, each with the clients whose data may take it."""
    own = config.gateway.boundary
    boundaries = {name: site.boundary or own for name, site in sites.items()}
    rule, secured = config.topology.overflow_rule, config.topology.secured_way
    # A site is nobody's client at itself.
    allowed = {
        target: tuple(name for name in may_be_at(config, target) if rule is None or name != rule.client)
        for target in {*boundaries.values()}
    }

    @cache
    def crossings_of(source: str, target: str, models: tuple[str, ...]) -> tuple[Crossing, ...]:
        """Once, however many sites are alike."""
        return crossings(config, source, target, models)

    return tuple(
        replace(
            link,
            clients=allowed[boundaries[link.target]],
            boundaries=(boundaries[link.source], boundaries[link.target]),
            crossings=crossings_of(boundaries[link.source], boundaries[link.target], link.models),
            overflow=rule if link.reason == "overflow" else None,
            shows_certificate=secured is not None and secured.certificate is not None,
        )
        for link in layout.links
    )
