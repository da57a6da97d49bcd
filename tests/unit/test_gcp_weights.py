"""Weights of a site on Google Cloud, as planned: its bucket by default, or a hub; who may what, and what it takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.types import DeploymentPlan
from infra.platforms.gcp.identity_plan import FILLS, READS, WorkloadRights
from tests.on_gcp import FILE, Deployment, platform

COMMIT = "b968826d9c46dd6066d109eabc6255188de91218"


def planned(model: dict[str, Any] | None = None, **site: Any) -> DeploymentPlan:
    deployment: Deployment = yaml.safe_load(FILE.read_text(encoding="utf-8"))["config"]["slipway:deployment"]
    platform(deployment).update(site)
    deployment["models"]["chat"] |= model or {}
    return build_plan(validate(deployment, "case", {}), "case")


def volume(plan: DeploymentPlan) -> Any:
    return plan.sites["main"].details.serving.engines["chat"].weights_volume


def rights(plan: DeploymentPlan) -> dict[str, WorkloadRights]:
    return plan.sites["main"].details.identities


def months(plan: DeploymentPlan) -> dict[str, tuple[float, float]]:
    assert plan.price
    return {line.what: (line.amount.min, line.amount.max) for line in plan.price.lines}


def fetch_phase(plan: DeploymentPlan) -> Any:
    start = plan.models["chat"].cold_start
    assert start
    return next(phase for phase in start.phases if phase.name == "fetch_weights")


def test_what_a_hub_has_is_copied_once_and_read_out_of_the_bucket() -> None:
    found = volume(planned())
    (mirror,), (fetch,) = map(json.loads, found.mirrors), map(json.loads, found.fetches)
    assert (mirror["kind"], mirror["location"], mirror["revision"]) == ("huggingface", "Qwen/Qwen3-8B", COMMIT)
    assert mirror["to"] == fetch["location"]
    assert fetch["location"] == f"https://{{weights_bucket}}.storage.googleapis.com/models/chat/{COMMIT}"
    assert not found.asks_a_hub


def test_an_engine_reads_its_model_and_one_job_writes_its_revisions() -> None:
    other = {"kind": "huggingface", "repo": "example/tone", "revision": "1" * 40}
    found = rights(planned({"adapters": {"tone": {"source": other, "rank": 8}}}))
    assert (found["engine-chat"].role, found["engine-chat"].prefixes) == (READS, ("models/chat/",))
    fills = (f"models/chat/{COMMIT}/", f"models/chat/{'1' * 40}/")
    assert (found["model-fetch"].role, found["model-fetch"].prefixes) == (FILLS, fills)


def test_a_condition_has_no_more_prefixes_than_one_may_have() -> None:
    adapters = {
        f"tone{at}": {
            "source": {"kind": "huggingface", "repo": "example/tone", "revision": f"{at:x}" * 40},
            "rank": 8,
        }
        for at in range(14)
    }
    found = rights(planned({"adapters": adapters}))
    jobs = [right for right in found.values() if right.service_account == "model-fetch"]
    assert [len(right.prefixes) for right in jobs] == [13, 2]
    assert len({prefix for right in jobs for prefix in right.prefixes}) == 15


def test_the_plan_says_where_they_are_and_what_that_takes() -> None:
    plan = planned()
    assert plan.sites["main"].summary["weights"] == (
        "copied once into a bucket of the site, from which replicas start: chat, 16.4 GB from Qwen/Qwen3-8B "
        "(41 to 123 s more at the first start)"
    )
    assert fetch_phase(plan).seconds == pytest.approx(82, abs=1), "16.4 GB at 0.2 GB/s"
    assert fetch_phase(plan).why.endswith("from a bucket")
    assert months(plan)["weights in a bucket"] == pytest.approx((16.4, 16.4), abs=0.1)
    assert months(plan)["through NAT gateways"] == pytest.approx((16.4, 16.4), abs=0.1), "once, however many replicas"


def test_from_the_source_each_replica_fetches_its_own() -> None:
    plan = planned(weights_from="source")
    found = volume(plan)
    assert found.mirrors == ()
    assert found.asks_a_hub
    assert json.loads(found.fetches[0])["kind"] == "huggingface"
    assert {*rights(plan)} == {"gateway"}, "nobody has a right without need"
    assert plan.sites["main"].summary["weights"] == "each replica fetches its own from its hub: chat"
    assert "weights in a bucket" not in months(plan)
    assert fetch_phase(plan).seconds == pytest.approx(123, abs=1)


@pytest.mark.parametrize(
    ("site", "said"),
    [({}, 0), ({"nat": False, "keda": False}, 1), ({"nat": False, "keda": False, "weights_from": "source"}, 1)],
)
def test_a_hub_that_nobody_reaches_is_said(site: dict[str, Any], said: int) -> None:
    found = [warning for warning in planned(**site).warnings if "weights of `chat`" in warning]
    assert len(found) == said
    assert all("no node reaches Qwen/Qwen3-8B (`nat: false`)" in warning for warning in found)
