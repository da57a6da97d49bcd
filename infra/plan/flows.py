"""Who may open a connection to whom inside a cluster: all there is, everything else is denied both ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from infra.placeholders import LEAVES
from infra.plan.in_cluster import (
    ENGINE,
    ENGINE_OPERATIONS_PORT,
    ENGINE_PORT,
    GATEWAY,
    MODEL_FETCH,
    OPERATIONS_PORT,
    PUBLIC_PORT,
    RELEASE,
)
from infra.plan.in_cluster import SHARED_LIMITS_PORT as LIMITS_PORT
from infra.plan.very_object import VeryObject
from infra.releases.base import released

# Those outside the namespace. Which addresses or pods they are, only the cluster knows.
FRONT_DOOR = "front_door"
PROMETHEUS = "prometheus"
AUTOSCALER = "autoscaler"
DNS = "dns"
API_SERVER = "api_server"
# Every address but that of the machines' credentials.
ANYWHERE = "anywhere"
# Who tells a pod who it is: reached also by whoever may go anywhere.
IDENTITY_SERVER = "identity_server"
# A store of limits that the site has outside of the cluster.
LIMITS_BESIDE = "limits_beside"

DNS_PORT = 53
HTTPS_PORT = 443
ANY_PORT = None
PORTS = {"http": 80, "https": HTTPS_PORT}


@dataclass(frozen=True, kw_only=True)
class Flow:
    """`source` may connect to `target` at this TCP port; None is any port. Names are answered over UDP too."""

    source: str
    target: str
    port: int | None


def flows(
    gateway: Mapping[str, Any], own_limits: str | None, *, together: bool = False, asking: Iterable[str] = ()
) -> tuple[Flow, ...]:
    """All flows of a site whose gateways have that file. An engine starts none: it has its weights, and asks nobody.
    `own_limits` is who counts for all gateways, where the site has somebody who does. `asking` are jobs that ask.
    `together`: it is in the gateway's pod, which reaches it without the network and asks no API where it is."""
    found = [Flow(source=FRONT_DOOR, target=GATEWAY, port=PUBLIC_PORT)]
    found += [Flow(source=source, target=GATEWAY, port=OPERATIONS_PORT) for source in (PROMETHEUS, AUTOSCALER)]
    # Who reads an engine's metrics has no way to its API.
    found += [] if together else [Flow(source=GATEWAY, target=ENGINE, port=ENGINE_PORT)]
    found += [Flow(source=PROMETHEUS, target=GATEWAY if together else ENGINE, port=ENGINE_OPERATIONS_PORT)]
    found += [Flow(source=GATEWAY, target=DNS, port=DNS_PORT)]
    found += [] if together else [Flow(source=GATEWAY, target=API_SERVER, port=ANY_PORT)]
    if own_limits:
        found.append(Flow(source=GATEWAY, target=own_limits, port=LIMITS_PORT))
        if "token_from" in gateway.get("limits_store", {}):
            found.append(Flow(source=GATEWAY, target=IDENTITY_SERVER, port=ANY_PORT))
    found += [
        Flow(source=GATEWAY, target=ANYWHERE, port=port) for port in outside_ports(gateway, own_limits is not None)
    ]
    found += [
        Flow(source=MODEL_FETCH, target=DNS, port=DNS_PORT),
        Flow(source=MODEL_FETCH, target=ANYWHERE, port=HTTPS_PORT),
    ]
    # As any client of the cluster would, were one let in.
    for job in asking:
        found.append(Flow(source=job, target=GATEWAY, port=PUBLIC_PORT))
        found.append(Flow(source=job, target=DNS, port=DNS_PORT))
    # Who judges releases looks at what every gateway counted, and keeps how far they are in an object.
    if released(gateway):
        found.append(Flow(source=RELEASE, target=GATEWAY, port=OPERATIONS_PORT))
        found.append(Flow(source=RELEASE, target=DNS, port=DNS_PORT))
        found.append(Flow(source=RELEASE, target=API_SERVER, port=ANY_PORT))
        found.append(Flow(source=PROMETHEUS, target=RELEASE, port=OPERATIONS_PORT))
        if any("evaluation" in rules for rules in released(gateway).values()):
            found.append(Flow(source=RELEASE, target=GATEWAY, port=PUBLIC_PORT))
    return tuple(found)


def group_flows(groups: Iterable[str]) -> Iterator[Flow]:
    """Of replicas of several nodes, which meet, and then choose ports as they like: within each group, and nowhere
    else. They find their leader by its name."""
    for group in groups:
        yield Flow(source=group, target=group, port=ANY_PORT)
        yield Flow(source=group, target=DNS, port=DNS_PORT)


def outside_ports(gateway: Mapping[str, Any], own_limits: bool) -> tuple[int | None, ...]:
    """The ports of everything beyond this site that the gateway's file names: other upstreams, issuers, collectors,
    a bucket. Where a store of limits or answers is, only a secret says: then it is any port."""
    if (not own_limits and "limits_store" in gateway) or "url_file" in gateway.get("cache", {}):
        return (ANY_PORT,)
    return _named_ports(VeryObject(gateway))


@lru_cache(maxsize=64)
def _named_ports(gateway: VeryObject[Mapping[str, Any]]) -> tuple[int, ...]:
    """Once for all the sites that have the same file."""
    return tuple(sorted({port for url in _urls(gateway.value) if (port := _port(url))}))


def _urls(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():  # pyright: ignore[reportUnknownVariableType]
            if isinstance(inner, str) and str(key).endswith("url"):  # pyright: ignore[reportUnknownArgumentType]
                yield inner
            elif not isinstance(inner, LEAVES):
                yield from _urls(inner)
    elif isinstance(value, list):
        for inner in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _urls(inner)


def _port(url: str) -> int | None:
    """None for an engine of ours, which has no address yet."""
    parts = urlsplit(url)
    return (parts.port or PORTS.get(parts.scheme)) if parts.hostname else None
