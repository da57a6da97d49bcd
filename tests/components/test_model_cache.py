"""Weights as registered: the volume that is filled once by a job, and the other ways, in which a pod has its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.components.cluster_handle import ClusterHandle
from infra.components.model_cache import ModelCache
from infra.components.model_server import ModelServer
from infra.plan.serving import ServingPlan
from tests.components.engines import CHAT, GGUF, IMAGE, KEY, authority, objects, ours, planned, recorded, serving
from tests.harness import Recorder

SHARED: dict[str, Any] = {"platform": {"storage": {"weights": "fast"}}}
READ_ONLY: dict[str, Any] = {"platform": {"storage": {"weights": "fast", "weights_mode": "read_only_many"}}}
LOCAL: dict[str, Any] = {"platform": {"storage": {"weights": "nvme", "weights_mode": "node_local"}}}
MOUNTED: dict[str, Any] = {"platform": {"weight_images": {"chat": f"registry.example/qwen@sha256:{'c' * 64}"}}}


def make(plan: ServingPlan, cluster: ClusterHandle) -> None:
    engine = plan.engines["chat"]
    if engine.weights_volume.claim:
        ModelCache("cache", engine, cluster, image=IMAGE)
    ModelServer("chat", engine, cluster, key=KEY, authority=authority(), image=IMAGE)


def found(**case: Any) -> dict[str, Any]:
    return objects(recorded(planned(**case), make))


def pod(manifests: dict[str, Any]) -> Any:
    return manifests["Deployment/engine-chat"]["spec"]["template"]["spec"]


def weights(spec: Any) -> Any:
    (volume,) = (volume for volume in spec["volumes"] if volume["name"] == "weights")
    return volume


def job(manifests: dict[str, Any]) -> Any:
    (only,) = (manifest for name, manifest in manifests.items() if name.startswith("Job/"))
    return only


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return recorded(planned(**SHARED), make)


def test_registered_as_a_component_of_ours(recorder: Recorder) -> None:
    (component,) = recorder.of_type("slipway:serving:ModelCache")
    assert component.urn in recorder.closed
    children = [seen for seen in ours(recorder) if seen.parent == component.urn]
    assert {child.type.rpartition(":")[2] for child in children} == {"PersistentVolumeClaim", "Job"}
    assert all("pulumi:providers:kubernetes::cluster::" in child.provider for child in children)


def test_a_volume_for_many_is_filled_once_and_read_by_all(recorder: Recorder) -> None:
    manifests = objects(recorder)
    claim = manifests["PersistentVolumeClaim/engine-chat-weights"]["spec"]
    assert claim["accessModes"] == ["ReadWriteMany"]
    assert claim["storageClassName"] == "fast"
    # 15.3 GiB and a tenth, what is compiled, and one more to be whole.
    assert claim["resources"]["requests"]["storage"] == "28Gi"
    filling, reading = job(manifests)["spec"]["template"]["spec"], pod(manifests)
    assert weights(filling)["persistentVolumeClaim"]["claimName"] == "engine-chat-weights"
    assert weights(reading)["persistentVolumeClaim"]["claimName"] == "engine-chat-weights"
    assert "initContainers" not in reading
    (container,) = reading["containers"]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert mounts["/weights"]["readOnly"] is True
    # What engines compile outlives them; the cold start counts on it.
    assert mounts["/cache"]["name"] == "weights"
    assert mounts["/cache"]["subPath"] != mounts["/weights"]["subPath"]
    (fetch,) = filling["containers"]
    assert {m["mountPath"]: m for m in fetch["volumeMounts"]}["/weights"]["subPath"] == mounts["/weights"]["subPath"]


def test_the_job_is_as_careful_as_any_pod(recorder: Recorder) -> None:
    spec = job(objects(recorder))["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["serviceAccountName"] == "model-fetch"
    assert spec["securityContext"]["runAsNonRoot"] is True
    (fetch,) = spec["containers"]
    assert fetch["image"] == IMAGE
    assert fetch["securityContext"]["readOnlyRootFilesystem"] is True
    assert fetch["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert fetch["resources"]["requests"]["memory"] == fetch["resources"]["limits"]["memory"]
    assert all("sizeLimit" in volume["emptyDir"] for volume in spec["volumes"] if "emptyDir" in volume)


def test_who_fetches_may_reach_the_source_and_nobody_else() -> None:
    label = "slipway/fetches-weights"
    shared, own = found(**SHARED), found()
    assert job(shared)["spec"]["template"]["metadata"]["labels"][label] == "true"
    assert label not in shared["Deployment/engine-chat"]["spec"]["template"]["metadata"]["labels"]
    assert own["Deployment/engine-chat"]["spec"]["template"]["metadata"]["labels"][label] == "true"
    mounted = found(**MOUNTED)["Deployment/engine-chat"]["spec"]["template"]["metadata"]["labels"]
    assert label not in mounted


def test_other_weights_are_another_job() -> None:
    other = {**CHAT["source"], "revision": "0" * 40}
    first, second = job(found(**SHARED)), job(found(**SHARED, source=other))
    assert first["metadata"]["name"] != second["metadata"]["name"]


def test_read_only_where_one_node_writes(recorder: Recorder) -> None:
    manifests = found(**READ_ONLY)
    claim = manifests["PersistentVolumeClaim/engine-chat-weights"]["spec"]
    assert claim["accessModes"] == ["ReadWriteOnce", "ReadOnlyMany"]
    assert weights(pod(manifests))["persistentVolumeClaim"]["readOnly"] is True
    assert not weights(job(manifests)["spec"]["template"]["spec"])["persistentVolumeClaim"].get("readOnly")
    (cache,) = (volume for volume in pod(manifests)["volumes"] if volume["name"] == "folder-cache")
    assert cache["emptyDir"] == {"sizeLimit": "10Gi"}


def test_each_pod_has_its_own_on_the_nodes_disk() -> None:
    manifests = found()
    assert not [name for name in manifests if name.startswith(("PersistentVolumeClaim/", "Job/"))]
    assert weights(pod(manifests))["emptyDir"] == {"sizeLimit": "18Gi"}
    (fetch,) = pod(manifests)["initContainers"]
    assert fetch["command"] == ["/opt/slipway/bin/python", "-m", "serving.launcher", "fetch"]
    assert fetch["args"][:2] == ["--token-file", "/run/secrets/model-source/token"]
    disk = int(pod(manifests)["containers"][0]["resources"]["requests"]["ephemeral-storage"].removesuffix("Gi"))
    assert disk > 18


def test_a_volume_of_the_pods_own_on_local_disks() -> None:
    manifests = found(**LOCAL)
    template = weights(pod(manifests))["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert template["storageClassName"] == "nvme"
    assert template["accessModes"] == ["ReadWriteOnce"]
    disk = int(pod(manifests)["containers"][0]["resources"]["requests"]["ephemeral-storage"].removesuffix("Gi"))
    assert disk < 18


def test_an_image_with_the_weights_is_mounted_where_the_engine_reads() -> None:
    manifests = found(**MOUNTED)
    volume = weights(pod(manifests))
    assert volume["image"] == {"reference": f"registry.example/qwen@sha256:{'c' * 64}", "pullPolicy": "IfNotPresent"}
    (container,) = pod(manifests)["containers"]
    (mount,) = (mount for mount in container["volumeMounts"] if mount["name"] == "weights")
    assert mount == {"name": "weights", "mountPath": "/weights/chat", "readOnly": True}
    one_file = found(**MOUNTED, **GGUF)
    (mount,) = (m for m in pod(one_file)["containers"][0]["volumeMounts"] if m["name"] == "weights")
    assert mount["subPath"] == "Qwen3-8B-Q4_K_M.gguf"


def test_what_is_fetched_is_the_commit_with_its_adapters() -> None:
    adapter = {"source": {"kind": "huggingface", "repo": "example/law", "revision": "3" * 40}}
    fetches = [json.loads(text) for text in serving(adapters={"law": adapter}).engines["chat"].weights_volume.fetches]
    assert [(one["path"], one["location"], one["revision"]) for one in fetches] == [
        ("/weights/chat", "Qwen/Qwen3-8B", CHAT["source"]["revision"]),
        ("/weights/chat-adapters/law", "example/law", "3" * 40),
    ]


def test_what_the_plan_writes_is_what_the_launcher_reads() -> None:
    import msgspec

    from serving.launcher.fetching import Wanted
    from serving.launcher.specification import Specification

    for case in ({}, GGUF, SHARED, MOUNTED, LOCAL):
        engine = serving(**case).engines["chat"]
        for text in engine.weights_volume.fetches:
            assert msgspec.json.decode(text, type=Wanted).path.startswith("/weights/")
        read = msgspec.json.decode(json.dumps(engine.pod.specification), type=Specification)
        own = read.engines["chat"]
        assert own.weights.kind == ("mounted" if case is MOUNTED else "fetched")
        assert own.weights.location == "/weights/chat"
        assert own.port == 8000
        assert own.door
        assert own.door.port == 8443
