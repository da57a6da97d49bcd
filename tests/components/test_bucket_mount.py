"""Weights that are mounted out of the bucket of a site on Google Cloud, as registered: pods, checks and rights."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.components.test_weights_bucket_google import COMMIT, DEPLOYMENT, MEMBER, engine
from tests.harness import Recorder
from tests.manifests import recorded
from tests.on_gcp import FILE, Deployment, inputs, platform

BUCKET = "main-buckets-models"


def _mounting(deployment: Deployment) -> None:
    platform(deployment)["weights_from"] = "mount"


@pytest.fixture(scope="module")
def seen() -> Recorder:
    return recorded(FILE, _mounting)


def _volumes(spec: Any) -> dict[str, Any]:
    return {volume["name"]: volume for volume in spec["volumes"]}


def test_the_bucket_is_a_volume_that_nobody_writes(seen: Recorder) -> None:
    volumes = _volumes(engine(seen))
    mounted = volumes["weights"]["csi"]
    assert (mounted["driver"], mounted["readOnly"]) == ("gcsfuse.csi.storage.gke.io", True)
    assert mounted["volumeAttributes"]["bucketName"] == BUCKET
    assert f"only-dir:models/chat/{COMMIT}" in mounted["volumeAttributes"]["mountOptions"].split(",")
    # 15.3 GiB and a tenth.
    assert volumes["gke-gcsfuse-cache"]["emptyDir"] == {"sizeLimit": "18Gi"}
    assert "model-source" not in volumes


def test_google_is_told_to_put_its_container_into_the_pod_with_a_limit_of_its_own(seen: Recorder) -> None:
    template = inputs(seen, DEPLOYMENT)["main-serving-engine-chat-engine"]["spec"]["template"]["metadata"]
    assert template["annotations"]["gke-gcsfuse/volumes"] == "true"
    assert template["annotations"]["gke-gcsfuse/memory-limit"] == "2Gi"
    assert template["annotations"]["gke-gcsfuse/ephemeral-storage-limit"] == "0"
    assert template["labels"]["slipway/fetches-weights"] == "true", "that container reaches the bucket"


def test_the_launcher_checks_what_is_mounted_before_the_engine_reads_the_same(seen: Recorder) -> None:
    (check,) = engine(seen)["initContainers"]
    assert check["command"][-2:] == ["serving.launcher", "check"]
    (told,) = map(json.loads, check["args"])
    assert (told["path"], told["revision"]) == ("/weights/chat", COMMIT)
    expected = {"name": "weights", "mountPath": "/weights/chat", "readOnly": True}
    for container in (check, *engine(seen)["containers"]):
        assert [mount for mount in container["volumeMounts"] if mount["name"] == "weights"] == [expected]


def test_it_may_list_the_bucket_and_read_its_own_model(seen: Recorder) -> None:
    whole = f"projects/_/buckets/{BUCKET}"
    assert inputs(seen, MEMBER)["main-identity-engine-chat"]["condition"]["expression"] == (
        f'resource.name.startsWith("{whole}/objects/models/chat/") || resource.name == "{whole}"'
    )


def test_in_one_pod_with_the_gateway_the_pod_is_told_too() -> None:
    def changed(deployment: Deployment) -> None:
        _mounting(deployment)
        deployment["topology"] = {"kind": "monolithic"}
        deployment["models"]["chat"]["scaling"] = {"min_replicas": 1, "max_replicas": 1}

    seen = recorded(FILE, changed)
    (template,) = [one["spec"]["template"] for one in inputs(seen, DEPLOYMENT).values()]
    assert template["metadata"]["annotations"]["gke-gcsfuse/volumes"] == "true"
    assert [container["name"] for container in template["spec"]["initContainers"]] == ["weights", "engine"]
    assert "csi" in _volumes(template["spec"])["weights"]
    assert 'resource.name == "' in inputs(seen, MEMBER)["main-identity-gateway-models"]["condition"]["expression"]


def test_one_file_is_mounted_where_the_engine_is_given_it() -> None:
    gguf = {
        "kind": "huggingface",
        "repo": "Qwen/Qwen3-8B-GGUF",
        "revision": "2" * 40,
        "file": "q/Qwen3-8B-Q4_K_M.gguf",
        "sha256": "3" * 64,
    }

    def changed(deployment: Deployment) -> None:
        _mounting(deployment)
        chat = deployment["models"]["chat"]
        del chat["quantization"]
        chat |= {"source": gguf, "engine": {"kind": "llama_cpp", "image": f"registry.example/llama@sha256:{'4' * 64}"}}

    spec = engine(recorded(FILE, changed))
    (mount,) = (each for each in spec["containers"][0]["volumeMounts"] if each["name"] == "weights")
    assert (mount["mountPath"], mount["subPath"]) == ("/weights/chat", "q/Qwen3-8B-Q4_K_M.gguf")
    (told,) = map(json.loads, spec["initContainers"][0]["args"])
    assert told["sha256"] == "3" * 64
