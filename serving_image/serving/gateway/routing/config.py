"""The fields of the configuration file that say where requests go: shapes only; checks.py looks at their sense."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from serving.gateway.limits.config import PriceConfig
from serving.gateway.strict import Strict

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Name = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$")]
HostName = Annotated[str, Meta(pattern="^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
HeaderName = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,63}$")]
UpstreamKind = Literal["engine", "slipway", "openai"]


class DnsDiscovery(Strict, frozen=True, tag_field="kind", tag="dns"):
    """One replica per address that the url's host name has. When the name cannot be resolved, the last known ones
    stay. Plain HTTP only: a certificate is for the name."""

    every_seconds: Seconds = 10.0


class KubernetesDiscovery(Strict, frozen=True, tag_field="kind", tag="kubernetes"):
    """One replica per ready endpoint of a Service, from its EndpointSlices.

    `port` is the name of the slices' port; left out, the only one. Fields that default to null are those of the pod
    that the gateway runs in.
    """

    service: Name
    namespace: Name | None = None
    port: str | None = None
    api: str | None = None
    token_file: str = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - where Kubernetes puts it
    ca_file: str | None = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
    namespace_file: str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"


class UpstreamTls(Strict, frozen=True):
    """Who vouches for an upstream: the authorities in `ca_file` (PEM) and no other (null: those that the system knows),
    for the name `server_name`, whatever its address is (null: the name in its url). `certificate_file` and `key_file`
    (PEM) are what the gateway shows it (null: nothing). Read at load, and again when the files change."""

    ca_file: str | None = None
    server_name: HostName | None = None
    certificate_file: str | None = None
    key_file: str | None = None


class UpstreamConfig(Strict, frozen=True):
    """One engine, or with `discover` any number of equal ones.

    `key_file` holds the key the gateway shows to it; read once, at load. `kind`: `engine` is asked for /health;
    `slipway` is another gateway, likewise; `openai` is a cloud, never asked, judged by its answers. `model` is the
    name it knows the model under. `weight` is its share relative to the others. `concurrent_requests` is how many it
    gets at once (each replica of a discovered one); null: as many as come. `boundary` is where it runs; null: where
    the gateway runs. `tls` is for an https url whose certificate is of an authority of its own, or that asks for one;
    null: of one that the system knows.
    """

    url: str
    key_file: str | None
    kind: UpstreamKind = "engine"
    boundary: Name | None = None
    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    weight: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    concurrent_requests: Count | None = None
    discover: DnsDiscovery | KubernetesDiscovery | None = None
    tls: UpstreamTls | None = None


class EjectConfig(Strict, frozen=True):
    """When a replica gets no more requests: `failures` of its last `of_last` answers were failures, or it hangs.

    It hangs when it has streams open and none got a byte for `hang_seconds` (null: `limits.stream_idle_seconds`).
    After `seconds`, doubled each time up to `longest_seconds`, one request tries it again.
    With none left: `try` sends to the ejected ones all the same, `refuse` answers 503.
    """

    failures: Annotated[int, Meta(ge=1, le=60)] = 5
    of_last: Annotated[int, Meta(ge=1, le=60)] = 10
    seconds: Seconds = 5.0
    longest_seconds: Seconds = 60.0
    hang_seconds: Seconds | None = None
    when_none_left: Literal["try", "refuse"] = "try"


class RetryConfig(Strict, frozen=True):
    """Extra calls after a failed one: per request at most `attempts`, per model at most `percent` of the calls of the
    last ten seconds, or `at_least` if that is more (0: strictly the percentage)."""

    attempts: Annotated[int, Meta(ge=0, le=10)] = 2
    percent: Annotated[float, Meta(ge=0, le=100)] = 10.0
    at_least: Annotated[int, Meta(ge=0, le=1000)] = 10


class RoutingConfig(Strict, frozen=True):
    """How one model's replicas share its requests.

    `prefix`: requests that begin alike go to the same replica, whose prompt cache then holds it: rendezvous hashing
    over the first `prefix_characters` of the conversation's head. A replica gets at most `load_factor` times the mean
    plus one at a time.
    """

    balance: Literal["least_in_flight", "prefix"] = "least_in_flight"
    prefix_characters: Annotated[int, Meta(ge=16, le=1_000_000)] = 4096
    load_factor: Annotated[float, Meta(ge=1, le=100)] = 1.25
    eject: EjectConfig = EjectConfig()
    retries: RetryConfig = RetryConfig()


class RouteConfig(Strict, frozen=True):
    """A share of a model's requests that another model's replicas serve (a canary)."""

    model: Name
    weight: Annotated[float, Meta(ge=0, le=1_000_000)]


class RoutesConfig(Strict, frozen=True):
    """Shares by weight. `sticky`: the same client, or the same value of `session_header`, gets the same route as long
    as the weights stay; a grown share of the last one only adds to it."""

    to: Annotated[dict[Name, RouteConfig], Meta(min_length=1, max_length=16)]
    sticky: Literal["client", "session", "none"] = "client"
    session_header: HeaderName = "x-session-id"


class KvCacheConfig(Strict, frozen=True):
    """What an engine says of its KV cache: the gauge `metric`, from 0 to 1, among what GET `path` answers. From
    `percent` of all engines' caches together requests go elsewhere."""

    percent: Annotated[int, Meta(ge=1, le=100)]
    path: Annotated[str, Meta(pattern="^/[A-Za-z0-9/_.-]{0,255}$")]
    metric: Annotated[str, Meta(pattern="^[A-Za-z_:][A-Za-z0-9_:]{0,255}$")]


class OverflowConfig(Strict, frozen=True):
    """When a model's requests go to `model`, which is the same one at another site, and one of its `fallbacks`.

    From `busy_percent` of what its own replicas take at the same time (`concurrent_requests`) new ones go there, until
    it is below `return_percent` again; so they do by `kv_cache` (null: nobody asks). One that finds no place waits
    `wait_seconds` for it, then goes, and those after it at once; with a `busy_percent` of 100 all do so. `price` is
    what tokens cost there, for `overflow_dollars_per_day`.
    """

    model: Name
    busy_percent: Annotated[int, Meta(ge=2, le=100)] = 90
    return_percent: Annotated[int, Meta(ge=1, le=99)] = 70
    wait_seconds: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    kv_cache: KvCacheConfig | None = None
    price: PriceConfig | None = None


class ShadowConfig(Strict, frozen=True):
    """A copy of `percent` of the requests goes to another model's replicas, at most `concurrent` at a time; the
    answers are thrown away. Only to the same boundary as the request itself."""

    model: Name
    percent: Annotated[float, Meta(gt=0, le=100)]
    concurrent: Annotated[int, Meta(ge=1, le=1000)] = 4
