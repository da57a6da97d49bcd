"""Starts in a plan: sizes from names and the catalogue, each place's own speed, probes, and refusals that say a way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.catalog.engine_images import engine_images
from infra.engines.catalogue import CATALOGUE
from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.start_types import ModelColdStart
from infra.plan.stored_weights import stored_gib
from infra.plan.types import DeploymentPlan
from infra.problems import Refused
from infra.report import to_text
from infra.sources.file import FileSource
from infra.sources.huggingface import HuggingFaceSource
from infra.sources.package import PackageSource
from infra.stack_file import read_stack_file
from tests.one_model import one_model
from tests.unit.documents import CORPUS, deployment_of

ROOT = CORPUS.parents[1]
COMMIT = "b968826d9c46dd6066d109eabc6255188de91218"
PHASES = ["provision_node", "pull_image", "fetch_weights", "load", "warm_up"]


def document(stack: str) -> dict[str, Any]:
    found = deployment_of(read_stack_file(ROOT / f"Pulumi.{stack}.yaml").values)
    if stack == "onprem":
        one_model(found)
    return found


def planned(deployment: dict[str, Any]) -> DeploymentPlan:
    return build_plan(validate(deployment, "x", {}), "x")


def start_of(plan: DeploymentPlan, model: str = "chat") -> ModelColdStart:
    found = plan.models[model].cold_start
    assert found
    return found


def seconds(start: ModelColdStart) -> dict[str, tuple[float, float]]:
    return {phase.name: (phase.seconds_low, phase.seconds) for phase in start.phases}


def refused(deployment: dict[str, Any]) -> str:
    with pytest.raises(Refused) as found:
        planned(deployment)
    return str(found.value)


def repository(repo: str) -> HuggingFaceSource:
    return HuggingFaceSource(kind="huggingface", repo=repo, revision=COMMIT)


def test_every_image_that_is_rendered_has_a_size_with_its_source() -> None:
    entries = json.loads((CATALOGUE / "engine_versions.json").read_text(encoding="utf-8"))
    assert set(engine_images()) == {name for name in entries if not name.startswith("_")}
    for row in engine_images().values():
        assert 0 < row.compressed_gb_low < row.compressed_gb_high
        assert len(row.source) > 20
        assert row.as_of[:2] == "20"


def test_what_is_stored_is_what_is_fetched_however_it_is_loaded() -> None:
    # 8.191 billion parameters in 16 bits; in FP8 without embedding and head, which stay as they are.
    assert stored_gib("vllm", repository("Qwen/Qwen3-8B")) == pytest.approx(15.26, abs=0.01)
    assert stored_gib("vllm", repository("Qwen/Qwen3-8B-FP8")) == pytest.approx(8.79, abs=0.01)
    assert stored_gib("vllm", repository("nobody/Unheard-Of-8B")) is None
    named = {"sha256": "0" * 64}
    packaged = PackageSource(kind="package", package="p", file="SmolLM2-135M-Instruct.Q4_1.gguf", **named)
    assert stored_gib("llama_cpp", packaged) == pytest.approx(0.134e9 * 5.1 / 8 / 2**30)
    assert stored_gib("llama_cpp", FileSource(kind="file", path="~/weights.gguf", **named)) is None
    unsaid = FileSource(kind="file", path="/w/SmolLM2-135M-Instruct.gguf", **named)
    assert stored_gib("llama_cpp", unsaid) is None


def test_a_start_is_the_sum_of_its_phases_and_says_where_each_is_from() -> None:
    start = start_of(planned(document("prod")))
    assert [phase.name for phase in start.phases] == PHASES
    assert start.total_seconds == pytest.approx(sum(phase.seconds for phase in start.phases), abs=0.3)
    assert all(phase.why and phase.source for phase in start.phases)
    # 300 s for a node; 12.64 GB at 0.017 GB/s; 16.39 GB at 0.2; 15.26 GiB at 0.88; compiling.
    assert seconds(start)["provision_node"] == (60, 300)
    assert seconds(start)["pull_image"][1] == pytest.approx(743.5, abs=0.1)
    assert seconds(start)["fetch_weights"][1] == pytest.approx(81.9, abs=0.1)
    assert seconds(start)["load"][1] == pytest.approx(17.3, abs=0.1)
    assert seconds(start)["warm_up"] == (60, 120)
    assert set(start.seconds_by_site) == {"main", "west"}
    # 2 x (81.9 + 17.3 + 120), asked every 10 s.
    assert start.startup_budget_seconds == 438
    assert planned(document("prod")).models["chat"].container.probes.startup.failures == 44


def test_a_measure_has_the_price_of_its_place() -> None:
    cures = {cure.name: cure for cure in start_of(planned(document("prod"))).cures}
    assert cures["warm_spare"].dollars_per_month == pytest.approx(1.861 * 730, abs=0.01)
    assert cures["weights_cache"].dollars_per_month == pytest.approx(16.39 * 0.08, abs=0.01)
    own = document("prod") | {
        "pricing": {"prices": [{"cloud": "aws", "item": "g6e.xlarge", "region": "us-east-1", "dollars": 1.0}]}
    }
    own["topology"] = {"kind": "ha"}
    del own["sites"]["west"]
    assert {cure.name: cure.dollars_per_month for cure in start_of(planned(own)).cures}["warm_spare"] == 730
    assert not [cure for cure in cures.values() if cure.chosen], "nothing of it is free"


def spare_dollars(deployment: dict[str, Any]) -> float | None:
    return {cure.name: cure.dollars_per_month for cure in start_of(planned(deployment)).cures}["warm_spare"]


def test_a_spare_costs_its_part_of_a_machine_and_every_part_of_an_instance() -> None:
    deployment = document("prod") | {"topology": {"kind": "microservice"}}
    del deployment["sites"]["west"]
    chat = deployment["models"]["chat"]
    # Two of the four GPUs of a g5.12xlarge.
    chat |= {"accelerator": {"type": "A10G", "count": 2}, "objective": {"requests_per_second": 1}}
    price = planned(deployment).price
    assert price
    pool = next(line for line in price.lines if line.what == "node pool `a10g-2`")
    assert pool.dollars_per_month
    assert spare_dollars(deployment) == pytest.approx(pool.dollars_per_month.max / pool.amount.max / 2, abs=0.01)
    # Processors, memory and GPU of one of two instances.
    serverless = document("serverless")
    serverless["models"]["chat"]["scaling"] = {"min_replicas": 1, "max_replicas": 2}
    price = planned(serverless).price
    assert price
    each = [line.dollars_per_month for line in price.lines if line.what == "service `slipway-x-main`"]
    assert spare_dollars(serverless) == pytest.approx(sum(found.max for found in each if found) / 2, abs=0.01)


def test_the_slowest_of_a_model_s_sites_is_the_one_that_is_shown() -> None:
    start = start_of(planned(document("hybrid")))
    assert start.site == "cloud"
    assert start.total_seconds == start.seconds_by_site["cloud"] > start.seconds_by_site["datacentre"]


def test_a_volume_of_one_s_own_is_used_since_it_costs_nothing() -> None:
    deployment = document("onprem")
    start = start_of(planned(deployment))
    assert [cure.name for cure in start.cures if cure.chosen] == ["weights_cache"]
    assert start.reason == "it costs nothing more"
    fetched, warm = seconds(start)["fetch_weights"], seconds(start)["warm_up"]
    del deployment["sites"]["datacentre"]["platform"]["storage"]
    without = start_of(planned(deployment))
    assert not [cure for cure in without.cures if cure.chosen]
    assert seconds(without)["fetch_weights"] > fetched
    assert seconds(without)["warm_up"] > warm


def test_images_stream_in_where_the_site_says_so() -> None:
    deployment = document("staging")
    streamed = seconds(start_of(planned(deployment)))["pull_image"]
    deployment["sites"]["main"]["platform"]["nodes"] = {"image_streaming": False}
    assert seconds(start_of(planned(deployment)))["pull_image"][1] == pytest.approx(streamed[1] / 0.4, rel=0.01)


def test_on_this_machine_only_loading_and_warming_up_take_time() -> None:
    start = start_of(planned(document("dev")))
    assert [name for name, (_, high) in seconds(start).items() if high >= 0.1] == ["load", "warm_up"]
    assert start.total_seconds_low < 1.8 < start.total_seconds, "as it was measured"


def test_weights_of_unknown_size_have_no_start_and_a_probe_that_waits_longest() -> None:
    deployment = document("onprem")
    deployment["models"]["chat"]["source"]["repo"] = "nobody/Unheard-Of-8B"
    deployment["models"]["second"] = document("onprem")["models"]["chat"]
    deployment["clients"]["web"]["models"].append("second")
    plan = planned(deployment)
    assert plan.models["chat"].cold_start is None
    assert plan.models["chat"].container.probes.startup.failures == 360
    assert "not known, since nobody knows how large its weights are: chat" in to_text(plan)


def test_the_text_says_what_was_chosen_and_what_nobody_measured() -> None:
    deployment = document("onprem")
    deployment["models"]["chat"]["engine"] = {"kind": "tensorrt_llm"}
    text = to_text(planned(deployment))
    assert "\nCOLD START, in seconds at best and at worst" in text
    assert "model chat: to shorten it, weights cache (weights and what was compiled stay on a volume" in text
    assert "model chat, load: not measured: the slowest of vllm, sglang, llama_cpp" in text
    assert "model chat, pull image: " in text
    assert "what else would, at worst by: warm spare" in text


def test_zero_replicas_wait_as_long_as_a_start_takes_at_worst() -> None:
    deployment = document("serverless")
    start = start_of(planned(deployment))
    assert deployment["models"]["chat"]["hold"]["seconds"] >= start.total_seconds
    assert start.startup_budget_seconds == 240, "Cloud Run gives no more"
    deployment["models"]["chat"]["hold"] = {"seconds": 240}
    said = refused(deployment)
    assert "models.chat.scaling.min_replicas" in said
    assert "requests are held for 240 s" in said
    assert "`hold: {seconds: 509}`" in said
    deployment["models"]["chat"]["scaling"]["min_replicas"] = 1
    planned(deployment)


def test_a_start_that_cloud_run_would_end_is_refused() -> None:
    deployment = document("serverless")
    deployment["models"]["chat"] |= {"quantization": "fp8", "hold": {"seconds": 3600}}
    deployment["models"]["chat"]["source"]["repo"] = "Qwen/Qwen3-8B"
    assert "up to 260 s to fetch and load the weights and warm up" in refused(deployment)


def test_a_cold_standby_is_no_site_that_scales_to_zero() -> None:
    deployment = document("prod")
    assert planned(deployment).sites["west"].replicas["chat"].min == 0
    deployment["models"]["chat"]["scaling"]["min_replicas"] = 0
    assert "models.chat.scaling.min_replicas" in refused(deployment)


def test_a_cure_is_paid_for_where_it_keeps_the_start_within_the_wait() -> None:
    deployment = document("prod") | {"topology": {"kind": "microservice"}}
    del deployment["sites"]["west"]
    deployment["gateway"]["limits"] = {"keep_alive_seconds": 3600}
    model = deployment["models"]["chat"]
    model["scaling"] = {"min_replicas": 0, "max_replicas": 2}
    # 1263 s without anything, 85 s less with the weights near the node.
    model["hold"] = {"seconds": 1250}
    start = start_of(planned(deployment))
    assert [cure.name for cure in start.cures if cure.chosen] == ["weights_cache"]
    assert start.reason == "the cheapest that keeps the start within what requests wait for"
    assert not [cure for cure in start.cures if cure.name == "warm_spare"], "then there are not zero replicas"
    model["hold"] = {"seconds": 1350}
    assert not [cure for cure in start_of(planned(deployment)).cures if cure.chosen]


def test_nobody_is_told_to_hold_requests_for_longer_than_machines_are_given_to_end() -> None:
    deployment = document("staging")
    deployment["models"]["chat"] |= {"scaling": {"min_replicas": 0, "max_replicas": 2}, "hold": {"seconds": 400}}
    # GKE ends a machine after 600 s, of which 15 + 120 + 15 are for what was held.
    said = refused(deployment)
    assert "held at least 1417 s, or the objective allows that long; here they can be held for 450 s at most" in said
    assert "hold requests for" not in said
    assert "keep a warm replica (`min_replicas: 1`)" in said


def test_an_image_that_the_catalogue_does_not_know_counts_as_the_largest() -> None:
    from infra.plan.model_start import _image_gb  # pyright: ignore[reportPrivateUsage]
    from infra.plan.types import Image

    found = _image_gb(Image(repository="r.test/own", tag="1", digest=None))
    assert found.high == max(row.compressed_gb_high for row in engine_images().values())
    assert found.source.startswith("not measured")


def test_a_large_model_on_this_machine_may_take_as_long_as_it_needs() -> None:
    deployment = document("dev")
    assert planned(deployment).sites["here"].details.engine_start_seconds == 600, "never less"
    source = {"kind": "huggingface", "revision": COMMIT, "sha256": "0" * 64}
    deployment["licenses"] = ["Llama Community (3.1/3.2/3.3)"]
    deployment["models"]["chat"]["source"] = source | {
        "repo": "bartowski/Llama-3.3-70B-Instruct-GGUF",
        "file": "Llama-3.3-70B-Instruct-Q4_K_M.gguf",
    }
    plan = planned(deployment)
    budget = start_of(plan).startup_budget_seconds
    assert budget > 600
    details = plan.sites["here"].details
    assert details.engine_start_seconds == budget
    assert details.specification["engines"]["chat"]["start_seconds"] == budget
