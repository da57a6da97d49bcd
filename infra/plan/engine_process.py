"""What the launcher in an engine's container is told: the engine, where its key and its weights are, how it ends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from infra.plan.in_cluster import (
    ENGINE_CERTIFICATE_FOLDER,
    ENGINE_KEY_ENTRY,
    ENGINE_KEY_FOLDER,
    ENGINE_OPERATIONS_PORT,
    ENGINE_PORT,
)
from infra.plan.types import ContainerSpec, DrainPlan, Weights
from infra.plan.weights_volume import WeightsVolume

# As every image of `serving_image` has them.
PYTHON = "/opt/slipway/bin/python"
LAUNCHER = (PYTHON, "-m", "serving.launcher")
# Of the pod; who reaches them is the network policies'.
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104
STATUS_FOLDER = "/run/slipway"
FOLDER = "/etc/slipway"
SPECIFICATION_FILE = f"{FOLDER}/launcher.json"
# The first process of the container.
WORKER_FILE = f"{FOLDER}/worker.json"
COMMAND = (*LAUNCHER, "--container", STATUS_FOLDER, SPECIFICATION_FILE)
WORKER_COMMAND = (*LAUNCHER, "--container", STATUS_FOLDER, WORKER_FILE)
# Whether the launcher has started what it is told, and runs.
HEALTH_COMMAND = (PYTHON, "-m", "serving.launcher.health", STATUS_FOLDER)


def engine_key_file(container: ContainerSpec) -> str | None:
    """Where the key itself is; None where the engine knows none."""
    knows = container.key_file or container.key_environment
    return f"{ENGINE_KEY_FOLDER}/{ENGINE_KEY_ENTRY}" if knows else None


def key_files(container: ContainerSpec) -> dict[str, str]:
    """The files of the key, by name, with `{key}` for it: as it is, and as the engine wants to read it."""
    found = {ENGINE_KEY_ENTRY: "{key}"} if engine_key_file(container) else {}
    if container.key_file and container.key_file_content:
        found[container.key_file.rpartition("/")[2]] = container.key_file_content
    return found


def engine_specification(
    model: str,
    container: ContainerSpec,
    drain: DrainPlan,
    *,
    weights: WeightsVolume,
    processors: int,
    start_seconds: int,
) -> Mapping[str, Any]:
    """The content of the launcher's file. What the environment holds is the pod's."""
    return {
        "version": 1,
        "name": model,
        "engines": {
            model: {
                "command": list(container.command),
                "arguments": [word.replace("{threads}", str(processors)) for word in container.arguments],
                "environment": _region_of(weights.streamed) if weights.streamed else {},
                # Fetched or mounted and checked before, or in an image that was made so: looked at again.
                "weights": {
                    "kind": "fetched" if weights.fetches else "mounted",
                    "location": weights.path,
                    "file": None,
                    "revision": None,
                    "sha256": None,
                }
                if weights.streamed is None
                else {**asdict(weights.streamed), "kind": "streamed"},
                "readiness_path": container.readiness_path,
                "metrics_path": container.metrics_path,
                "running_metric": container.running_metric,
                "queued_metric": container.queued_metric,
                "drains_on_sigterm": container.drains_on_sigterm,
                "start_seconds": start_seconds,
                "drain_seconds": drain.engine_shutdown_seconds,
                "key_file": engine_key_file(container),
                "key_environment": container.key_environment,
                "port": int(container.ports["http"]),
                "door": {
                    "address": EVERY_ADDRESS,
                    "port": ENGINE_PORT,
                    "certificate_file": f"{ENGINE_CERTIFICATE_FOLDER}/tls.crt",
                    "key_file": f"{ENGINE_CERTIFICATE_FOLDER}/tls.key",
                    "operations_port": ENGINE_OPERATIONS_PORT,
                    "liveness_path": container.liveness_path,
                },
                **({"node": "leader"} if container.worker_arguments else {}),
            }
        },
        "gateway": None,
    }


def _region_of(weights: Weights) -> dict[str, str]:
    """Whoever signs a request to a bucket must know where it is; a pod's own region may be another."""
    found = re.search(r"\.s3\.([a-z0-9-]+)\.amazonaws\.com/", weights.location)
    return {"AWS_REGION": found[1], "AWS_DEFAULT_REGION": found[1]} if found else {}


def worker_specification(
    model: str, leader: Mapping[str, Any], container: ContainerSpec, *, leader_ends_seconds: int
) -> Mapping[str, Any]:
    """What the launcher on another node of a replica is told. It has no API and no key."""
    engine = leader["engines"][model]
    own = {
        "arguments": list(container.worker_arguments),
        "node": "worker",
        "drain_seconds": leader_ends_seconds,
        "key_file": None,
        "key_environment": None,
        # Where its leader says whether it is there.
        "door": None,
        "port": ENGINE_OPERATIONS_PORT,
        "readiness_path": "/ready",
    }
    return {**leader, "engines": {model: {**engine, **own}}}
