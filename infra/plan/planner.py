"""One planning: every model on every platform where it runs, and what each site is planned from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.config import ModelSettings, StackConfig
from infra.engines import ENGINES
from infra.engines.base import EngineRequest
from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.alike import alike, sites_of
from infra.plan.alternatives import Wanted, alternatives
from infra.plan.audit_copies import with_copies_of
from infra.plan.capabilities import model_warnings, placement_problems
from infra.plan.chosen_images import gateway_build, gateway_images
from infra.plan.drain import drain_plan
from infra.plan.fit import Fit, fit
from infra.plan.fit_checks import Market, Serving, fit_problems, fit_warnings, market
from infra.plan.gateway import gateway_config
from infra.plan.gateway_checks import longest_wait
from infra.plan.gateway_fallback import FallbackSite
from infra.plan.making import making_plans
from infra.plan.model_start import ModelStarts, model_starts
from infra.plan.models import Placed, engine_request, model_plan, model_problems
from infra.plan.node_checks import needless_nodes, node_warnings, place_problems
from infra.plan.shared_gpus import shared_problems
from infra.plan.source_checks import reads_a_bucket, source_problems, stream_problems, streams
from infra.plan.start_types import StartingPlace
from infra.plan.trials import trial_plans
from infra.plan.types import Accelerator, Alternative, ClientPlan, DrainPlan, ModelPlan, Placement, Replicas
from infra.platforms import PLATFORMS
from infra.platforms.base import Abilities, EngineAddress, SiteRequest
from infra.price.bill import Use
from infra.price.book import PriceBook
from infra.problems import Problem
from infra.topologies.base import Layout, Site


class Planner:
    """One planning. Keeps what sites share, so that a thousand of them cost little more than one."""

    def __init__(
        self, config: StackConfig, stack: str, sites: Mapping[str, Site], layout: Layout, book: PriceBook
    ) -> None:
        self._config, self._stack, self._sites, self._layout, self._book = config, stack, sites, layout, book
        self._addresses = {name: PLATFORMS[site.platform.kind].engine_address for name, site in sites.items()}
        self._placed = _placed(layout.placements)
        self._here: defaultdict[str, dict[str, Replicas]] = defaultdict(dict)
        for placement in layout.placements:
            self._here[placement.site][placement.model] = placement.replicas
        self._addressed: dict[str, dict[EngineAddress, str]] = {}
        self._planned: dict[tuple[str, EngineAddress], ModelPlan] = {}
        self._starting: dict[tuple[int, Accelerator | None], StartingPlace] = {}
        self._starts: dict[str, ModelStarts | None] = {}
        self._refused: set[str] = set()
        # Where nothing is served while all is well, or what the other could do alone.
        self._standing_by = {link.target for link in layout.links if link.reason in ("standby", "partner")}
        # By the site whose gateway hands requests on.
        self._fallbacks = {link.source: link for link in layout.links if link.reason in ("fallback", "overflow")}
        self._gateway_build = gateway_build(config, stack)
        self.trials = trial_plans(config, stack)
        self.makings = making_plans(config, self.trials)
        self._shared: dict[Any, tuple[Mapping[str, ModelPlan], Mapping[str, Replicas], Mapping[str, Any]]] = {}
        self.clients = {
            name: ClientPlan(models=tuple(client.models), requests_per_minute=client.requests_per_minute)
            for name, client in config.clients.items()
        }

    def model_problems(self) -> Iterator[Problem]:
        """What engines cannot do of what is wanted, on any of the platforms where they would."""
        for name, settings in self._config.models.items():
            for address, site in self._where(name).items():
                request = self._engine_request(name, address)
                found = [*placement_problems(settings.engine.kind, request, site, address)]
                found += model_problems(settings, request)
                if found:
                    self._refused.add(name)
                yield from found
            yield from self._place_problems(name, settings)
            yield from self._fit_problems(name, settings)
            yield from self._start_problems(name, settings)

    def _fit_problems(self, name: str, settings: ModelSettings) -> Iterator[Problem]:
        """Once for each model, and not where something worse is wrong with it or with places."""
        sized = fit(settings)
        if name in self._refused or name not in self._placed or not isinstance(sized, Fit):
            return
        where = dotted(DEPLOYMENT_KEY, ("models", name))
        yield from fit_problems(where, settings, sized, self._serving(name), self._market(name))
        yield from needless_nodes(where, sized, self._market(name))

    def _place_problems(self, name: str, settings: ModelSettings) -> Iterator[Problem]:
        several = settings.accelerator is not None and settings.accelerator.nodes > 1
        from_bucket = reads_a_bucket(settings) or streams(settings)
        if name not in self._placed or not (several or settings.objective or from_bucket):
            return
        where = dotted(DEPLOYMENT_KEY, ("models", name))
        abilities = self._abilities(name)
        yield from source_problems(where, settings, abilities)
        yield from stream_problems(where, settings, abilities)
        yield from shared_problems(where, settings, abilities)
        if settings.accelerator and several:
            yield from place_problems(where, settings.accelerator.nodes, abilities)

    def _abilities(self, name: str) -> dict[str, Abilities]:
        places = {site: self._sites[site].platform for site in self._placed[name].sites}
        return {site: PLATFORMS[platform.kind].abilities(platform) for site, platform in places.items()}

    def _market(self, name: str) -> Market:
        return market(self._abilities(name).values())

    def _start_problems(self, name: str, settings: ModelSettings) -> Iterator[Problem]:
        if name in self._refused or name not in self._placed:
            return
        if starts := self._starts_of(name):
            yield from starts.problems(dotted(DEPLOYMENT_KEY, ("models", name)), settings)

    def _serving(self, name: str) -> Serving:
        """The replicas that share a model's load, and over how many sites."""
        found = [self._here[site][name] for site in self._placed[name].sites if site not in self._standing_by]
        return Serving(min=sum(r.min for r in found), max=sum(r.max for r in found), sites=len(found))

    def model_warnings(self) -> Iterator[str]:
        """Named weakenings of engines. Called only when there is no problem."""
        for name, settings in self._config.models.items():
            for address in self._where(name):
                yield from model_warnings(self._model(name, address), self._engine_request(name, address), address)
            yield from node_warnings(name, settings.accelerator.nodes if settings.accelerator else 1)
            sized = fit(settings)
            if isinstance(sized, str):
                yield f"model `{name}`: not sized, so nobody knows whether it fits and how fast it is: {sized}"
            elif sized is not None:
                yield from fit_warnings(name, settings, sized, self._serving(name))

    def alternatives(
        self, requests: Mapping[str, SiteRequest], uses: Sequence[Use], book: PriceBook
    ) -> dict[str, tuple[Alternative, ...]]:
        """Cheaper ways for each model, by name. Called only when there is no problem."""
        like = alike(requests, uses)
        found: dict[str, tuple[Alternative, ...]] = {}
        judged: dict[Any, tuple[Alternative, ...]] = {}
        for name, settings in self._config.models.items():
            sized, objective, sites = fit(settings), settings.objective, self._placed[name].sites
            if not isinstance(sized, Fit) or not sized.capacity or not all(site in like for site in sites):
                continue
            # It has several machines only because nothing smaller holds it; or some GPU is shared, and is no match.
            shares = any(able.shared_by for able in self._abilities(name).values())
            if sized.sized.shape.pipeline_parallel > 1 or shares:
                continue
            rate, users = objective and objective.requests_per_second, objective and objective.concurrent_users
            load = self._serving(name).sites
            # Many models are alike, and judged once: but for those that share machines with others.
            alone = name if any(name in like[site].together for site in sites) else ""
            key = (alone, sized, rate, users, load, tuple((like[s].number, requests[s].replicas[name]) for s in sites))
            if key not in judged:
                wanted = Wanted(
                    name=name,
                    fit=sized,
                    requests_per_second=rate,
                    concurrent_users=users,
                    sites=load,
                    market=self._market(name),
                )
                judged[key] = alternatives(wanted, sites_of(name, sites, requests, like, book), book)
            found[name] = judged[key]
        return found

    def models(self) -> dict[str, ModelPlan]:
        """Every model, as it is on the first of its sites."""
        return {name: self._model(name, next(iter(self._where(name)))) for name in self._config.models}

    def requests(self) -> dict[str, SiteRequest]:
        """What each platform plans its sites from."""
        config = self._config
        # A site ends only when its longest generation, after the longest wait for it, may have ended.
        drain = drain_plan(
            max(model.longest_generation_seconds for model in config.every_model.values()),
            max(longest_wait(name, config) for name in config.every_model),
        )
        return {name: self._request(name, site, drain) for name, site in self._sites.items()}

    def _request(self, name: str, site: Site, drain: DrainPlan) -> SiteRequest:
        here = {model: replicas for model, replicas in self._here[name].items() if model not in self._refused}
        boundary = self._boundary(name)
        address = self._addresses[name]
        fallback = self._fallback(name)
        key = (address, boundary, tuple(here.items()), fallback)
        if key not in self._shared:
            models = {model: self._model(model, address) for model in self._config.models if model in here}
            none_yet = [model for model, replicas in here.items() if replicas.min == 0]
            content = gateway_config(self._config, models, self.clients, boundary, fallback, none_yet)
            self._shared[key] = (models, here, content)
        models, replicas, content = self._shared[key]
        return SiteRequest(
            where=site.where,
            stack=self._stack,
            site=name,
            settings=site.platform,
            models=models,
            replicas=replicas,
            gateways=self._layout.gateways.get(name, 1),
            gateway=with_copies_of(name, content),
            drain=drain,
            images=gateway_images(self._config),
            gateway_build=self._gateway_build,
            trials=self.trials,
            makings=self.makings,
            together=self._layout.together,
            failover=self._failover(name),
            budget_dollars_per_month=budget.dollars_per_month if (budget := self._config.budget) else None,
        )

    def _boundary(self, name: str) -> str:
        return self._sites[name].boundary or self._config.gateway.boundary

    def _fallback(self, name: str) -> FallbackSite | None:
        """Where this site's requests go when it cannot serve them."""
        link = self._fallbacks.get(name)
        if link is None:
            return None
        platform = self._sites[link.target].platform
        endpoint = PLATFORMS[platform.kind].abilities(platform).endpoint
        way = self._config.topology.way_to(link.target, endpoint)
        return way and FallbackSite(boundary=self._boundary(link.target), models=link.models, way=way)

    def _failover(self, name: str) -> str | None:
        """Its part where two sites have one name."""
        for link in self._layout.links:
            if link.reason in ("standby", "partner") and name in (link.source, link.target):
                return "active" if link.reason == "partner" else "primary" if name == link.source else "secondary"
        return None

    def _engine_request(self, name: str, address: EngineAddress) -> EngineRequest:
        return engine_request(name, self._config.models[name], address, self._config.registry)

    def _where(self, name: str) -> Mapping[EngineAddress, str]:
        """How engines of a model are addressed, each with the first site where it is so; without a placement any site
        will do."""
        if name not in self._addressed:
            found = self._addressed.setdefault(name, {})
            for site in self._placed[name].sites if name in self._placed else tuple(self._sites)[:1]:
                found.setdefault(self._addresses[site], site)
        return self._addressed[name]

    def _model(self, name: str, address: EngineAddress) -> ModelPlan:
        key = (name, address)
        if key not in self._planned:
            settings = self._config.models[name]
            self._planned[key] = model_plan(
                settings,
                self._engine_request(name, address),
                self._placed[name],
                longest_wait(name, self._config),
                self._starts_of(name),
            )
        return self._planned[key]

    def _starts_of(self, name: str) -> ModelStarts | None:
        """Each model's once, over all of its sites."""
        if name not in self._starts:
            settings = self._config.models[name]
            request = self._engine_request(name, next(iter(self._where(name))))
            self._starts[name] = model_starts(
                settings,
                ENGINES[settings.engine.kind].render(request).image,
                self._starting_places(name, settings),
                self._book,
                zero=self._serving(name).min == 0,
            )
        return self._starts[name]

    def _starting_places(self, name: str, settings: ModelSettings) -> Iterator[tuple[str, StartingPlace]]:
        """Of every site of a model; sites with the very same settings are asked once."""
        wanted = settings.accelerator
        accelerator = None if wanted is None else Accelerator(type=wanted.type, count=wanted.count)
        for site in self._placed[name].sites:
            platform = self._sites[site].platform
            key = (id(platform), accelerator)
            if key not in self._starting:
                self._starting[key] = PLATFORMS[platform.kind].starting_place(platform, accelerator)
            yield site, self._starting[key]


def _placed(placements: tuple[Placement, ...]) -> dict[str, Placed]:
    by_model: defaultdict[str, list[Placement]] = defaultdict(list)
    for placement in placements:
        by_model[placement.model].append(placement)
    return {
        model: Placed(
            sites=tuple(p.site for p in found),
            replicas=Replicas(min=sum(p.replicas.min for p in found), max=sum(p.replicas.max for p in found)),
        )
        for model, found in by_model.items()
    }
