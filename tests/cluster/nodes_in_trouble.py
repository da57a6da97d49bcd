"""What happens to nodes: they are lost without a word, reclaimed with notice, or closed; and how they come back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.cluster.client import Client, eventually
from tests.cluster.nodes import is_ready

# What a person sets on a machine that will not come back as it was: its pods are taken off at once, not after 300 s.
OUT_OF_SERVICE = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}

# kwok leaves a node alone whose lease somebody else holds; it asks for it again every few seconds.
LEASE = ("coordination.k8s.io/v1", "Lease")
LEASES = "kube-node-lease"
ANOTHER_HOLDER = {"holderIdentity": "a machine that stopped", "leaseDurationSeconds": 86_400}


def lose(client: Client, names: Sequence[str], within: float) -> float:
    """The machines stop: their leases run out. Returns the seconds until the cluster has noticed all of them."""
    begin = time.monotonic()
    for name in names:
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        client.patch(*LEASE, name, {"spec": {**ANOTHER_HOLDER, "renewTime": now}}, LEASES)
    for name in names:
        eventually(lambda name=name: not _is_ready(client, name), f"the loss of {name} is noticed", within)
    return time.monotonic() - begin


def give_up(client: Client, names: Sequence[str]) -> None:
    """Says of lost machines that nothing runs there any more."""
    for name in names:
        _taint(client, name, [*_taints(client, name), OUT_OF_SERVICE])


def bring_back(client: Client, names: Sequence[str]) -> None:
    """The machines are there again, empty, and wait for pods."""
    for name in names:
        kept = [taint for taint in _taints(client, name) if taint["key"] != OUT_OF_SERVICE["key"]]
        _taint(client, name, kept)
        lease = client.get(*LEASE, name, LEASES)
        if lease is not None and lease["spec"].get("holderIdentity") == ANOTHER_HOLDER["holderIdentity"]:
            for pod in client.pods():
                if pod["spec"].get("nodeName") == name:
                    client.delete("v1", "Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])
            client.patch(*LEASE, name, {"spec": {"holderIdentity": None}}, LEASES)
        cordon(client, [name], closed=False)

    def back(name: str) -> bool:
        live = client.get("v1", "Node", name)
        lost = ("node.kubernetes.io/unreachable", "node.kubernetes.io/unschedulable")
        return live is not None and is_ready(live) and not {taint["key"] for taint in _taints(client, name)} & {*lost}

    for name in names:
        eventually(lambda name=name: back(name), f"{name} is back")


def cordon(client: Client, names: Sequence[str], *, closed: bool = True) -> None:
    """No further pod goes there."""
    for name in names:
        client.patch("v1", "Node", name, {"spec": {"unschedulable": closed or None}})


@dataclass(frozen=True)
class Drained:
    """A node that was drained: the pods that it had, and the seconds until the last of them was evicted."""

    node: str
    pods: Sequence[str]
    seconds: float
    refusals: int


def drain(client: Client, names: Sequence[str], namespace: str, within: float) -> list[Drained]:
    """All nodes at once, each as a node termination handler does it: closed, then every pod is asked to go until it
    may. Fails where one is not empty in time."""
    cordon(client, names)
    with ThreadPoolExecutor(len(names)) as together:
        return list(together.map(lambda name: _empty(client, name, namespace, within), names))


def _empty(client: Client, node: str, namespace: str, within: float) -> Drained:
    begin, refusals = time.monotonic(), 0
    there = [
        pod["metadata"]["name"]
        for pod in client.pods(namespace)
        if pod["spec"].get("nodeName") == node and pod["status"]["phase"] == "Running"
    ]
    left = list(there)
    while left:
        if client.evict(left[0], namespace):
            left.pop(0)
            continue
        refusals += 1
        assert time.monotonic() - begin < within, f"{node} still has {', '.join(left)} after {within:.0f} s"
        time.sleep(0.5)
    return Drained(node, there, time.monotonic() - begin, refusals)


def _is_ready(client: Client, name: str) -> bool:
    live = client.get("v1", "Node", name)
    assert live is not None
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in live["status"]["conditions"])


def _taints(client: Client, name: str) -> list[dict[str, str]]:
    live = client.get("v1", "Node", name)
    assert live is not None
    return live["spec"].get("taints", [])


def _taint(client: Client, name: str, taints: list[dict[str, str]]) -> None:
    client.patch("v1", "Node", name, {"spec": {"taints": taints}})
