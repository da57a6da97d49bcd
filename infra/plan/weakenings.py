"""What is weaker than it could be or does nothing, by name: a deployment may be so, but never without being told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from infra.config import StackConfig
from infra.gateway.address import crosses_readable
from infra.gateway.guardrails import guardrail_warnings
from infra.gateway.quota import RedisStoreSettings
from infra.plan.drain import LEAST_KEEP_ALIVE_SECONDS
from infra.plan.releases import others_of
from infra.plan.types import SiteLink
from infra.problems import listing

LIMITS = ("requests_per_minute", "tokens_per_minute", "tokens_per_day", "concurrent_requests", "dollars_per_month")


def gateway_warnings(config: StackConfig) -> Iterator[str]:
    """One sentence each."""
    gateway = config.gateway
    if gateway.audit is None:
        yield "no audit is kept (`gateway.audit: null`): nothing shows later who asked what of which model"
    if isinstance(gateway.limits_store, RedisStoreSettings) and gateway.limits_store.when_away == "local":
        yield (
            "while Redis is away, each gateway counts for itself (`gateway.limits_store.when_away: local`): "
            "clients may use more than their limits"
        )
    if gateway.limits.keep_alive_seconds < LEAST_KEEP_ALIVE_SECONDS:
        yield (
            f"idle connections are closed after {gateway.limits.keep_alive_seconds} s "
            "(`gateway.limits.keep_alive_seconds`): load balancers use them again for 60 s unless told otherwise, and "
            f"a request that meets a closed one fails; {LEAST_KEEP_ALIVE_SECONDS} or more is safe behind them"
        )
    if gateway.tls is not None and gateway.tls.self_signed:
        yield "nobody vouches for the API's certificate (`gateway.tls.self_signed`): clients must be given it"
    if "cache" in gateway.model_fields_set and not any(client.cache for client in config.clients.values()):
        yield "nothing is cached: `gateway.cache` is set, but no client has `cache: true`"
    for name, client in config.clients.items():
        if client.privacy.mode != "off" and client.privacy.media == "allow":
            yield f"client `{name}`: images, sound and files pass unscanned (`privacy.media: allow`)"
    yield from guardrail_warnings(gateway.guardrails)
    yield from _of_clients(config)
    yield from _readable(config)


def counting_warnings(config: StackConfig, gateways: Mapping[str, int]) -> Iterator[str]:
    """Limits that several gateways count, each for itself."""
    several = [name for name, count in gateways.items() if count > 1]
    if several and not isinstance(config.gateway.limits_store, RedisStoreSettings):
        yield (
            f"each gateway of {listing(several)} counts for itself (`gateway.limits_store`): clients may use their "
            "limits several times; `{kind: redis}` counts together"
        )


def partner_warnings(config: StackConfig, links: Sequence[SiteLink]) -> Iterator[str]:
    """Sites that count apart and serve under one name."""
    for link in links:
        if link.reason == "partner" and not isinstance(config.gateway.limits_store, RedisStoreSettings):
            yield (
                f"`{link.source}` and `{link.target}` count limits each for itself (`topology.standby.mode: active`): "
                "a client that reaches both may use its limits twice"
            )


def _of_clients(config: StackConfig) -> Iterator[str]:
    free = [
        name
        for name, client in config.clients.items()
        if all(getattr(client, limit) is None for limit in LIMITS) and not client.per_model
    ]
    if free:
        yield f"no limit of any kind for {listing(free)}: one client can take every engine"
    models = config.every_model
    queued = {name for name, model in models.items() if model.queue is not None}
    idle = [name for name, client in config.clients.items() if client.priority and queued.isdisjoint(client.models)]
    if idle:
        yield f"`priority` of {listing(idle)} decides nothing: none of the models has a `queue`"
    for name, client in config.clients.items():
        if client.data_class is None and (places := _places(config, client.models)):
            yield (
                f"client `{name}` has no `data_class`: its requests may go to {listing(sorted(places))}, "
                "beyond this deployment"
            )


def _places(config: StackConfig, named: list[str]) -> set[str]:
    """Boundaries that requests for these models may come to, but for the deployment's own."""
    models = config.every_model
    reached = set(named)
    for name in named:
        model = models[name]
        reached |= {*model.fallbacks, *others_of(model)}
    upstreams = (upstream for name in reached for upstream in models[name].upstreams.values())
    return {upstream.boundary for upstream in upstreams} - {config.gateway.boundary}


def _readable(config: StackConfig) -> Iterator[str]:
    """Prompts, answers or keys that cross a network without TLS."""
    gateway = config.gateway
    audit, recogniser = gateway.audit, gateway.privacy.recogniser
    places = [
        (f"upstream `{upstream}` of model `{name}`", settings.url)
        for name, model in config.every_model.items()
        for upstream, settings in model.upstreams.items()
    ]
    # Without an address of its own a site is reached by its front door, over TLS.
    way = config.topology.way_to("", None)
    places += [(f"the {way.place} site", way.url)] if way else []
    places += [("`gateway.privacy.recogniser`", recogniser.url)] if recogniser else []
    places += [("`gateway.audit.object_store`", audit.object_store.url)] if audit and audit.object_store else []
    places += [("`gateway.audit.otlp_logs`", audit.otlp_logs.url)] if audit and audit.otlp_logs else []
    for place, url in places:
        if crosses_readable(url):
            yield f"{place} is asked over plain HTTP ({url}): what goes there crosses the network readable"
