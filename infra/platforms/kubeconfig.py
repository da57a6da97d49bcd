"""How a cluster of a cloud is reached: a kubeconfig that asks a program for a token each time. One that holds a token
ends with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def kubeconfig(name: str, cluster: Mapping[str, str], api_version: str, command: Sequence[str], **settings: Any) -> str:
    """As JSON, which is YAML. `cluster` says where its API is, `command` is the program with its arguments."""
    program, *arguments = command
    asked = {
        "apiVersion": f"client.authentication.k8s.io/{api_version}",
        "command": program,
        "args": arguments,
        "interactiveMode": "Never",
        **settings,
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": dict(cluster)}],
            "users": [{"name": name, "user": {"exec": asked}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        },
        sort_keys=True,
    )
