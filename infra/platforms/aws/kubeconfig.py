"""How an EKS cluster is reached: a kubeconfig that asks for a token each time. One that holds a token ends with it."""

from __future__ import annotations

import json


def kubeconfig(name: str, region: str, endpoint: str, certificate_authority: str) -> str:
    """As JSON, which is YAML."""
    command = ["eks", "get-token", "--cluster-name", name, "--region", region, "--output", "json"]
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "aws",
            "args": command,
            "interactiveMode": "Never",
        }
    }
    cluster = {"server": endpoint, "certificate-authority-data": certificate_authority}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        },
        sort_keys=True,
    )
