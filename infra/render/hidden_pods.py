"""Pods that custom resources make, as manifests of their own: scanners do not look for them where they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.render.kubernetes import Manifest, file_name, pod_templates

# Kinds of Kubernetes itself that make pods; whoever knows Kubernetes knows these.
KNOWN = (
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "Pod",
    "PodTemplate",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
)


def hidden_pods(found: Mapping[str, Manifest]) -> dict[str, Manifest]:
    """A pod for each template inside a kind that is not Kubernetes' own, by a path beside its owner's."""
    pods: dict[str, Manifest] = {}
    for path, one in found.items():
        if one["kind"] in KNOWN:
            continue
        for number, (_, template, _) in enumerate(pod_templates([one])):
            pod = _pod(one, template, number)
            pods[f"{path.rpartition('/')[0]}/{file_name(pod)}"] = pod
    return pods


def _pod(owner: Manifest, template: Mapping[str, Any], number: int) -> Manifest:
    name = f"{owner['kind'].lower()}-{owner['metadata']['name']}-{number}"
    metadata = {**template.get("metadata", {}), "name": name, "namespace": owner["metadata"].get("namespace")}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
