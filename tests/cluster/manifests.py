"""Hand-written manifests that keep to Pod Security `restricted`: what tests of the tests deploy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.cluster.nodes import GPU, ZONE

IMAGE = "example.test/serving@sha256:" + "0" * 64


def namespace(name: str) -> dict[str, Any]:
    """A namespace that refuses every pod that is not restricted."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod_spec(*, gpus: int = 0, **more: Any) -> dict[str, Any]:
    """One container without rights; with `gpus` it asks for them and tolerates their taint."""
    amounts = {"cpu": "1", "memory": "1Gi"} | ({GPU: str(gpus)} if gpus else {})
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "main",
                "image": IMAGE,
                "resources": {"requests": amounts, "limits": amounts},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    }
    if gpus:
        spec["tolerations"] = [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]
    return spec | more


def deployment(name: str, inside: str, replicas: int, spec: Mapping[str, Any]) -> dict[str, Any]:
    """A Deployment whose pods are spread over zones."""
    labels = {"app.kubernetes.io/name": name}
    spread = {
        "maxSkew": 1,
        "topologyKey": ZONE,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": labels},
    }
    template = {"metadata": {"labels": labels}, "spec": {"topologySpreadConstraints": [spread], **spec}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": inside},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def service(name: str, inside: str, port: int) -> dict[str, Any]:
    """A Service in front of the Deployment of the same name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": inside},
        "spec": {"selector": {"app.kubernetes.io/name": name}, "ports": [{"name": "http", "port": port}]},
    }
