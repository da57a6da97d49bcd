"""The control plane of the tests is a real one: it admits, refuses, places, and leaves no process behind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cluster import manifests
from tests.cluster.client import Client, NoSuchKind, Refused, eventually
from tests.cluster.conftest import GPU as GPU_POOL
from tests.cluster.control_plane import ControlPlane
from tests.cluster.nodes import GPU, POOL
from tools.kubernetes import modules, programs


def processes_in(folder: Path) -> list[str]:
    """The programs that run in a control plane's folder."""
    found: list[str] = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder):
                found.append(process.name())
        except psutil.Error:
            continue
    return found


def test_it_says_which_version_it_is(cluster: Client) -> None:
    assert cluster.request("GET", "/version")["gitVersion"] == f"v{programs.KUBERNETES.version}"


def test_a_failed_start_leaves_nothing_running(control_plane: ControlPlane, elsewhere: Path, tmp_path: Path) -> None:
    broken = tmp_path / "programs"
    shutil.copytree(programs.home() / "bin", broken, copy_function=lambda source, to: Path(to).symlink_to(source))
    (broken / "kube-apiserver").unlink()
    (broken / "kube-apiserver").write_text("#!/bin/sh\nsleep 1\necho 'out of certificates'\nexit 3\n")
    (broken / "kube-apiserver").chmod(0o755)
    plane = ControlPlane(elsewhere, broken, modules.folders()[programs.KWOK.module])
    with pytest.raises(RuntimeError, match="kube-apiserver ended") as raised:
        plane.start()
    assert "out of certificates" in str(raised.value)
    assert processes_in(elsewhere) == []
    assert set(processes_in(control_plane.folder)) >= {"etcd", "kube-apiserver"}  # the probe itself finds processes


def test_stopping_ends_every_process(control_plane: ControlPlane, elsewhere: Path) -> None:
    plane = ControlPlane(elsewhere, programs.home() / "bin", modules.folders()[programs.KWOK.module])
    plane.start()
    assert sorted(processes_in(elsewhere)) == sorted(name for source in programs.SOURCES for name, _ in source.programs)
    plane.stop()
    assert processes_in(elsewhere) == []


def test_nodes_stay_ready_because_their_leases_are_renewed(cluster: Client) -> None:
    nodes = {node["metadata"]["name"] for node in cluster.list("v1", "Node")}

    def renewed() -> bool:
        leases = cluster.list("coordination.k8s.io/v1", "Lease", "kube-node-lease")
        return nodes == {lease["metadata"]["name"] for lease in leases if lease["spec"].get("renewTime")}

    eventually(renewed, "every node has a lease", within=20)


def test_pod_security_refuses_what_is_not_restricted(cluster: Client, namespace: str) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root", "namespace": namespace}}
    with pytest.raises(Refused, match='violates PodSecurity "restricted') as refused:
        cluster.apply(pod | {"spec": {"containers": [{"name": "main", "image": "x"}]}})
    assert refused.value.status == 403
    cluster.apply(pod | {"spec": manifests.pod_spec()})


def test_a_misspelt_field_is_refused(cluster: Client, namespace: str) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "misspelt", "namespace": namespace}}
    with pytest.raises(Refused, match=r"spec\.tolerationz"):
        cluster.apply(pod | {"spec": manifests.pod_spec(tolerationz=[])})


def test_pods_with_gpus_go_to_gpu_nodes_and_one_too_many_waits(cluster: Client, namespace: str) -> None:
    there_are = len(GPU_POOL.nodes())
    cluster.apply(manifests.deployment("engine", namespace, there_are + 1, manifests.pod_spec(gpus=1)))

    def running() -> list[str]:
        pods = cluster.pods(namespace)
        return [pod["spec"]["nodeName"] for pod in pods if pod.get("status", {}).get("phase") == "Running"]

    nodes = eventually(lambda: found if len(found := running()) == there_are else None, "engines placed")
    assert sorted(nodes) == sorted(node["metadata"]["name"] for node in cluster.list("v1", "Node", "", f"{POOL}=gpu"))

    def waiting() -> str | None:
        for pod in cluster.pods(namespace):
            for condition in pod.get("status", {}).get("conditions") or []:
                if condition["type"] == "PodScheduled" and condition["status"] == "False":
                    return condition["message"]
        return None

    assert f"Insufficient {GPU}" in eventually(waiting, "one pod waits")


def test_a_claim_is_bound_and_its_pod_runs(cluster: Client, namespace: str) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "weights", "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}},
    }
    volume = {"name": "weights", "persistentVolumeClaim": {"claimName": "weights"}}
    cluster.apply(claim)
    cluster.apply(manifests.deployment("engine", namespace, 1, manifests.pod_spec(volumes=[volume])))

    def is_available(live: dict[str, Any]) -> bool:
        return live["status"].get("availableReplicas") == 1

    cluster.wait_for("apps/v1", "Deployment", "engine", namespace, is_available, "available")


def test_a_disruption_budget_keeps_pods(cluster: Client, namespace: str) -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "gateway", "namespace": namespace},
        "spec": {"minAvailable": 3, "selector": {"matchLabels": {"app.kubernetes.io/name": "gateway"}}},
    }

    def allowed(replicas: int, count: int) -> str:
        """The name of a pod, once so many are healthy and so many of them may go."""
        cluster.apply(manifests.deployment("gateway", namespace, replicas, manifests.pod_spec()))
        cluster.wait_for(
            "policy/v1",
            "PodDisruptionBudget",
            "gateway",
            namespace,
            lambda live: (
                live.get("status", {}).get("currentHealthy") == replicas
                and live["status"].get("disruptionsAllowed") == count
            ),
            f"{count} of {replicas} may go",
        )
        return cluster.pods(namespace)[0]["metadata"]["name"]

    cluster.apply(budget)
    assert not cluster.evict(allowed(3, 0), namespace)
    assert cluster.evict(allowed(4, 1), namespace)


CUSTOM_RESOURCES = {
    "keda.sh/v1alpha1 ScaledObject": {
        "scaleTargetRef": {"name": "engine"},
        "triggers": [{"type": "metrics-api", "metadata": {"targetValue": "8", "url": "http://gateway:1/scaling"}}],
    },
    "keda.sh/v1alpha1 TriggerAuthentication": {"secretTargetRef": [{"parameter": "token", "name": "s", "key": "k"}]},
    "gateway.networking.k8s.io/v1 HTTPRoute": {
        "parentRefs": [{"name": "public"}],
        "rules": [{"backendRefs": [{"name": "gateway", "port": 443}], "timeouts": {"request": "0s"}}],
    },
    "monitoring.coreos.com/v1 PodMonitor": {"selector": {}, "podMetricsEndpoints": [{"port": "operations"}]},
    "monitoring.coreos.com/v1 PrometheusRule": {
        "groups": [{"name": "chat", "rules": [{"alert": "NoReplica", "expr": "up == 0", "for": "1m"}]}]
    },
    "cert-manager.io/v1 Certificate": {"secretName": "tls", "issuerRef": {"name": "ca"}, "dnsNames": ["llm.test"]},
}


@pytest.mark.parametrize("of", CUSTOM_RESOURCES)
def test_custom_resources_of_others_are_checked(cluster: Client, namespace: str, of: str) -> None:
    api_version, kind = of.split()
    manifest = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "one", "namespace": namespace},
        "spec": CUSTOM_RESOURCES[of],
    }
    cluster.apply(manifest)
    with pytest.raises(Refused, match=r"spec\.unheardOf"):
        cluster.apply(manifest | {"spec": CUSTOM_RESOURCES[of] | {"unheardOf": 1}})


def test_a_leader_worker_set_is_checked(cluster: Client, namespace: str) -> None:
    template = {"metadata": {"labels": {"app": "engine"}}, "spec": manifests.pod_spec(gpus=1)}
    manifest = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "one", "namespace": namespace},
        "spec": {"replicas": 2, "leaderWorkerTemplate": {"size": 2, "workerTemplate": template}},
    }
    cluster.apply(manifest)
    with pytest.raises(Refused, match="workerTemplate"):
        cluster.apply(manifest | {"spec": {"replicas": 2, "leaderWorkerTemplate": {"size": 2}}})


def test_keda_allows_no_longer_window_than_an_hour(cluster: Client, namespace: str) -> None:
    """KEDA's release adds this bound to the definitions in its repository."""
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 3601}}
    spec = CUSTOM_RESOURCES["keda.sh/v1alpha1 ScaledObject"]
    manifest = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "one", "namespace": namespace},
        "spec": spec | {"advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}}},
    }
    with pytest.raises(Refused, match="3600"):
        cluster.apply(manifest)


def test_a_kind_without_definition_is_named(cluster: Client) -> None:
    with pytest.raises(NoSuchKind, match=r"no NodePool of karpenter\.sh/v1"):
        cluster.kind("karpenter.sh/v1", "NodePool")
