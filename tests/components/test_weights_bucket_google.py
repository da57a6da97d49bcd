"""Weights in the bucket of a site on Google Cloud, as registered: the job that fills it, and the pods that read it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.harness import Recorder
from tests.manifests import recorded
from tests.on_gcp import FILE, Deployment, inputs, platform, registrations

JOB, DEPLOYMENT = "kubernetes:batch/v1:Job", "kubernetes:apps/v1:Deployment"
FILLS, MEMBER = "main-serving-engine-chat-bucket-mirror", "gcp:storage/bucketIAMMember:BucketIAMMember"
COMMIT = "b968826d9c46dd6066d109eabc6255188de91218"
# As the harness calls the bucket.
ADDRESS = f"https://main-buckets-models.storage.googleapis.com/models/chat/{COMMIT}"


def pod(seen: Recorder, kind: str, name: str) -> Any:
    return inputs(seen, kind)[name]["spec"]["template"]["spec"]


def engine(seen: Recorder) -> Any:
    return pod(seen, DEPLOYMENT, "main-serving-engine-chat-engine")


@pytest.fixture(scope="module")
def seen() -> Recorder:
    return registrations()


def test_the_job_copies_from_the_hub_into_the_bucket_by_its_name(seen: Recorder) -> None:
    job = pod(seen, JOB, FILLS)
    (container,) = job["containers"]
    assert container["command"][-2:] == ["serving.launcher", "mirror"]
    told = json.loads(container["args"][-1])
    assert (told["kind"], told["location"], told["revision"], told["to"]) == (
        *("huggingface", "Qwen/Qwen3-8B"),
        *(COMMIT, ADDRESS),
    )
    assert job["serviceAccountName"] == "model-fetch"


def test_replicas_read_the_bucket_and_have_no_token_for_a_hub(seen: Recorder) -> None:
    (fetch,) = engine(seen)["initContainers"]
    (told,) = map(json.loads, fetch["args"])
    assert (told["location"], told["path"]) == (ADDRESS, "/weights/chat")
    assert "model-source" not in {volume["name"] for volume in engine(seen)["volumes"]}
    assert engine(seen)["serviceAccountName"] == "engine-chat"


def test_the_bucket_is_what_the_rights_are_of(seen: Recorder) -> None:
    members = inputs(seen, MEMBER)
    engine, fills = members["main-identity-engine-chat"], members["main-identity-model-fetch"]
    assert {engine["bucket"], fills["bucket"]} == {ADDRESS.removeprefix("https://").partition(".")[0]}
    whole = "projects/_/buckets/main-buckets-models/objects/models/chat/"
    assert engine["condition"]["expression"] == f'resource.name.startsWith("{whole}")'
    assert fills["condition"]["expression"] == f'resource.name.startsWith("{whole}{COMMIT}/")'


def test_the_job_runs_once_its_right_is_there_and_reaches_who_says_who_it_is(seen: Recorder) -> None:
    every = {one.urn: one for one in seen.seen}
    one = next(one for one in seen.seen if one.name == FILLS)
    waited: set[str] = set()
    while one.parent in every:
        waited |= {*one.depends_on}
        one = every[one.parent]
    right = next(one for one in seen.seen if one.name == "main-identity-model-fetch")
    assert {right.urn, right.parent} & waited
    assert inputs(seen, JOB)[FILLS]["spec"]["template"]["metadata"]["labels"]["slipway/fetches-weights"] == "true"
    policies = inputs(seen, "kubernetes:networking.k8s.io/v1:NetworkPolicy").values()
    (policy,) = [one["spec"] for one in policies if one["metadata"]["name"] == "allow-model-fetch"]
    unlimited = [peer["ipBlock"]["cidr"] for rule in policy["egress"] if "ports" not in rule for peer in rule["to"]]
    assert "169.254.169.254/32" in unlimited


def test_from_the_source_there_is_no_job_and_no_right() -> None:
    def changed(deployment: Deployment) -> None:
        platform(deployment)["weights_from"] = "source"

    seen = recorded(FILE, changed)
    assert not seen.of_type(JOB)
    (fetch,) = engine(seen)["initContainers"]
    assert json.loads(fetch["args"][-1])["kind"] == "huggingface"
    assert {name for name in inputs(seen, MEMBER) if "identity" in name} == {"main-identity-gateway"}


def test_in_one_pod_it_is_the_gateways_account_that_reads() -> None:
    def changed(deployment: Deployment) -> None:
        deployment["topology"] = {"kind": "monolithic"}
        deployment["models"]["chat"]["scaling"] = {"min_replicas": 1, "max_replicas": 1}

    members = {name: one for name, one in inputs(recorded(FILE, changed), MEMBER).items() if "identity" in name}
    assert {*members} == {"main-identity-gateway", "main-identity-gateway-models", "main-identity-model-fetch"}
    audit, weights = members["main-identity-gateway"], members["main-identity-gateway-models"]
    assert audit["member"] == weights["member"]
    assert weights["member"].endswith("/ns/slipway/sa/gateway")
    assert weights["role"] == "roles/storage.objectViewer"
    assert "/objects/models/chat/" in weights["condition"]["expression"]
