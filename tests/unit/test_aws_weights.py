"""Weights of a site on AWS, as planned: its bucket by default, a hub, or a bucket of the user's; who may what, and what
it takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.types import DeploymentPlan
from infra.platforms.aws.identity_plan import WorkloadRole
from infra.platforms.aws.policies import workload_rights
from tests import iam
from tests.on_aws import FILE, Deployment, one_site, platform

BUCKET, KEY = "arn:aws:s3:::slipway-prod-main-models-1", "arn:aws:kms:us-east-1:123456789012:key/own"
AUDIT, OTHER_KEY = "arn:aws:s3:::slipway-prod-main-audit-1", "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-other"
COMMIT = "b968826d9c46dd6066d109eabc6255188de91218"
FOLDER = f"{BUCKET}/models/chat/{COMMIT}"
MINE: dict[str, Any] = {
    "kind": "s3",
    "bucket": "example-models",
    "region": "us-east-1",
    "prefix": "qwen3-8b/2026-11",
    "sha256": "a" * 64,
    "repo": "Qwen/Qwen3-8B",
}


def planned(source: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **site: Any) -> DeploymentPlan:
    import yaml

    deployment: Deployment = yaml.safe_load(FILE.read_text(encoding="utf-8"))["config"]["slipway:deployment"]
    one_site(deployment)
    platform(deployment).update(site)
    deployment["models"]["chat"] |= {**({"source": source} if source else {}), **(model or {})}
    return build_plan(validate(deployment, "case", {}), "case")


def volume(plan: DeploymentPlan) -> Any:
    return plan.sites["main"].details.serving.engines["chat"].weights_volume


def roles(plan: DeploymentPlan) -> dict[str, WorkloadRole]:
    return plan.sites["main"].details.identities


def may(role: WorkloadRole, action: str, resource: str) -> bool:
    document = json.loads(workload_rights(role, BUCKET, AUDIT, KEY))
    assert not list(iam.escalations(document))
    return iam.allows([document], action, resource)


def months(plan: DeploymentPlan) -> dict[str, tuple[float, float]]:
    assert plan.price
    return {line.what: (line.amount.min, line.amount.max) for line in plan.price.lines}


# By default: the site's own bucket.


def test_what_a_hub_has_is_copied_once_and_read_out_of_the_bucket() -> None:
    found = volume(planned())
    address = f"https://{{weights_bucket}}.s3.us-east-1.amazonaws.com/models/chat/{COMMIT}"
    (mirror,), (fetch,) = map(json.loads, found.mirrors), map(json.loads, found.fetches)
    assert (mirror["kind"], mirror["location"], mirror["revision"]) == ("huggingface", "Qwen/Qwen3-8B", COMMIT)
    assert mirror["to"] == fetch["location"] == address
    assert fetch["kind"] == "s3"
    assert not found.asks_a_hub


def test_one_file_keeps_the_digest_that_it_is_checked_by() -> None:
    hub = {"kind": "huggingface", "repo": "Qwen/Qwen3-8B-GGUF", "revision": COMMIT}
    source = {**hub, "file": "Qwen3-8B-Q4_K_M.gguf", "sha256": "c" * 64}
    gguf = {"engine": {"kind": "llama_cpp"}, "objective": None}
    (fetch,) = map(json.loads, volume(planned(source, gguf)).fetches)
    assert fetch["location"].endswith(f"/models/chat/{'c' * 64}")
    assert (fetch["file"], fetch["sha256"]) == ("Qwen3-8B-Q4_K_M.gguf", "c" * 64)


def test_an_adapter_is_kept_beside_its_model() -> None:
    other = {"kind": "huggingface", "repo": "example/tone", "revision": "1" * 40}
    plan = planned(model={"adapters": {"tone": {"source": other, "rank": 8}}})
    assert [json.loads(text)["to"].partition("/models/")[2] for text in volume(plan).mirrors] == [
        f"chat/{COMMIT}",
        f"chat/{'1' * 40}",
    ]
    assert roles(plan)["model-fetch"].fills == (f"models/chat/{COMMIT}", f"models/chat/{'1' * 40}")


READ, PUT = "s3:GetObject", "s3:PutObject"


def test_an_engine_reads_its_model_and_changes_nothing() -> None:
    engine = roles(planned())["engine-chat"]
    assert may(engine, READ, f"{FOLDER}/model-00001-of-00005.safetensors")
    # Replicas of the revision before still start while a change is on its way.
    assert may(engine, READ, f"{BUCKET}/models/chat/{'0' * 40}/SHA256SUMS")
    assert may(engine, "kms:Decrypt", KEY)
    for action, resource in (
        *((PUT, f"{FOLDER}/x"), ("s3:DeleteObject", f"{FOLDER}/x"), ("kms:GenerateDataKey", KEY)),
        *((READ, f"{BUCKET}/models/chat2/{COMMIT}/x"), (READ, f"{BUCKET}/x"), (READ, f"{AUDIT}/audit/x")),
        *(("s3:ListBucket", BUCKET), ("kms:Decrypt", OTHER_KEY), (READ, "arn:aws:s3:::example-models/a/b")),
    ):
        assert not may(engine, action, resource), (action, resource)


def test_the_job_writes_exactly_what_it_copies() -> None:
    job = roles(planned())["model-fetch"]
    for action in (PUT, READ, "s3:AbortMultipartUpload"):
        assert may(job, action, f"{FOLDER}/SHA256SUMS")
        for other in (f"{BUCKET}/models/chat/{'0' * 40}/x", f"{BUCKET}/models/law/{COMMIT}/x", f"{AUDIT}/audit/x"):
            assert not may(job, action, other), (action, other)
    assert may(job, "kms:GenerateDataKey", KEY)
    assert may(job, "kms:Decrypt", KEY), "parts are put together with it"
    for action in ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectAcl"):
        assert not may(job, action, f"{FOLDER}/SHA256SUMS")


def test_in_one_pod_it_is_the_gateways_account_that_reads() -> None:
    import yaml

    deployment: Deployment = yaml.safe_load(FILE.read_text(encoding="utf-8"))["config"]["slipway:deployment"]
    one_site(deployment)
    deployment["topology"] = {"kind": "monolithic"}
    deployment["models"]["chat"] |= {"scaling": {"min_replicas": 1, "max_replicas": 1}, "objective": None}
    found = roles(build_plan(validate(deployment, "case", {}), "case"))
    assert {*found} == {"gateway", "model-fetch"}
    assert may(found["gateway"], READ, f"{FOLDER}/x")
    assert may(found["gateway"], PUT, f"{AUDIT}/audit/x")
    assert not may(found["gateway"], PUT, f"{FOLDER}/x")


def test_the_plan_says_where_they_are_and_what_the_first_start_costs() -> None:
    plan = planned()
    said = plan.sites["main"].summary["weights"]
    # 16.4 GB at 0.4 to 0.133 GB/s.
    assert said == (
        "copied once into a bucket of the site, from which replicas start: chat, 16.4 GB from Qwen/Qwen3-8B "
        "(41 to 123 s more at the first start)"
    )
    start = plan.models["chat"].cold_start
    assert start
    (fetch,) = [phase for phase in start.phases if phase.name == "fetch_weights"]
    assert fetch.seconds == pytest.approx(82, abs=1), "16.4 GB at 0.2 GB/s"
    assert fetch.why.endswith("from a bucket")
    assert "S3 user guide" in fetch.source
    found = months(plan)
    assert found["weights in a bucket"] == pytest.approx((16.4, 16.4), abs=0.1)
    assert found["through NAT gateways"] == pytest.approx((16.4, 16.4), abs=0.1), "once, however many replicas"


# A hub each time.


def test_from_the_source_each_replica_fetches_its_own() -> None:
    plan = planned(weights_from="source")
    found = volume(plan)
    assert found.mirrors == ()
    assert found.asks_a_hub
    assert json.loads(found.fetches[0])["kind"] == "huggingface"
    assert {*roles(plan)} == {"gateway"}, "nobody has a role without need"
    assert plan.sites["main"].summary["weights"] == "each replica fetches its own from its hub: chat"
    assert "weights in a bucket" not in months(plan)
    fewest, most = months(plan)["through NAT gateways"]
    assert most > fewest > 40
    start = plan.models["chat"].cold_start
    assert start
    assert [phase.seconds for phase in start.phases if phase.name == "fetch_weights"] == [pytest.approx(123, abs=1)]


# A bucket of the user's.


def test_what_is_in_a_bucket_already_stays_there() -> None:
    plan = planned(MINE)
    found = volume(plan)
    assert found.mirrors == ()
    assert not found.asks_a_hub
    fetch = json.loads(found.fetches[0])
    assert fetch["location"] == "https://example-models.s3.us-east-1.amazonaws.com/qwen3-8b/2026-11"
    assert (fetch["kind"], fetch["file"], fetch["revision"], fetch["sha256"]) == ("s3", None, None, "a" * 64)
    assert plan.models["chat"].memory, "its size is that of the repository that it is a copy of"
    assert "weights in a bucket" not in months(plan)
    assert "through NAT gateways" not in months(plan)
    assert plan.sites["main"].summary["weights"] == f"chat from {fetch['location']}"


def test_it_is_read_below_its_prefix_with_its_key() -> None:
    found = roles(planned(MINE, weights_keys=[OTHER_KEY]))
    assert {*found} == {"engine-chat", "gateway"}
    engine = found["engine-chat"]
    assert may(engine, READ, "arn:aws:s3:::example-models/qwen3-8b/2026-11/config.json")
    assert may(engine, "kms:Decrypt", OTHER_KEY)
    for action, resource in (
        *((READ, "arn:aws:s3:::example-models/qwen3-8b/2026-12/x"), (READ, "arn:aws:s3:::example-models/qwen3-8b/x")),
        *((PUT, "arn:aws:s3:::example-models/qwen3-8b/2026-11/x"), ("s3:ListBucket", "arn:aws:s3:::example-models")),
        *((READ, f"{FOLDER}/x"), ("kms:Decrypt", KEY)),
    ):
        assert not may(engine, action, resource), (action, resource)
    assert not may(found["gateway"], "kms:Decrypt", OTHER_KEY)


@pytest.mark.parametrize(
    ("source", "site", "said"),
    [
        (None, {}, None),
        (MINE, {}, None),
        (MINE, {"nat": "none", "keda": False}, None),
        (None, {"nat": "none", "keda": False}, "no node reaches Qwen/Qwen3-8B (`nat: none`)"),
        ({**MINE, "region": "eu-west-1"}, {}, "come from another region, eu-west-1"),
        ({**MINE, "region": "eu-west-1"}, {"nat": "none", "keda": False}, "and no node reaches it (`nat: none`)"),
    ],
)
def test_what_nobody_reaches_or_is_far_is_said(source: dict[str, Any] | None, site: Any, said: str | None) -> None:
    found = [warning for warning in planned(source, **site).warnings if "weights of `chat`" in warning]
    assert len(found) == (said is not None)
    assert not said or said in found[0]
