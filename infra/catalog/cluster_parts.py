"""What is known by name of a cluster's storage and network: who can store how, and who enforces network policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from infra.catalog.rows import read


@dataclass(frozen=True, kw_only=True)
class StorageProvisioner:
    """`access_modes` are those of volumes with a file system; `one_zone` says that a volume is in one."""

    provisioner: str
    access_modes: tuple[str, ...]
    one_zone: bool
    source: str
    as_of: str


@dataclass(frozen=True, kw_only=True)
class NetworkPolicyAgent:
    """`enforces` is `yes`, `no`, or `settings` where only its settings say."""

    daemon_set: str
    network: str
    enforces: str
    source: str
    as_of: str


@cache
def storage_provisioners() -> Mapping[str, StorageProvisioner]:
    """By the name that a StorageClass has for it."""
    return {row.provisioner: row for row in read("storage_provisioners.csv", StorageProvisioner)}


@cache
def network_policy_agents() -> Mapping[str, NetworkPolicyAgent]:
    """By the name of its DaemonSet."""
    return {row.daemon_set: row for row in read("network_policy_agents.csv", NetworkPolicyAgent)}
