"""What the stack `onprem` registers, on a real control plane: admitted, on the right nodes, spread over zones."""

from __future__ import annotations

from typing import Any

from tests.cluster import nodes
from tests.cluster.conftest import ZONES, discard
from tests.cluster.control_plane import ControlPlane
from tests.cluster.expectations import expect
from tests.cluster.nodes import Pool
from tests.manifests import ROOT, objects, recorded

STACK = ROOT / "Pulumi.onprem.yaml"


def _on_this_cluster(deployment: dict[str, Any]) -> None:
    """The storage class that these tests' cluster has."""
    for site in deployment["sites"].values():
        site["platform"]["storage"] = {"weights": "kwok-volume", "audit": "kwok-volume"}


def test_the_stack_onprem(control_plane: ControlPlane) -> None:
    manifests = objects(recorded(STACK, _on_this_cluster))
    engine = next(one for one in manifests if one["kind"] == "Deployment" and one["metadata"]["name"] == "engine-chat")
    pod = engine["spec"]["template"]["spec"]
    gpus = int(pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"])
    general = Pool("onprem-general", ZONES, per_zone=2)
    gpu = Pool("onprem-gpu", ZONES, per_zone=2, gpus=gpus, labels=pod.get("nodeSelector", {}))
    client = control_plane.client()
    nodes.create(client, general, gpu)
    try:
        workloads = [
            one["metadata"]["name"] for one in manifests if one["kind"] in ("Deployment", "StatefulSet", "Job")
        ]
        places = {name: gpu if name == "engine-chat" else general for name in workloads}
        pods = expect(client, manifests, places)
        assert len(pods["gateway"]) >= 2
    finally:
        for one in manifests:
            if one["kind"] == "Namespace":
                discard(client, one["metadata"]["name"])
        nodes.remove(client, general, gpu)
