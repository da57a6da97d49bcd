"""Gateway and engine in one pod on a real control plane: admitted under `restricted`, and on a node with a GPU."""

from __future__ import annotations

from typing import Any

from tests.cluster.client import Client
from tests.cluster.conftest import GPU, discard
from tests.cluster.expectations import expect
from tests.golden.test_golden_manifests import FURTHER
from tests.manifests import objects, recorded


def _on_this_cluster(deployment: dict[str, Any]) -> None:
    for site in deployment["sites"].values():
        # A namespace of its own: another test's takes its time to go.
        site["platform"]["namespace"] = "monolith"
        site["platform"]["gpu"] = {"products": {"L40S": GPU.labels["nvidia.com/gpu.product"]}}


def test_the_stack_monolith(cluster: Client) -> None:
    manifests = objects(recorded(FURTHER / "Pulumi.monolith.yaml", _on_this_cluster))
    running = [one["metadata"]["name"] for one in manifests if one["kind"] in ("Deployment", "StatefulSet", "Job")]
    assert running == ["gateway"]
    try:
        (pod,) = expect(cluster, manifests, {"gateway": GPU})["gateway"]
        (sidecar,) = [one for one in pod["spec"]["initContainers"] if one.get("restartPolicy") == "Always"]
        assert sidecar["name"] == "engine", "the API server keeps what makes it a sidecar"
        # A name of a port is what a Service looks for in all of a pod: there is one of each.
        every = [*pod["spec"]["containers"], *pod["spec"]["initContainers"]]
        ports = [port["name"] for container in every for port in container.get("ports", ())]
        assert sorted(ports) == ["engine", "http", "operations"]
    finally:
        for one in manifests:
            if one["kind"] == "Namespace":
                discard(cluster, one["metadata"]["name"])
