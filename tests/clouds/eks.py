"""EKS of the stand-in AWS: its cluster is a real API server, reached as EKS' are, by a token that `aws` gives.

Kinds that Auto Mode brings have definitions that let everything through: EKS' own are nowhere to be had.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
from pathlib import Path
from typing import Any

# The kubeconfig of the API server that a cluster of this environment is. Without it, a cluster is an address of nobody.
KUBECONFIG = "SLIPWAY_TESTS_EKS_KUBECONFIG"
_OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
# Kind, group, version, and whether it is in a namespace; the last is of the controller's chart.
KINDS = (
    ("NodeClass", "eks.amazonaws.com", "v1", False),
    ("NodePool", "karpenter.sh", "v1", False),
    ("TargetGroupBinding", "eks.amazonaws.com", "v1", True),
    ("TargetGroupBinding", "elbv2.k8s.aws", "v1beta1", True),
)


def answers(host: str) -> dict[str, str]:
    """Where the control plane is, and its authority's certificate."""
    if (kubeconfig := os.environ.get(KUBECONFIG)) is None:
        return {"endpoint": f"https://{host}", "authority": base64.b64encode(b"a certificate of nobody").decode()}
    cluster = json.loads(Path(kubeconfig).read_text())["clusters"][0]["cluster"]
    return {"endpoint": cluster["server"], "authority": cluster["certificate-authority-data"]}


def command_line(folder: Path, kubeconfig: Path, cluster: str) -> None:
    """An `aws` that gives tokens for one cluster, and knows nothing else."""
    token = json.loads(kubeconfig.read_text())["users"][0]["user"]["token"]
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}
    wanted = f"eks get-token --cluster-name {cluster} --region "
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "aws"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in {shlex.quote(wanted)}*) echo {shlex.quote(json.dumps(credential))} ;;\n'
        '*) echo "nobody here answers: aws $*" >&2; exit 252 ;;\nesac\n'
    )
    program.chmod(0o700)


def definitions() -> list[dict[str, Any]]:
    """Of the kinds above."""
    return [_definition(*kind) for kind in KINDS]


def _definition(kind: str, group: str, name: str, namespaced: bool) -> dict[str, Any]:
    plural = f"{kind.lower()}es" if kind.endswith("s") else f"{kind.lower()}s"
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
