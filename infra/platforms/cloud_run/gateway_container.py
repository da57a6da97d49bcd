"""The gateway's container on Cloud Run: its file, its secrets as files, and the probes that speak for the instance."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from infra.placeholders import in_place
from infra.plan.engine_process import EVERY_ADDRESS, PYTHON
from infra.plan.gateway_pods import CONFIG_FILE, CONFIG_FOLDER, SECRETS_FOLDER, STATE_FOLDER
from infra.plan.in_cluster import ADMIN_PORT, AUDIT_BUCKET_PLACE, ENGINE, GATEWAY, OPERATIONS_PORT, PUBLIC_PORT
from infra.plan.types import ModelPlan
from infra.platforms.base import SiteRequest
from infra.platforms.cloud_run.containers import ContainerPlan, HttpProbe, SecretFile
from infra.platforms.cloud_run.engine_container import ENGINE_KEY, startup_seconds
from infra.platforms.cloud_run.instances import (
    GATEWAY_MEMORY_GIBIBYTES,
    GATEWAY_PROCESSORS,
    LONGEST_START_SECONDS,
    STOP_SECONDS,
)
from infra.platforms.gcp.audit_plan import AuditBucketPlan, object_store

# Only a deployment knows it: hashes of clients' keys are in it, and the name of a bucket.
GATEWAY_FILE = SecretFile(name="gateway", folder=CONFIG_FOLDER, file=CONFIG_FILE)
# Stand in the gateway's file for an engine of ours, and for files of the stack's secrets.
ENGINE_PLACE, SECRETS_PLACE = "{engine}", "{secrets}/"
OF_THE_STACK = "gateway-secret-"
STATE_MEBIBYTES, TEMPORARY_MEBIBYTES = 256, 64
# An engine that has crashed is started again by its launcher; one that does not come back takes the instance with it.
LIVENESS_SECONDS, PROBE_TIMEOUT_SECONDS, STARTUP_SECONDS = 10, 5, 5


def gateway_container(request: SiteRequest) -> ContainerPlan:
    """Requests come in here, and only when the engine beside it answers: its first probe is that of the instance."""
    budget = max(map(startup_seconds, request.models.values()), default=LONGEST_START_SECONDS)
    return ContainerPlan(
        name=GATEWAY,
        image=request.images.get("gateway"),
        command=(PYTHON, "-m", "serving.gateway"),
        arguments=(
            *("--config", GATEWAY_FILE.path),
            *("--listen", f"{EVERY_ADDRESS}:{PUBLIC_PORT}", "--operations", f"127.0.0.1:{OPERATIONS_PORT}"),
            *("--admin", f"127.0.0.1:{ADMIN_PORT}"),
            # Nobody is sent here any more, and the instance is killed soon.
            *("--accept-seconds", "0", "--drain-seconds", str(STOP_SECONDS)),
        ),
        environment={},
        processors=GATEWAY_PROCESSORS,
        memory_gibibytes=GATEWAY_MEMORY_GIBIBYTES,
        card=None,
        port=PUBLIC_PORT,
        files=(GATEWAY_FILE, ENGINE_KEY, *map(_secret, secret_names(request.gateway))),
        memory_folders={STATE_FOLDER: STATE_MEBIBYTES, "/tmp": TEMPORARY_MEBIBYTES},  # noqa: S108 - in the container
        reads_weights=False,
        startup=_probe(STARTUP_SECONDS, budget),
        liveness=_probe(LIVENESS_SECONDS, budget),
        after=(ENGINE,) if request.models else (),
    )


def gateway_file(
    content: Mapping[str, Any], models: Mapping[str, ModelPlan], own_audit: AuditBucketPlan | None
) -> dict[str, Any]:
    """The gateway's file, without what only a deployment knows: hashes of keys, and the name of the audit's bucket."""
    # Cloud Run ends TLS, with a certificate of its own.
    found = {name: value for name, value in content.items() if name != "tls"}
    origins = {name: f"http://127.0.0.1:{model.container.ports['http']}" for name, model in models.items()}
    if own_audit is not None:
        found["audit"] = {**found["audit"], "object_store": object_store(own_audit)}
    found["models"] = {
        name: {**model, "upstreams": [_addressed(one, origins.get(name)) for one in model["upstreams"]]}
        for name, model in found["models"].items()
    }
    places = {f"{SECRETS_PLACE}{name}": _secret(name).path for name in secret_names(content)}
    return _placed(in_place(found, {"{state}": STATE_FOLDER}), places)


def filled_in(content: Mapping[str, Any], hashes: Mapping[str, Sequence[str]], audit_bucket: str | None) -> str:
    """The whole file. Whoever has no key of ours has none in it either."""
    clients = {name: _client(client, hashes.get(name, ())) for name, client in content["clients"].items()}
    text = json.dumps({**content, "clients": clients}, indent=2, sort_keys=True)
    return text if audit_bucket is None else text.replace(AUDIT_BUCKET_PLACE, audit_bucket)


def secret_names(content: Any) -> list[str]:
    """Of the stack's secrets, those that the file names."""
    return sorted({text.removeprefix(SECRETS_PLACE) for text in _texts(content) if text.startswith(SECRETS_PLACE)})


def secret_of(file: SecretFile) -> str | None:
    """The secret of the stack that a file is made of."""
    return file.file if file.name.startswith(OF_THE_STACK) else None


def _secret(name: str) -> SecretFile:
    return SecretFile(name=f"{OF_THE_STACK}{name.replace('_', '-')}", folder=f"{SECRETS_FOLDER}/{name}", file=name)


def _client(client: Mapping[str, Any], hashes: Sequence[str]) -> dict[str, Any]:
    """Every key that the client has; with its end, where the plan has left a place for that."""
    if places := client.get("keys"):
        return {**client, "keys": [{**places[0], "sha256": known} for known in hashes]}
    return {**client, "key_sha256": list(hashes)}


def _addressed(upstream: dict[str, Any], origin: str | None) -> dict[str, Any]:
    ours = origin is not None and upstream["url"] == ENGINE_PLACE
    return {**upstream, "url": origin, "key_file": ENGINE_KEY.path} if ours else upstream


def _placed(value: Any, places: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _placed(inner, places) for key, inner in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_placed(inner, places) for inner in value]  # pyright: ignore[reportUnknownVariableType]
    return places.get(value, value) if isinstance(value, str) else value


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()  # pyright: ignore
    return [text for one in inner for text in _texts(one)]  # pyright: ignore[reportUnknownVariableType]


def _probe(period_seconds: int, budget_seconds: int) -> HttpProbe:
    return HttpProbe(
        path="/ready",
        port=PUBLIC_PORT,
        period_seconds=period_seconds,
        timeout_seconds=min(period_seconds, PROBE_TIMEOUT_SECONDS),
        failures=math.ceil(budget_seconds / period_seconds),
    )
