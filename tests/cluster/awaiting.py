"""When an object counts as made: the waits of pulumi-kubernetes that decide in which order a program goes on.

Deployments, StatefulSets, Jobs, Services with a selector, and `pulumi.com/waitFor`. Not waited for, where the provider
would: the address of an Ingress or of a Service of type LoadBalancer (no controller here gives one), bound volumes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.cluster.client import Client

SKIP = "pulumi.com/skipAwait"
WAIT_FOR = "pulumi.com/waitFor"
TIMEOUT = "pulumi.com/timeoutSeconds"
DEFAULT_SECONDS = 600.0
POLL_SECONDS = 0.2

Object = Mapping[str, Any]


class NotReady(Exception):
    """The object is in the cluster but did not become ready; `live` is how it was left."""

    def __init__(self, live: Object, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.live, self.reasons = live, reasons


def ready(client: Client, applied: Object, seconds: float, stopped: Callable[[], bool] = lambda: False) -> Object:
    """The live object once it is ready. `seconds`: the resource's own timeout, 0 for none given."""
    metadata = applied["metadata"]
    annotations = metadata.get("annotations", {})
    if annotations.get(SKIP) == "true":
        return applied
    limit = float(annotations.get(TIMEOUT, 0)) or seconds or DEFAULT_SECONDS
    deadline = time.monotonic() + limit
    namespace = metadata.get("namespace", "")
    while True:
        live = client.get(applied["apiVersion"], applied["kind"], metadata["name"], namespace)
        if live is None:
            raise NotReady(applied, ["it was deleted while it was waited for"])
        why = missing(client, live)
        if why is None:
            return live
        if time.monotonic() > deadline or stopped():
            what = f"not ready after {limit:.0f} s" if not stopped() else "interrupted before it was ready"
            raise NotReady(live, [f"{what}: {why}", *pods_in_trouble(client, live)])
        time.sleep(POLL_SECONDS)


def missing(client: Client, live: Object) -> str | None:
    """What keeps the object from being ready; None when nothing does."""
    if wanted := live["metadata"].get("annotations", {}).get(WAIT_FOR):
        return _wait_for(live, wanted)
    status = live.get("status", {})
    match f"{live['apiVersion']}/{live['kind']}":
        case "apps/v1/Deployment":
            return _deployment(live, status)
        case "apps/v1/StatefulSet":
            wanted_replicas = live["spec"].get("replicas", 1)
            if status.get("observedGeneration", 0) < live["metadata"]["generation"]:
                return "its controller has not seen the change yet"
            if status.get("updatedReplicas", 0) < wanted_replicas or status.get("readyReplicas", 0) < wanted_replicas:
                return f"{status.get('readyReplicas', 0)} of {wanted_replicas} replicas are ready"
        case "batch/v1/Job":
            conditions = _conditions(status)
            if conditions.get("Failed", ("", ""))[0] == "True":
                return f"the job failed: {conditions['Failed'][1]}"
            if conditions.get("Complete", ("", ""))[0] != "True":
                return "the job has not completed"
        case "v1/Service":
            return _service(client, live)
        case _:
            pass
    return None


def pods_in_trouble(client: Client, live: Object) -> list[str]:
    """Why pods of a workload are not there or not placed: what a person would look for next."""
    metadata, found = live["metadata"], []
    for condition in live.get("status", {}).get("conditions") or []:
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            found.append(condition["message"])
    labels = live.get("spec", {}).get("selector", {}).get("matchLabels") if live["kind"] != "Service" else None
    if labels:
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        for pod in client.pods(metadata.get("namespace", ""), selector):
            for condition in pod.get("status", {}).get("conditions") or []:
                if condition["type"] == "PodScheduled" and condition["status"] == "False":
                    found.append(f"pod {pod['metadata']['name']} is not placed: {condition['message']}")
    return sorted(set(found))


def _deployment(live: Object, status: Object) -> str | None:
    if status.get("observedGeneration", 0) < live["metadata"]["generation"]:
        return "its controller has not seen the change yet"
    wanted = live["spec"].get("replicas", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted:
        return f"{updated} of {wanted} replicas are of the new version"
    if status.get("replicas", 0) > updated:
        return f"{status['replicas'] - updated} replicas of the old version are still there"
    return None if available >= wanted else f"{available} of {wanted} replicas are available"


def _service(client: Client, live: Object) -> str | None:
    spec = live["spec"]
    if not spec.get("selector") or spec.get("clusterIP") == "None" or spec.get("type") == "ExternalName":
        return None
    metadata = live["metadata"]
    slices = client.list(
        "discovery.k8s.io/v1", "EndpointSlice", metadata["namespace"], f"kubernetes.io/service-name={metadata['name']}"
    )
    ready_addresses = [
        endpoint
        for one in slices
        for endpoint in one.get("endpoints") or []
        if endpoint.get("conditions", {}).get("ready")
    ]
    return None if ready_addresses else "no ready pod has its labels"


def _conditions(status: Object) -> dict[str, tuple[str, str]]:
    return {entry["type"]: (entry["status"], entry.get("message", "")) for entry in status.get("conditions") or []}


def _wait_for(live: Object, wanted: str) -> str | None:
    """`condition=Ready`, `condition=Ready=False`, or `jsonpath={.status.phase}=Running` (value optional)."""
    if condition := re.fullmatch(r"condition=(\w+)(?:=(\w+))?", wanted):
        name, value = condition[1], condition[2] or "True"
        found = _conditions(live.get("status", {})).get(name, ("missing", ""))
        return None if found[0] == value else f"condition {name} is {found[0]} {found[1]}".strip()
    if path := re.fullmatch(r"jsonpath=\{((?:\.\w+)+)\}(?:=(.*))?", wanted):
        at: Any = live
        for part in path[1].strip(".").split("."):
            at = at.get(part) if isinstance(at, Mapping) else None
        good = at is not None if path[2] is None else str(at) == path[2]
        return None if good else f"{path[1]} is {at}"
    return f"the annotation {WAIT_FOR} cannot be understood here: {wanted}"
