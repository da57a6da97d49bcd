"""What the stack `onprem` registers, on a real control plane: admitted, on the right nodes, spread over zones."""

from __future__ import annotations

from typing import Any

from tests.cluster.client import Client
from tests.cluster.conftest import GENERAL, GPU, ZONES, discard
from tests.cluster.expectations import expect
from tests.manifests import ROOT, objects, recorded

STACK = ROOT / "Pulumi.onprem.yaml"
ENGINES = ("engine-chat", "engine-chat-next")


def _on_this_cluster(deployment: dict[str, Any]) -> None:
    """The zones, the storage class and the name of GPUs that these tests' cluster has."""
    for site in deployment["sites"].values():
        site["platform"]["zones"] = list(ZONES)
        site["platform"]["storage"] = {"weights": "kwok-volume", "audit": "kwok-volume"}
        site["platform"]["gpu"] = {"products": {"L40S": GPU.labels["nvidia.com/gpu.product"]}}


def test_the_stack_onprem(cluster: Client) -> None:
    manifests = objects(recorded(STACK, _on_this_cluster))
    running = [one["metadata"]["name"] for one in manifests if one["kind"] in ("Deployment", "StatefulSet", "Job")]
    assert {"gateway", "release", "engine-chat", "engine-chat-next"} <= set(running)
    try:
        pools = {name: GPU if name in ENGINES else GENERAL for name in running}
        pods = expect(cluster, manifests, pools)
        assert len(pods["gateway"]) >= len(ZONES)
    finally:
        for one in manifests:
            if one["kind"] == "Namespace":
                discard(cluster, one["metadata"]["name"])
