"""What the stack `onprem` tries on a model and makes of it, and a tool that asks, on a real control plane: each job is
admitted and on the right node when somebody starts it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.client import Client, eventually
from tests.cluster.conftest import GENERAL, GPU, ZONES, discard
from tests.cluster.expectations import expect
from tests.cluster.nodes import POOL, Pool
from tests.manifests import ROOT, objects, recorded

DIGEST = "sha256:" + "5" * 64
ADDRESS = "making-chat-refresh.life.svc:9443"
# By what a job is: alone with its data, as the example declares it, averaging what others learn, one of those.
REFRESHES: dict[str, dict[str, Any]] = {
    "alone": {},
    "coordinator": {
        "data_claim": None,
        "federated": {"rounds": 3, "sites": ["office", "ships"], "address": ADDRESS},
    },
    "site": {"joins": {"coordinator": ADDRESS, "site": "ships", "invitation_secret": "ships"}},
}
HARNESS = {
    "kind": "lm_evaluation_harness",
    "image": f"registry.example.com/team/lm-eval@{DIGEST}",
    "client": "web",
    "tasks": {"gsm8k": {"exact_match": 0.5}},
}
ENGINES = ("engine-chat", "engine-chat-next")
# Jobs ask from machines of gateways; what makes a version needs the model's.
NODES = {
    "trial-chat-facts": GENERAL,
    "trial-chat-harness": GENERAL,
    "trial-chat-load": GENERAL,
    "making-chat-optimisation": GPU,
    "making-chat-refresh": GPU,
}

pytestmark = pytest.mark.timeout(400)


def _on_this_cluster(deployment: dict[str, Any], refresh: str = "alone", namespace: str = "life") -> None:
    for site in deployment["sites"].values():
        site["platform"]["namespace"] = namespace
        site["platform"]["zones"] = list(ZONES)
        site["platform"]["storage"] = {"weights": "kwok-volume", "audit": "kwok-volume"}
        site["platform"]["gpu"] = {"products": {"L40S": GPU.labels["nvidia.com/gpu.product"]}}
    chat = deployment["models"]["chat"]
    chat["refresh"] |= REFRESHES[refresh]
    chat["evaluations"]["harness"] = HARNESS


def _data(namespace: str) -> dict[str, Any]:
    spec = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "kwok-volume",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    metadata = {"name": "answers", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _started(cluster: Client, cron: dict[str, Any], pool: Pool) -> None:
    """As `kubectl create job --from` does."""
    named = cron["metadata"]
    metadata = {"name": named["name"], "namespace": named["namespace"]}
    spec = cron["spec"]["jobTemplate"]["spec"]
    cluster.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})

    def placed() -> str | None:
        pods = cluster.pods(named["namespace"], f"job-name={named['name']}")
        return pods[0]["spec"].get("nodeName") if pods else None

    def why() -> str:
        events = cluster.list("v1", "Event", named["namespace"])
        said = [one["message"] for one in events if one["involvedObject"]["name"].startswith(named["name"])]
        return f"a pod of {named['name']} has a node: {'; '.join(said)}"

    node = cluster.get("v1", "Node", eventually(placed, why))
    assert node is not None
    assert node["metadata"]["labels"][POOL] == pool.name, named["name"]


def test_every_job_of_a_model_is_admitted_and_placed(cluster: Client) -> None:
    manifests = objects(recorded(ROOT / "Pulumi.onprem.yaml", _on_this_cluster))
    crons = {one["metadata"]["name"]: one for one in manifests if one["kind"] == "CronJob"}
    assert crons.keys() == NODES.keys()
    running = [one["metadata"]["name"] for one in manifests if one["kind"] in ("Deployment", "StatefulSet", "Job")]
    try:
        expect(cluster, manifests, {name: GPU if name in ENGINES else GENERAL for name in running})
        cluster.apply(_data("life"))
        for name, pool in NODES.items():
            _started(cluster, crons[name], pool)
    finally:
        discard(cluster, "life")


@pytest.mark.parametrize("refresh", ["coordinator", "site"])
def test_jobs_of_federated_rounds_are_admitted_and_placed(cluster: Client, refresh: str) -> None:
    """Beside what they are reached by and let out with."""
    namespace = f"life-{refresh}"
    manifests = objects(
        recorded(ROOT / "Pulumi.onprem.yaml", lambda found: _on_this_cluster(found, refresh, namespace))
    )
    crons = {one["metadata"]["name"]: one for one in manifests if one["kind"] == "CronJob"}
    running = [one["metadata"]["name"] for one in manifests if one["kind"] in ("Deployment", "StatefulSet", "Job")]
    try:
        expect(cluster, manifests, {name: GPU if name in ENGINES else GENERAL for name in running})
        cluster.apply(_data(namespace))
        _started(cluster, crons["making-chat-refresh"], GPU)
        service = cluster.get("v1", "Service", "making-chat-refresh", namespace)
        assert (service is None) == (refresh == "site")
        (pod,) = cluster.pods(namespace, "job-name=making-chat-refresh")
        mounted = {volume["name"]: volume.get("secret") for volume in pod["spec"]["volumes"]}["invitations"]
        assert mounted["secretName"] == ("ships" if refresh == "site" else "making-chat-refresh-invitations")
    finally:
        discard(cluster, namespace)
