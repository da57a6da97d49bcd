"""A cluster of a stand-in cloud: a real API server, reached as the cloud's are, by a token that its program gives.

Kinds that the cloud brings have definitions that let everything through: its own are nowhere to be had.
"""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The kubeconfig of the API server that a cluster of this environment is. Without it, a cluster is an address of nobody.
KUBECONFIG = "SLIPWAY_TESTS_CLUSTER_KUBECONFIG"
_OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
# Kind, group, version, and whether it is in a namespace.
Kind = tuple[str, str, str, bool]


@dataclass(frozen=True, kw_only=True)
class ManagedCluster:
    """A cloud's: the type of its resource, the program that gives tokens for it with what its arguments begin with, and
    what kinds it brings."""

    token: str
    program: str
    arguments: str
    kinds: tuple[Kind, ...]

    def command_line(self, folder: Path, kubeconfig: Path, name: str) -> None:
        """A program that gives tokens for a cluster of that name, and knows nothing else."""
        token = json.loads(kubeconfig.read_text())["users"][0]["user"]["token"]
        credential = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": {"token": token},
        }
        wanted, answer = (shlex.quote(text) for text in (self.arguments.format(name=name), json.dumps(credential)))
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / self.program
        file.write_text(
            f'#!/bin/sh\ncase "$*" in {wanted}*) echo {answer} ;;\n'
            f'*) echo "nobody here answers: {self.program} $*" >&2; exit 252 ;;\nesac\n'
        )
        file.chmod(0o700)

    def definitions(self) -> list[dict[str, Any]]:
        """Of its kinds."""
        return [_definition(*kind) for kind in self.kinds]


EKS = ManagedCluster(
    token="aws:eks/cluster:Cluster",
    program="aws",
    arguments="eks get-token --cluster-name {name} --region ",
    kinds=(
        ("NodeClass", "eks.amazonaws.com", "v1", False),
        ("NodePool", "karpenter.sh", "v1", False),
        ("TargetGroupBinding", "eks.amazonaws.com", "v1", True),
        # Of the controller's chart.
        ("TargetGroupBinding", "elbv2.k8s.aws", "v1beta1", True),
    ),
)
GKE = ManagedCluster(
    token="gcp:container/cluster:Cluster",
    program="gke-gcloud-auth-plugin",
    # It is told by the environment of which one.
    arguments="",
    kinds=(
        ("ComputeClass", "cloud.google.com", "v1", False),
        ("GCPBackendPolicy", "networking.gke.io", "v1", True),
        ("GCPGatewayPolicy", "networking.gke.io", "v1", True),
        ("HealthCheckPolicy", "networking.gke.io", "v1", True),
    ),
)


def server() -> str | None:
    """Where the control plane is, where there is one."""
    return _cluster("server")


def authority() -> str | None:
    """Its authority's certificate."""
    return _cluster("certificate-authority-data")


def _cluster(part: str) -> str | None:
    if (kubeconfig := os.environ.get(KUBECONFIG)) is None:
        return None
    return json.loads(Path(kubeconfig).read_text())["clusters"][0]["cluster"][part]


def _definition(kind: str, group: str, name: str, namespaced: bool) -> dict[str, Any]:
    plural = kind.lower()
    plural = f"{plural}es" if plural.endswith("s") else f"{plural[:-1]}ies" if plural.endswith("y") else f"{plural}s"
    version = {
        "name": name,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": _OPEN, "status": _OPEN}}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "scope": "Namespaced" if namespaced else "Cluster",
            "versions": [version],
        },
    }
