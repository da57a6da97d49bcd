"""Weights in the bucket of a site on AWS, as registered: the job that fills it, and the pods that read it after it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.harness import Recorder
from tests.manifests import recorded
from tests.on_aws import FILE, Deployment, inputs, platform, registrations

JOB, DEPLOYMENT = "kubernetes:batch/v1:Job", "kubernetes:apps/v1:Deployment"
ENGINE = "main-serving-engine-chat-engine"
COMMIT = "b968826d9c46dd6066d109eabc6255188de91218"
# As the harness calls the bucket.
ADDRESS = f"https://main-buckets-models-id.s3.us-east-1.amazonaws.com/models/chat/{COMMIT}"


def spec(seen: Recorder, kind: str, name: str) -> Any:
    return inputs(seen, kind)[name]["spec"]["template"]["spec"]


def job(seen: Recorder) -> Any:
    return spec(seen, JOB, "main-serving-engine-chat-bucket-mirror")


def engine(seen: Recorder) -> Any:
    return spec(seen, DEPLOYMENT, ENGINE)


@pytest.fixture(scope="module")
def seen() -> Recorder:
    return registrations()


def test_registered_as_a_component_of_ours(seen: Recorder) -> None:
    (component,) = seen.of_type("slipway:serving:WeightsMirror")
    assert component.urn in seen.closed
    assert [one.type for one in seen.seen if one.parent == component.urn] == [JOB]


def test_the_job_copies_from_the_hub_into_the_bucket_by_its_name(seen: Recorder) -> None:
    (container,) = job(seen)["containers"]
    assert container["command"][-2:] == ["serving.launcher", "mirror"]
    told = json.loads(container["args"][-1])
    assert (told["kind"], told["location"], told["revision"], told["to"]) == (
        *("huggingface", "Qwen/Qwen3-8B"),
        *(COMMIT, ADDRESS),
    )
    assert job(seen)["serviceAccountName"] == "model-fetch"
    associations = inputs(seen, "aws:eks/podIdentityAssociation:PodIdentityAssociation")
    assert "main-identity-model-fetch" in associations
    # Whatever it copies goes through its memory.
    assert [volume["name"] for volume in job(seen)["volumes"]] == ["fetch-tmp", "model-source"]


def test_replicas_read_the_bucket_and_have_no_token_for_a_hub(seen: Recorder) -> None:
    (fetch,) = engine(seen)["initContainers"]
    (told,) = map(json.loads, fetch["args"])
    assert (told["kind"], told["location"], told["path"]) == ("s3", ADDRESS, "/weights/chat")
    assert "model-source" not in {volume["name"] for volume in engine(seen)["volumes"]}
    assert engine(seen)["serviceAccountName"] == "engine-chat"


def test_replicas_start_when_it_is_full(seen: Recorder) -> None:
    every = {one.urn: one for one in seen.seen}
    (filling,) = seen.of_type("slipway:serving:WeightsMirror")
    one = next(one for one in seen.seen if one.name == ENGINE)
    waited: set[str] = set()
    while one.parent in every:
        waited |= {*one.depends_on}
        one = every[one.parent]
    # Of a component, what is in it.
    assert {filling.urn, *(each.urn for each in seen.seen if each.parent == filling.urn)} & waited


def test_it_runs_once_its_role_is_there_and_has_what_it_must_reach(seen: Recorder) -> None:
    template = inputs(seen, JOB)["main-serving-engine-chat-bucket-mirror"]["spec"]["template"]
    assert template["metadata"]["labels"]["slipway/fetches-weights"] == "true"
    policies = inputs(seen, "kubernetes:networking.k8s.io/v1:NetworkPolicy").values()
    (policy,) = [one["spec"] for one in policies if one["metadata"]["name"] == "allow-model-fetch"]
    assert not policy.get("ingress")
    ports = {port["port"] for rule in policy["egress"] for port in rule.get("ports", ())}
    assert ports == {53, 443}
    unlimited = [peer for rule in policy["egress"] if "ports" not in rule for peer in rule["to"]]
    assert unlimited == [{"ipBlock": {"cidr": "169.254.170.23/32"}}], "who gives it its role"


def test_from_the_source_there_is_no_job() -> None:
    def changed(deployment: Deployment) -> None:
        platform(deployment)["weights_from"] = "source"

    seen = recorded(FILE, changed)
    assert not seen.of_type(JOB)
    (fetch,) = engine(seen)["initContainers"]
    assert json.loads(fetch["args"][-1])["kind"] == "huggingface"
    assert "model-source" in {volume["name"] for volume in engine(seen)["volumes"]}


def test_an_engine_that_streams_has_no_copy_and_is_told_the_bucket_by_its_name() -> None:
    def changed(deployment: Deployment) -> None:
        deployment["models"]["chat"]["engine"] |= {"stream_weights": True}

    seen = recorded(FILE, changed)
    pod = engine(seen)
    assert not pod.get("initContainers")
    assert "weights" not in {volume["name"] for volume in pod["volumes"]}
    (container,) = pod["containers"]
    assert "weights" not in {mount["name"] for mount in container["volumeMounts"]}
    labels = inputs(seen, DEPLOYMENT)[ENGINE]["spec"]["template"]["metadata"]["labels"]
    assert labels["slipway/fetches-weights"] == "true", "it reaches the bucket, and who gives it its role"
    files = inputs(seen, "kubernetes:core/v1:ConfigMap")["main-serving-engine-chat-files"]["data"]
    told = json.loads(files["launcher.json"])["engines"]["chat"]
    assert (told["weights"]["kind"], told["weights"]["location"]) == ("streamed", ADDRESS)
    assert told["arguments"][0] == "{weights}"
    # Filled before, as for whoever fetches.
    assert job(seen)["serviceAccountName"] == "model-fetch"
