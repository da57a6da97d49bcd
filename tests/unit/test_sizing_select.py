"""Selection: the cheapest that meets the objective, what it takes, and every other shape with its reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from infra.catalog.instances import Instance, instances
from infra.catalog.models import find_model
from infra.sizing import select as selection
from infra.sizing.cost import cost, price_warnings
from infra.sizing.select import largest_batch, replicas_for, select
from infra.sizing.types import Demand, Objective, Selection, Workload


def demand(model: str = "Llama-3.1-8B", **more: Any) -> Demand:
    found = find_model(model)
    assert found is not None
    values: dict[str, Any] = {
        "workload": Workload(input_tokens=1024, output_tokens=256, concurrency=16),
        "engine": "vllm",
        "precisions": ("bf16", "fp8"),
        "objective": Objective(time_per_output_token_ms=40),
        "max_model_len": 8192,
        **more,
    }
    return Demand(model=found, **values)


def everything(found: Selection) -> list[Any]:
    return [*found.ranked, *found.unpriced, *found.rejected]


def test_nothing_is_dropped() -> None:
    """Every instance type of the catalogue is an answer, lacks a price, or is rejected with a reason."""
    found = select(demand())
    named = {(one.cloud, one.instance_type, one.region) for one in everything(found)}
    assert named == {(row.cloud, row.instance_type, row.region) for row in instances()}
    assert all(one.rejections and one.rejections[0].message for one in found.rejected)
    assert not any(one.rejections for one in (*found.ranked, *found.unpriced))
    assert {"Trainium1", "B300"} <= {one.shape.gpu.gpu for one in found.rejected if "not_modelled" in one.codes}


def test_cheapest_at_the_objective_first() -> None:
    found = select(demand())
    prices = [one.cost.per_month or 0 for one in found.ranked]
    assert prices == sorted(prices)
    best = found.ranked[0]
    # The worked example's card: L40S at $1.861 an hour; an L4 that meets 40 ms needs more of them.
    assert (best.instance_type, best.shape.gpu.gpu, best.replicas, best.instances) == ("g6e.xlarge", "L40S", 1, 1)
    assert best.cost.per_month == pytest.approx(1.861 * 730)
    assert best.performance
    assert best.performance.time_per_output_token_ms <= 40
    assert all(one.cost.per_month is None for one in found.unpriced)


def test_every_answer_meets_the_objective_at_its_load() -> None:
    for one in select(demand()).ranked:
        assert one.performance
        assert one.performance.time_per_output_token_ms <= 40
        assert one.replicas * one.concurrency_per_replica >= 16


def test_a_tighter_objective_never_costs_less() -> None:
    cheapest = [
        select(demand(objective=Objective(time_per_output_token_ms=limit))).ranked[0].cost.per_month or 0
        for limit in (200, 60, 30, 15)
    ]
    assert cheapest == sorted(cheapest)


def test_replicas_stay_at_70_percent_of_saturation() -> None:
    # 0.7 x 20 = 14 of 16 requests: two replicas. 10/s x 256 tokens against 0.7 x 1000 tokens/s: four.
    assert replicas_for(demand(), 20, 1000.0) == 2
    assert replicas_for(demand(), 23, 1000.0) == 1
    assert replicas_for(demand(requests_per_second=10.0), 100, 1000.0) == 4
    assert replicas_for(demand(min_replicas=3), 100, 1000.0) == 3


def test_the_largest_batch_is_the_last_that_meets_the_objective() -> None:
    one = select(demand()).ranked[0]
    model = selection.ROOFLINE
    best = largest_batch(one.shape, demand().workload, one.memory, Objective(time_per_output_token_ms=40), model)

    def tpot(batch: int) -> float:
        asked = replace(demand().workload, concurrency=batch, saturated=True)
        return model.estimate(one.shape, asked, one.memory).time_per_output_token_ms

    assert tpot(best) <= 40 < tpot(best + 1)
    assert largest_batch(one.shape, demand().workload, one.memory, Objective(), model) == one.memory.max_batch


def test_an_accelerator_that_is_fixed_is_checked_not_overruled() -> None:
    found = select(demand(accelerator="L4", tensor_parallel=1, precisions=("bf16",)))
    assert not found.ranked
    assert {one.shape.gpu.gpu for one in found.rejected} == {"L4"}
    assert {"kv_pool_too_thin"} <= {code for one in found.rejected for code in one.codes}


def test_where_and_how_to_buy() -> None:
    found = select(demand(clouds=("aws",), regions=("us-east-1",), purchases=("spot",)))
    assert {(one.cloud, one.region, one.purchase) for one in everything(found)} == {("aws", "us-east-1", "spot")}
    assert any("is an estimate" in warning for warning in found.ranked[0].warnings)


def test_replicas_that_are_not_allowed() -> None:
    found = select(demand(workload=Workload(input_tokens=1024, output_tokens=256, concurrency=500), max_replicas=1))
    messages = [r.message for one in found.rejected for r in one.rejections if r.code == "concurrency_does_not_fit"]
    assert messages
    assert "replicas would be needed, 1 are allowed" in messages[0]


def test_over_budget() -> None:
    found = select(demand(dollars_per_month=1000.0))
    assert not found.ranked
    messages = [r.message for one in found.rejected for r in one.rejections if r.code == "over_budget"]
    assert "$1,359 a month for 1 machines, $1,000 allowed" in messages


def test_more_machines_only_where_one_cannot_hold_the_model() -> None:
    assert {one.nodes for one in everything(select(demand("DeepSeek-R1", precisions=("fp8",))))} == {1}
    h100 = demand("DeepSeek-R1", precisions=("fp8",), accelerator="H100", objective=Objective())
    found = select(h100)
    assert {one.nodes for one in found.ranked} == {2, 4}
    best = found.ranked[0]
    assert (best.shape.pipeline_parallel, best.shape.tensor_parallel, best.instances) == (2, 8, 2)
    assert "a pipeline over 2 machines: nothing of that kind was measured" in best.warnings
    assert any("weights_do_not_fit" in one.codes for one in found.rejected)


def test_an_answer_says_what_the_engine_must_be_told() -> None:
    options = {one.shape.gpu.gpu: one.engine_options for one in select(demand(tensor_parallel=1)).ranked}
    # vLLM 0.33's defaults differ between these cards: 2048 and 256 below 70 GiB.
    assert options["L40S"] == {
        "tensor_parallel": 1,
        "pipeline_parallel": 1,
        "context_tokens": 8192,
        "kv_dtype": "bf16",
        "max_sequences": 256,
        "max_batched_tokens": 2048,
        "memory_fraction": 0.92,
    }
    assert (options["H100"]["max_sequences"], options["H100"]["max_batched_tokens"]) == (1024, 8192)
    assert (options["B200"]["max_sequences"], options["B200"]["max_batched_tokens"]) == (1024, 16384)


def test_same_question_same_bytes() -> None:
    assert repr(select(demand(), date(2026, 11, 25))) == repr(select(demand(), date(2026, 11, 25)))


def _instance(**more: Any) -> Instance:
    return replace(next(row for row in instances() if row.instance_type == "g6.xlarge"), **more)


def test_prices_of_the_worked_example() -> None:
    # L4 at $0.8048 an hour, 273 tokens/s: $0.82 per million at full load, $2.34 at 35 %.
    money = cost(_instance(price_per_hour=0.8048), "on_demand", 1, 2, 273.0, 0.35)
    assert money.per_million_output_tokens == pytest.approx(0.82, abs=0.005)
    assert money.per_million_output_tokens_expected == pytest.approx(2.34, abs=0.005)
    assert (money.per_month, money.per_month_most) == pytest.approx((0.8048 * 730, 2 * 0.8048 * 730))


def test_no_price_is_no_number() -> None:
    money = cost(_instance(price_per_hour=None), "on_demand", 1, 1, 273.0, 0.35)
    assert (money.per_hour, money.per_month, money.per_million_output_tokens) == (None, None, None)


@pytest.mark.parametrize(
    ("as_of", "today", "said"),
    [
        ("2026-07-20", date(2027, 1, 16), []),
        ("2026-07-20", date(2027, 1, 17), ["the price is 181 days old"]),
        (None, date(2026, 10, 19), ["the price has no date"]),
        ("2026-07-20", None, []),
    ],
)
def test_old_prices_are_said(as_of: str | None, today: date | None, said: list[str]) -> None:
    assert [*price_warnings(_instance(price_as_of=as_of), "on_demand", today)] == said
