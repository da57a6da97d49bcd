"""Calibration: a record equal to the estimate changes nothing, and after one the plan estimates what was measured."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.calibration.config import CalibrationSettings
from infra.calibration.record import LEAST_REQUESTS, Measured, calibration, estimated, problems
from infra.config import ModelSettings
from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.fit import Fit, fit, judged
from infra.report import FORMATS
from infra.sizing.types import Objective, Performance, Shape, Workload
from infra.stack_file import read_stack_file
from tests.manifests import ROOT
from tests.one_model import one_model

RAW: dict[str, Any] = read_stack_file(ROOT / "Pulumi.onprem.yaml").values["config"]["slipway:deployment"]
one_model(RAW)


def model(known: CalibrationSettings | None = None, **changes: Any) -> ModelSettings:
    raw = {**RAW["models"]["chat"], **changes}
    if known is not None:
        raw["calibration"] = known.model_dump(exclude_none=True)
    return ModelSettings.model_validate_json(json.dumps(raw))


def record(each_ms: float, low_ms: float, high_ms: float, at_once: float = 8.0, **changes: Any) -> dict[str, Any]:
    figures = {
        "requests": 412,
        "requests_in_flight": at_once,
        "errors_percent": 0.0,
        "input_tokens": 1000.2,
        "output_tokens": 250.0,
    }
    return {
        "kind": "load",
        "model": "chat",
        "at": "2026-11-26T09:20:00+00:00",
        "about": {"engine": "vllm", "engine_version": "0.33.0", "ran_on": "1 x L40S", "version": "b968826d9c46"},
        "figures": {**figures, **changes},
        "curves": {
            "time_per_output_token_milliseconds": {"10": 0.9 * each_ms, "50": each_ms, "90": 1.2 * each_ms},
            "time_to_first_token_seconds": {"10": low_ms / 1e3, "50": (low_ms + high_ms) / 2e3, "90": high_ms / 1e3},
        },
    }


def measured(found: dict[str, Any], settings: ModelSettings | None = None, replicas: int = 1) -> Measured:
    return Measured(record=found, settings=settings or model(), replicas=replicas)


def own(at_once: float = 8.0, **changes: Any) -> Performance:
    """What is estimated of that load before anything was measured."""
    found = estimated(measured(record(1, 1, 1, at_once), model(**changes)))
    assert found is not None
    return found


def shape(settings: ModelSettings) -> Shape:
    found = fit(settings)
    assert isinstance(found, Fit)
    return found.sized.shape


@given(at_once=st.floats(0.6, 16.0))
def test_a_record_equal_to_the_estimate_changes_nothing(at_once: float) -> None:
    was = own(at_once)
    found = record(
        was.time_per_output_token_ms, was.time_to_first_token_ms_low, was.time_to_first_token_ms_high, at_once
    )
    factors = shape(model(calibration(measured(found)))).calibration
    assert factors is not None
    assert factors.time_per_output_token == pytest.approx(1)
    # Kept to a tenth of a millisecond.
    assert (factors.first_token_low, factors.first_token_high) == pytest.approx((1, 1), rel=0.01)


@given(
    each_ms=st.floats(0.5, 500),
    low_ms=st.floats(5, 500),
    more_ms=st.floats(0, 5000),
    at_once=st.floats(0.6, 16.0),
    replicas=st.integers(1, 4),
)
def test_afterwards_what_was_measured_is_estimated(
    each_ms: float, low_ms: float, more_ms: float, at_once: float, replicas: int
) -> None:
    found = record(each_ms, low_ms, low_ms + more_ms, at_once * replicas)
    assert not [*problems("record", measured(found, replicas=replicas))]
    settings = model(calibration(measured(found, replicas=replicas)))
    now = estimated(measured(found, settings, replicas))
    assert now is not None
    assert now.time_per_output_token_ms == pytest.approx(each_ms)
    assert now.time_to_first_token_ms_low == pytest.approx(low_ms, abs=0.06)
    assert now.time_to_first_token_ms_high == pytest.approx(low_ms + more_ms, abs=0.06)
    # Measured again the same, it stays the same: factors are of what is estimated without it.
    again = calibration(measured(found, settings, replicas))
    assert shape(model(again)).calibration == shape(settings).calibration
    without = estimated(measured(found, settings, replicas), calibrated=False)
    assert without == estimated(measured(found, replicas=replicas))


def test_all_that_follows_from_speed_follows() -> None:
    slow = record(2 * own().time_per_output_token_ms, 200, 900)
    plain, slower = fit(model()), fit(model(calibration(measured(slow))))
    assert isinstance(plain, Fit)
    assert isinstance(slower, Fit)
    assert slower.capacity == pytest.approx(plain.capacity / 2, rel=0.01)
    before, after = plain.performance, slower.performance
    assert before is not None
    assert after is not None
    assert after.output_tokens_per_second < 0.7 * before.output_tokens_per_second
    assert [point.time_per_output_token_ms for point in after.curve] == pytest.approx(
        [2 * point.time_per_output_token_ms for point in before.curve], rel=0.02
    )
    assert "calibrated 2026-11-26 from 412 requests: ms/token × 2.00" in after.estimator
    assert after.error_band == "20 % for 8 of 10 requests, measured at 8 at once"


def test_another_load_is_not_as_sure() -> None:
    found = fit(model(calibration(measured(record(30, 100, 500, at_once=2)))))
    assert isinstance(found, Fit)
    assert found.performance is not None
    assert found.performance.error_band.endswith("measured at 2 at once, not at 16: expect worse")


def deployment(settings: CalibrationSettings, **changes: Any) -> dict[str, Any]:
    raw = copy.deepcopy(RAW)
    raw["sites"]["datacentre"]["platform"]["gpu"]["products"]["H100"] = "NVIDIA-H100"
    raw["models"]["chat"] |= {"calibration": settings.model_dump(exclude_none=True), **changes}
    return raw


def test_a_reader_of_the_plan_sees_it() -> None:
    plan = build_plan(validate(deployment(calibration(measured(record(33, 100, 500)))), "case", {}), "case")
    said = FORMATS["text"](plan)
    assert "calibrated 2026-11-26 from 412 requests" in said
    assert "1 x L40S, vllm 0.33.0" in said
    assert "follows it" in said
    assert not [warning for warning in plan.warnings if "calibration" in warning]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"accelerator": {"type": "H100"}},
            "is not used: it was measured on 1 x L40S with `vllm`, and 1 x H100 with `vllm` is planned",
        ),
        ({"accelerator": {"type": "L40S", "count": 2}}, "and 2 x L40S with `vllm` is planned"),
        ({"engine": {"kind": "sglang", "image": f"example.com/s@sha256:{'1' * 64}"}}, "with `sglang` is planned"),
    ],
)
def test_what_was_measured_on_something_else_is_not_used(changes: dict[str, Any], says: str) -> None:
    known = calibration(measured(record(33, 100, 500)))
    plan = build_plan(validate(deployment(known, **changes), "case", {}), "case")
    assert [warning for warning in plan.warnings if says in warning]
    found = plan.models["chat"].performance
    assert found is not None
    assert "calibrated" not in found.estimator
    assert "does not use it" in FORMATS["text"](plan)


def test_another_version_of_the_engine_is_told() -> None:
    known = calibration(measured(record(33, 100, 500))).model_copy(update={"engine_version": "0.30.0"})
    plan = build_plan(validate(deployment(known), "case", {}), "case")
    assert [one for one in plan.warnings if "measured with `vllm` 0.30.0, and 0.33.0 is planned" in one]
    assert plan.models["chat"].calibration is not None
    assert plan.models["chat"].calibration.used


def test_factors_are_not_those_of_other_gpus() -> None:
    """What is cheaper is judged by what is known of it."""
    known = calibration(measured(record(3000, 100, 500)))
    on = shape(model(known))
    other = shape(model(accelerator={"type": "H100"}))
    assert on.calibration is not None
    load = Workload(input_tokens=1000, output_tokens=250, concurrency=8)
    there = judged(replace(on, gpu=other.gpu), load, Objective()).sized.performance
    assert there == judged(other, load, Objective()).sized.performance


@pytest.mark.parametrize(
    ("changes", "where", "says"),
    [
        ({"requests": LEAST_REQUESTS - 1}, "figures.requests", "99 requests"),
        ({"errors_percent": 1.5}, "figures.errors_percent", "1.5 % failed"),
        ({"requests_in_flight": 16.5}, "figures.requests_in_flight", "16.5 requests open at once"),
        ({"requests_in_flight": 0}, "record", "no record of a load test"),
        ({"output_tokens": None}, "record", "no record of a load test"),
    ],
)
def test_a_record_that_says_nothing_of_speed_is_refused(changes: dict[str, Any], where: str, says: str) -> None:
    (problem,) = problems("record", measured(record(30, 100, 500, **changes)))
    assert problem.where.endswith(where)
    assert says in problem.found
    assert problem.allowed
    assert problem.remedy


def test_what_waited_for_the_kv_cache_is_refused_too() -> None:
    many = model(concurrent_requests=1000)
    assert not [*problems("record", measured(record(30, 100, 500, at_once=20), many))]
    (problem,) = problems("record", measured(record(30, 100, 500, at_once=900), many))
    assert "900.0 requests open at once" in problem.found
    assert "up to 1000" not in problem.allowed


def test_a_record_of_other_weights_is_refused_and_every_problem_is_told() -> None:
    found = record(30, 100, 500, requests=3, errors_percent=50.0)
    found["about"] |= {"version": "aaaa", "ran_on": "processors"}
    said = [problem.found for problem in problems("record", measured(found))]
    assert said[0] == "measured of something else: version aaaa, ran_on processors"
    assert len(said) == 3
    (problem,) = problems("record", measured({**found, "kind": "prompts"}))
    assert problem.found.startswith("no record of a load test")
    assert [*problems("record", measured({}))]
