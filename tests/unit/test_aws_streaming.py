"""Weights that engines read out of a bucket themselves, as planned: what both engines are told, what a start takes,
who may what, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.engines import ENGINES
from infra.plan.types import DeploymentPlan
from tests.unit.engine_requests import GGUF, flags, rendered, requested
from tests.unit.test_aws_weights import BUCKET, COMMIT, MINE, OTHER_KEY, READ, may, planned, roles, volume

STREAMED = {"kind": "vllm", "stream_weights": True}
LIST = "s3:ListBucket"
ELSEWHERE = "arn:aws:s3:::example-models"


def streaming(source: dict[str, Any] | None = None, **site: Any) -> DeploymentPlan:
    return planned(source, {"engine": STREAMED}, **site)


def specification(plan: DeploymentPlan) -> Any:
    return plan.sites["main"].details.serving.engines["chat"].pod.specification["engines"]["chat"]


@pytest.mark.parametrize("kind", ["vllm", "sglang"])
def test_an_engine_is_told_an_address_that_the_launcher_fills_in(kind: str) -> None:
    container = rendered({"kind": kind, "stream_weights": True}, accelerator={"type": "H100", "count": 4})
    told = container.arguments[0] if kind == "vllm" else flags(container)["--model-path"]
    assert told == "{weights}"
    assert container.streams_weights
    assert flags(container)["--load-format"] == "runai_streamer"
    extra = json.loads(flags(container)["--model-loader-extra-config"] or "")
    # Each of the four reads a part, and takes no more memory than a pod has for its GPU.
    assert extra == {"concurrency": 8, "distributed": True, "memory_limit": 4 * 1024**3}


@pytest.mark.parametrize("kind", ["vllm", "sglang"])
def test_without_it_nothing_is_as_it_was_not(kind: str) -> None:
    container = rendered(kind)
    assert not container.streams_weights
    assert not {"--load-format", "--model-loader-extra-config"} & {*flags(container)}
    assert "/models/chat" in container.arguments


def test_one_gpu_has_all_connections() -> None:
    extra = json.loads(flags(rendered(STREAMED))["--model-loader-extra-config"] or "")
    assert (extra["concurrency"], extra["distributed"]) == (32, False)


@pytest.mark.parametrize(
    ("engine", "fields", "where", "said"),
    [
        ({"load_format": "fastsafetensors"}, {}, "engine.load_format", "`runai_streamer`, which alone reads"),
        (
            {},
            {"adapters": {"law": {"source": MINE, "rank": 8}}},
            "engine.stream_weights",
            "`adapters`, whose weights come from a disk",
        ),
        (
            {},
            {"speculative": {"method": "eagle3", "draft_tokens": 3, "draft": {**MINE}}},
            "engine.stream_weights",
            "`speculative.draft`, whose weights",
        ),
        ({"kind": "sglang"}, {"source": GGUF}, "engine.stream_weights", "a whole repository"),
        ({"kind": "sglang"}, {"quantization": "bitsandbytes"}, "engine.stream_weights", "a loader of its own"),
    ],
)
def test_what_cannot_be_read_like_that(engine: dict[str, Any], fields: dict[str, Any], where: str, said: str) -> None:
    from infra.plan.models import engine_request
    from tests.unit.engine_requests import CONTAINERS, model_settings

    source = fields.pop("source", None)
    settings = model_settings({**STREAMED, **engine}, **fields)
    if source:
        settings = settings.model_copy(update={"source": type(settings.source).model_validate(source)})
    found = list(ENGINES[settings.engine.kind].problems(engine_request("chat", settings, CONTAINERS)))
    assert any(one.where.endswith(where) and said in f"{one.found} {one.allowed}" for one in found), found


def test_the_loss_is_said() -> None:
    (said,) = ENGINES["vllm"].warnings(requested(STREAMED))
    assert "nobody computes the digest" in said
    assert not list(ENGINES["vllm"].warnings(requested("vllm")))
    assert any("nobody computes the digest" in warning for warning in streaming().weakenings)


def test_nothing_is_kept_on_a_disk_and_the_bucket_is_filled_as_ever() -> None:
    plan, kept = streaming(), planned()
    found = volume(plan)
    assert found.mirrors == volume(kept).mirrors
    assert (found.fetches, found.size_gib, found.on_the_nodes_disk) == ((), 0, False)
    assert found.reached_by_pods
    engines = [each.sites["main"].details.serving.engines["chat"] for each in (plan, kept)]
    assert engines[0].pod.disk_gib == engines[1].pod.disk_gib - volume(kept).size_gib


def test_the_launcher_is_told_where_and_in_which_region() -> None:
    told = specification(streaming())
    assert told["weights"]["kind"] == "streamed"
    assert told["weights"]["location"].endswith(f".s3.us-east-1.amazonaws.com/models/chat/{COMMIT}")
    assert told["environment"] == {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    # Of a bucket of one's own the list's digest, which the launcher compares.
    other = specification(streaming({**MINE, "region": "us-west-2"}))
    assert other["weights"]["sha256"] == "a" * 64
    assert other["environment"]["AWS_REGION"] == "us-west-2"
    assert specification(planned())["environment"] == {}


def test_a_start_loads_over_the_network_and_fetches_nothing() -> None:
    start = streaming().models["chat"].cold_start
    assert start
    phases = {phase.name: phase for phase in start.phases}
    assert phases["fetch_weights"].seconds == 0
    # 16.4 GB over a machine's 2.5 Gbit/s, of which 80 %.
    assert phases["load"].seconds == pytest.approx(65.5, abs=0.5)
    assert "out of a bucket into memory" in phases["load"].why
    assert "benchmark" in phases["load"].source
    assert "weights_cache" not in {cure.name for cure in start.cures}
    before = planned().models["chat"].cold_start
    assert before
    assert start.total_seconds < before.total_seconds


def test_who_streams_lists_what_it_reads_and_nothing_else() -> None:
    from infra.platforms.aws.policies import workload_rights

    role = roles(streaming())["engine-chat"]
    document = json.loads(workload_rights(role, BUCKET, None, OTHER_KEY))
    (statement,) = [one for one in document["Statement"] if LIST in one["Action"]]
    assert statement["Resource"] == [BUCKET]
    assert statement["Condition"] == {"StringLike": {"s3:prefix": ["models/chat/*"]}}
    assert may(role, READ, f"{BUCKET}/models/chat/{COMMIT}/config.json")
    assert not may(role, LIST, BUCKET), "without a prefix it is told nothing"
    other = json.loads(workload_rights(roles(streaming(MINE))["engine-chat"], BUCKET, None, OTHER_KEY))
    (statement,) = [one for one in other["Statement"] if LIST in one["Action"]]
    assert (statement["Resource"], statement["Condition"]["StringLike"]["s3:prefix"]) == (
        [ELSEWHERE],
        ["qwen3-8b/2026-11/*"],
    )
    assert not any(LIST in str(workload_rights(each, BUCKET, None, OTHER_KEY)) for each in roles(planned()).values())
