"""The gateways of a cluster: how many pods, what each may use, when it ends, and what is mounted into it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from infra.placeholders import LEAVES, in_place
from infra.plan.client_keys import KEYS_OF_STACK, ClientKeySource, KeysByDriver, KeysOfStack
from infra.plan.drain_ladder import GATEWAY_MARGIN_SECONDS, PRE_STOP_SECONDS, DrainLadder
from infra.plan.gateway_image import GatewayImagePlan
from infra.plan.in_cluster import (
    ENGINE_AUTHORITY_ENTRY,
    ENGINE_KEY_ENTRY,
    ENGINE_KEY_FOLDER,
    LIMITS_AUTHORITY_ENTRY,
    SHARED_LIMITS,
)
from infra.plan.types import ModelPlan, Replicas
from infra.plan.very_object import VeryObject
from infra.platforms.base import SiteRequest

CONFIG_FOLDER = "/etc/slipway/gateway"
CONFIG_FILE = "gateway.json"
CONTAINED_FOLDER = "/etc/slipway/contained"
RELEASED_FOLDER = "/etc/slipway/released"
CLIENT_KEYS_FOLDER = "/run/secrets/clients"
SECRETS_FOLDER = "/run/secrets/gateway"
SHARED_LIMITS_FOLDER = "/run/secrets/shared-limits"
STATE_FOLDER = "/var/lib/slipway"
# Stands for the folder with the address of the site's own store of limits.
SHARED_LIMITS_PLACE = "{shared_limits}"
IN_PLACE = {
    "{state}": STATE_FOLDER,
    "{secrets}": SECRETS_FOLDER,
    SHARED_LIMITS_PLACE: SHARED_LIMITS_FOLDER,
}
SECRETS_PLACE = "{secrets}/"

NOWHERE: Mapping[str, str] = {}

# One process with one event loop uses one core and a little for signing; measured with `make bench`, 2026-11-25.
CPU_REQUEST = "1"
CPU_LIMIT = "2"
MEMORY = "1Gi"
CPU_TARGET_PERCENT = 60
# So many streams at once added 0.2 ms to the first token of a gateway on one core (`make bench`, 2026-11-25).
IN_FLIGHT_TARGET = 128
# So many times as many as at rest; each is small beside one GPU.
MOST_TIMES_AS_MANY = 4
# For an image of a few hundred MB, and where nothing is known of an engine's start.
START_SECONDS = 300
UNKNOWN_ENGINE_SECONDS = 7200
# What a pod without a volume may keep of the audit until it is copied out, and what a volume is asked to hold.
UNSENT_AUDIT = "4Gi"
AUDIT_VOLUME = "50Gi"
OBJECT_STORE_SEGMENT_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class AuditPlan:
    """Where the audit of a gateway that is a pod is kept: on a `volume` that outlives it, each gateway in a folder of
    its own, or (None) in the pod until it is copied to the object store. `lost` says what is lost with a node. With
    `one_node` it is on a disk of a node, and the site's only gateway goes on in the folder of the one before it: what
    that one could not send, it does."""

    volume: str | None
    size: str
    lost: str
    one_node: bool = False


@dataclass(frozen=True, kw_only=True)
class GatewayPods:
    """`image` None: none is named yet, or `build` makes it. `key_expiry` is when all keys of a client end,
    `secret_names` are the secrets that a file is made of, and `secrets` where they are. `drain_seconds` is how long
    answers may go on after SIGTERM. They are ready when engines are: within `ready_seconds`, or the deployment fails.
    A new one counts after `settle_seconds`: until then a front door that asks for itself may not send it anything."""

    image: str | None
    build: GatewayImagePlan | None
    replicas: Replicas
    cpu_request: str
    cpu_limit: str
    memory: str
    cpu_target_percent: int
    in_flight_target: int
    pre_stop_seconds: int
    drain_seconds: int
    grace_seconds: int
    ready_seconds: int
    keys: ClientKeySource
    key_expiry: Mapping[str, str]
    secret_names: tuple[str, ...]
    audit: AuditPlan | None
    secrets: KeysOfStack | KeysByDriver = KEYS_OF_STACK
    settle_seconds: int = 0


def gateway_pods(
    request: SiteRequest, ladder: DrainLadder, keys: ClientKeySource, *, audit_on_one_node: bool = False
) -> GatewayPods:
    """The pods of a site's gateways. One that a topology wants once (all in one place) stays one."""
    several = request.gateways > 1
    return GatewayPods(
        image=request.images.get("gateway"),
        build=request.gateway_build,
        replicas=Replicas(min=request.gateways, max=request.gateways * (MOST_TIMES_AS_MANY if several else 1)),
        cpu_request=CPU_REQUEST,
        cpu_limit=CPU_LIMIT,
        memory=MEMORY,
        cpu_target_percent=CPU_TARGET_PERCENT,
        in_flight_target=IN_FLIGHT_TARGET,
        pre_stop_seconds=PRE_STOP_SECONDS,
        drain_seconds=ladder.gateway_grace_seconds - PRE_STOP_SECONDS - GATEWAY_MARGIN_SECONDS,
        grace_seconds=ladder.gateway_grace_seconds,
        ready_seconds=START_SECONDS + max(map(_engine_seconds, request.models.values()), default=0),
        keys=keys,
        key_expiry={
            name: client["keys"][0]["expires"]
            for name, client in request.gateway["clients"].items()
            if client.get("keys")
        },
        secret_names=gateway_secret_names(request.gateway),
        audit=_audit(request.gateway.get("audit"), one_node=audit_on_one_node),
    )


def gateway_secret_names(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The secrets that the gateway's file names."""
    return _named_secrets(VeryObject(content))


@lru_cache(maxsize=64)
def _named_secrets(content: VeryObject[Mapping[str, Any]]) -> tuple[str, ...]:
    """Once for all the sites that have the same file."""
    return tuple(sorted({path.removeprefix(SECRETS_PLACE) for path in _secret_paths(content.value)}))


def gateway_file(
    content: Mapping[str, Any], engines: Mapping[str, str], origins: Mapping[str, str] = NOWHERE
) -> dict[str, Any]:
    """The gateway's file inside a cluster. `engines` are the services of engines by model: their replicas are found by
    the cluster's own lists, but for those that are at one of `origins`. No key is in it, nor a key's hash: those are
    files of another folder."""
    key = {"key_file": f"{ENGINE_KEY_FOLDER}/{ENGINE_KEY_ENTRY}"}
    own = {
        name: {
            "url": f"https://{service}",
            **key,
            "discover": {"kind": "kubernetes", "service": service, "port": "https"},
            # Its replicas have addresses; a certificate is for the name.
            "tls": {"ca_file": f"{ENGINE_KEY_FOLDER}/{ENGINE_AUTHORITY_ENTRY}", "server_name": service},
        }
        for name, service in engines.items()
    } | {name: {"url": origin, **key} for name, origin in origins.items()}
    models = {
        name: {**model, "upstreams": [_addressed(upstream, own.get(name)) for upstream in model["upstreams"]]}
        for name, model in content["models"].items()
    }
    clients = {
        name: {field: value for field, value in client.items() if field not in ("keys", "key_sha256")}
        for name, client in content["clients"].items()
    }
    return in_place({**content, "models": models, "clients": clients}, IN_PLACE)


def own_limits_store(gateways: int, *, by_identity: bool) -> dict[str, Any]:
    """What the gateway's file says of the site's own store. While it is away, each gateway has its part of every
    limit: one small pod must not be what stops a site with several of everything else. `by_identity`: it has an
    authority that signs for it alone, and takes tokens for passwords."""
    by_token = {
        "ca_file": f"{SHARED_LIMITS_PLACE}/{LIMITS_AUTHORITY_ENTRY}",
        "verify_host": False,
        "token_from": "metadata_server",
    }
    return {
        "kind": "redis",
        "url_file": f"{SHARED_LIMITS_PLACE}/url",
        "when_away": "local",
        "gateways": gateways,
        "namespace": SHARED_LIMITS,
        **(by_token if by_identity else {}),
    }


def _addressed(upstream: dict[str, Any], own: dict[str, Any] | None) -> dict[str, Any]:
    """An upstream as it is; the one that stands for engines of ours gets their service and key."""
    return {**upstream, **own} if own and upstream["url"] == "{engine}" else upstream


def _secret_paths(value: Any) -> Iterator[str]:
    """Files that are made of the stack's secrets, wherever the gateway's file names one."""
    if isinstance(value, LEAVES):
        if isinstance(value, str) and value.startswith(SECRETS_PLACE):
            yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:  # pyright: ignore[reportUnknownVariableType]
            yield from _secret_paths(inner)


def _engine_seconds(model: ModelPlan) -> int:
    """Until the first engine answers, on a slow day."""
    start = model.cold_start
    return UNKNOWN_ENGINE_SECONDS if start is None else math.ceil(start.total_seconds) + start.startup_budget_seconds


def _audit(audit: Mapping[str, Any] | None, *, one_node: bool) -> AuditPlan | None:
    if audit is None:
        return None
    store = audit.get("object_store")
    # Content is readable only with the subjects' keys, which are kept beside the audit.
    if store is not None and audit.get("content", "off") == "off" and not one_node:
        seconds = audit.get("segment_seconds") or OBJECT_STORE_SEGMENT_SECONDS
        return AuditPlan(
            volume=None, size=UNSENT_AUDIT, lost=f"up to {seconds:g} s of rows, not yet copied to the object store"
        )
    every_row = audit["sync"] == "every_row"
    lost = "no row of a finished answer" if every_row else f"up to {audit['flush_milliseconds']} ms of rows"
    if one_node:
        lost = f"all rows of its disk{' that the object store has not got' if store else ''}"
    return AuditPlan(volume="gateway-audit", size=AUDIT_VOLUME, lost=lost, one_node=one_node)
