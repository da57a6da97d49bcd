"""What must hold of a stack's manifests on a real control plane: admitted, placed on the right pool, spread over zones.

One line for a test: `expect(cluster, manifests, {"gateway": GENERAL, "chat": GPU})`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.cluster.client import Client, NoSuchKind, Refused
from tests.cluster.nodes import POOL, ZONE, Pool

ENFORCED = "pod-security.kubernetes.io/enforce"
PLACED_SECONDS = 60.0

# What others need is made first: a namespace before what is in it, an account before the pods that use it.
ORDER = (
    "Namespace",
    "PriorityClass",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ResourceQuota",
    "LimitRange",
    "NetworkPolicy",
    "Secret",
    "ConfigMap",
    "PersistentVolumeClaim",
    "Service",
)

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Workload:
    """Something that makes pods: `labels` selects them, `replicas` is how many there have to be."""

    kind: str
    namespace: str
    name: str
    labels: str
    replicas: int


def expect(client: Client, manifests: Sequence[Manifest], pools: Mapping[str, Pool]) -> Mapping[str, Sequence[Any]]:
    """Applies the manifests and asserts all of it, every problem at once. Returns the pods of each workload.

    `pools` says for every workload of the manifests, by name, where its pods have to be.
    """
    problems = [*_namespaces(manifests), *_admission(client, manifests)]
    assert not problems, _told("not admitted", problems)
    scaled = {
        manifest["spec"]["scaleTargetRef"]["name"]: manifest["spec"].get("minReplicas", 1)
        for manifest in manifests
        if manifest["kind"] == "HorizontalPodAutoscaler"
    }
    workloads = [found for manifest in manifests if (found := _workload(manifest, scaled))]
    unnamed = {workload.name for workload in workloads} ^ pools.keys()
    assert not unnamed, f"the manifests' workloads and the expected pools differ by {', '.join(sorted(unnamed))}"
    pods = {workload.name: _placed(client, workload) for workload in workloads}
    nodes = {node["metadata"]["name"]: node["metadata"]["labels"] for node in client.list("v1", "Node")}
    problems = [
        problem
        for workload in workloads
        for problem in (
            *_wrong_pool(workload, pods[workload.name], nodes, pools[workload.name]),
            *_badly_spread(workload, pods[workload.name], nodes, pools[workload.name]),
        )
    ]
    assert not problems, _told("badly placed", problems)
    return pods


def _namespaces(manifests: Sequence[Manifest]) -> list[str]:
    """Every namespaced object is in a namespace that the manifests make, and that enforces `restricted`."""
    enforced = {
        manifest["metadata"]["name"]: manifest["metadata"].get("labels", {}).get(ENFORCED)
        for manifest in manifests
        if manifest["kind"] == "Namespace"
    }
    problems = [f"Namespace {name}: {ENFORCED} is {level}" for name, level in enforced.items() if level != "restricted"]
    for manifest in manifests:
        namespace = manifest["metadata"].get("namespace")
        if namespace is not None and namespace not in enforced:
            problems.append(
                f"{manifest['kind']} {manifest['metadata']['name']}: namespace {namespace} is not among them"
            )
    return problems


def _admission(client: Client, manifests: Sequence[Manifest]) -> list[str]:
    problems: list[str] = []
    ordered = sorted(manifests, key=lambda one: ORDER.index(one["kind"]) if one["kind"] in ORDER else len(ORDER))
    for manifest in ordered:
        try:
            client.apply(manifest)
        except (Refused, NoSuchKind) as refused:
            problems.append(f"{manifest['kind']} {manifest['metadata']['name']}: {refused}")
    return problems


def _workload(manifest: Manifest, scaled: Mapping[str, int]) -> Workload | None:
    name, namespace, spec = (
        manifest["metadata"]["name"],
        manifest["metadata"].get("namespace", ""),
        manifest.get("spec"),
    )
    match manifest["kind"]:
        case "Deployment" | "StatefulSet":
            selector = spec["selector"]["matchLabels"]
            # What an autoscaler owns is left out of the manifest.
            replicas = spec.get("replicas", scaled.get(name, 1))
            return Workload(manifest["kind"], namespace, name, _selector(selector), replicas)
        case "Job":
            return Workload("Job", namespace, name, f"batch.kubernetes.io/job-name={name}", spec.get("parallelism", 1))
        case _:
            return None


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{label}={value}" for label, value in labels.items())


def _placed(client: Client, workload: Workload) -> Sequence[Any]:
    """The workload's pods once all of them are on nodes and ready, else what keeps them away."""
    deadline = time.monotonic() + PLACED_SECONDS
    while True:
        pods = [pod for pod in client.pods(workload.namespace, workload.labels) if not _leaving(pod)]
        done = [pod for pod in pods if pod.get("status", {}).get("phase") in ("Running", "Succeeded")]
        if len(done) == workload.replicas == len(pods):
            return pods
        assert time.monotonic() < deadline, _told(
            f"{len(done)} of {workload.replicas} pods of {workload.kind} {workload.name} run",
            [*_why_not_made(client, workload), *(_why_not_placed(pod) for pod in pods if pod not in done)],
        )
        time.sleep(0.2)


def _leaving(pod: Manifest) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _why_not_made(client: Client, workload: Workload) -> list[str]:
    """What the controllers met: Pod Security and quotas refuse pods, not the Deployment that asks for them."""
    events = client.list("v1", "Event", workload.namespace)
    return sorted(
        {
            f"{event['involvedObject']['kind']} {event['involvedObject']['name']}: {event['message']}"
            for event in events
            if event["reason"] == "FailedCreate" and event["involvedObject"]["name"].startswith(workload.name)
        }
    )


def _why_not_placed(pod: Manifest) -> str:
    for condition in pod.get("status", {}).get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{pod['metadata']['name']}: {condition['message']}"
    return f"{pod['metadata']['name']}: {pod.get('status', {}).get('phase', 'nothing known')}"


def _wrong_pool(
    workload: Workload, pods: Sequence[Manifest], nodes: Mapping[str, Mapping[str, str]], pool: Pool
) -> list[str]:
    return [
        f"{workload.name}: {pod['metadata']['name']} is on {pod['spec']['nodeName']}, of pool "
        f"{nodes[pod['spec']['nodeName']].get(POOL)}, not {pool.name}"
        for pod in pods
        if nodes[pod["spec"]["nodeName"]].get(POOL) != pool.name
    ]


def _badly_spread(
    workload: Workload, pods: Sequence[Manifest], nodes: Mapping[str, Mapping[str, str]], pool: Pool
) -> list[str]:
    """No zone of the pool has two replicas more than another."""
    zones = Counter(dict.fromkeys(pool.zones, 0))
    zones.update(nodes[pod["spec"]["nodeName"]].get(ZONE, "no zone") for pod in pods)
    if max(zones.values()) - min(zones.values()) <= 1:
        return []
    return [f"{workload.name}: {', '.join(f'{count} in {zone}' for zone, count in sorted(zones.items()))}"]


def _told(what: str, problems: Sequence[str]) -> str:
    return "\n  ".join([what + ":", *problems])
