"""The bench of the sizing: its rows, its corrections, its gates on the shipped constants (leaving out is `make`'s)."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ET
from dataclasses import fields, replace

import pytest

from bench.sizing import fit, score
from bench.sizing.__main__ import gates
from bench.sizing.plot import plot
from bench.sizing.rows import FOLDER, POINTS, Measured, measured_rows
from infra.sizing.constants import Constants, constants_for, document

ROWS = measured_rows()


def judged() -> list[score.Scored]:
    return score.scored(ROWS, lambda _: constants_for)


def test_corrections_name_rows_and_columns_that_exist_and_say_why() -> None:
    with POINTS.open(encoding="utf-8", newline="") as lines:
        rows = {row["id"]: row for row in csv.DictReader(lines)}
    with (FOLDER / "corrections.csv").open(encoding="utf-8", newline="") as lines:
        fixes = list(csv.DictReader(lines))
    for fix in fixes:
        assert rows[fix["id"]][fix["column"]] != fix["value"], fix
        assert len(fix["why"]) > 20
    # Nothing measured is ever corrected.
    assert {fix["column"] for fix in fixes} == {"gpu_count", "tp", "concurrency", "kind"}


def test_kv_pools_of_recent_vllm_are_within_ten_percent() -> None:
    errors = {row.id: error for row, error in score.kv_errors(ROWS)}
    assert set(errors) == {"vp001", "vp003", "vp004", "vp010", "vp025"}
    assert all(abs(error) <= 0.10 for error in errors.values()), errors


def test_rows_that_did_not_run_are_rejected() -> None:
    assert [(row.id, codes) for row, codes in score.must_reject(ROWS)] == [("vp027", ("kv_pool_too_thin",))]


def test_the_shipped_constants_keep_their_promise_on_every_class() -> None:
    classes = score.by_class(judged())
    assert classes["all"]["rows"] >= 125
    assert classes["all"]["median_percent"] <= score.TPOT_PERCENT
    for name, found in classes.items():
        if name.startswith(("engine ", "GPU ")) and found["rows"] >= score.LEAST_ROWS:
            assert found["median_percent"] <= score.TPOT_CLASS_PERCENT, (name, found)
    assert score.throughput(judged())["median_percent"] <= score.THROUGHPUT_PERCENT


def test_labels_as_they_came_are_answered_too() -> None:
    as_came = score.scored(measured_rows(corrected=False), lambda _: constants_for)
    assert score.by_class(as_came)["all"]["median_percent"] <= score.TPOT_PERCENT


def test_the_fit_moves_from_the_priors_towards_what_was_measured() -> None:
    few = [row for row in ROWS if row.engine == "llama_cpp"]
    found, before = fit.fit(few)("llama_cpp"), fit.prior()("llama_cpp")
    errors = [
        score.by_class(score.scored(few, lambda _, c=constants: lambda _e: c))["all"]["mean_percent"]
        for constants in (before, found)
    ]
    assert errors[1] < errors[0]


def test_a_model_that_is_left_out_is_not_seen() -> None:
    """Whatever was measured for it, the constants that judge it are the same."""
    few = [row for row in ROWS if row.engine == "llama_cpp"]
    name = "meta-llama/Llama-3.1-70B-Instruct"
    tripled = [
        replace(row, time_per_output_token_ms=3 * (row.time_per_output_token_ms or 0)) if row.model == name else row
        for row in few
    ]
    constants = [fit.left_out(rows, lambda row: row.model)[name]("llama_cpp") for rows in (few, tripled)]
    assert constants[0] == constants[1]


def test_no_constant_belongs_to_a_row() -> None:
    """19 causes for all engines and what differs between four: far fewer than rows, and none names a model or a GPU."""
    shared = [field.name for field in fields(Constants)]
    assert set(document()["all"]) == set(shared)
    differing = [name for names in document()["engines"].values() for name in names]
    assert set(differing) <= set(shared)
    assert len(shared) + len(differing) < 130 / 2


def _row() -> Measured:
    return next(row for row in ROWS if row.id == "vp057")


def test_errors_are_signed_and_summed_in_percent() -> None:
    one = score.Scored(
        row=_row(), time_per_output_token_ms=2 * 21.466, output_tokens_per_second=92.4, time_to_first_token_ratio=None
    )
    assert one.tpot_error == pytest.approx(1.0)
    assert one.throughput_error == pytest.approx(-0.5)
    assert score.summary([-0.1, 0.3, 0.2]) == {
        "rows": 3,
        "median_percent": 20.0,
        "p90_percent": 30.0,
        "mean_percent": 20.0,
        "bias_percent": 20.0,
    }


@pytest.mark.parametrize(
    ("spoiled", "failing"),
    [
        ({"kv_cache": {"vp001": -11.0}}, "KV pool, vLLM >= 0.19, worst row"),
        ({"must_reject": {"vp027": []}}, "rows that did not run and are not rejected"),
        ({"engine": 25.1}, "time per output token, model_left_out, engine vllm"),
        ({"all": 15.1}, "time per output token, model_left_out, median"),
        ({"tokens": 20.1}, "output tokens/s, model_left_out, median"),
    ],
)
def test_each_gate_can_fail(spoiled: dict[str, object], failing: str) -> None:
    good = {"rows": 5, "median_percent": 1.0}
    classes = {name: dict(good) for name in ("all", "engine vllm", "GPU H100")}
    worse = {name: dict(value) for name, value in classes.items()}
    worse["all"]["median_percent"] = float(str(spoiled.get("all", 1.0)))
    worse["engine vllm"]["median_percent"] = float(str(spoiled.get("engine", 1.0)))
    result = {
        "kv_cache": spoiled.get("kv_cache", {"vp001": 1.0}),
        "must_reject": spoiled.get("must_reject", {"vp027": ["kv_pool_too_thin"]}),
        "time_per_output_token": {"model_left_out": worse, "gpu_left_out": classes},
        "output_tokens_per_second": {
            "model_left_out": {"median_percent": float(str(spoiled.get("tokens", 1.0)))},
            "gpu_left_out": good,
        },
    }
    assert [gate["gate"] for gate in gates(result) if not gate["passed"]] == [failing]


def test_the_scatter_is_a_drawing_with_a_dot_per_row() -> None:
    drawn = ET.fromstring(plot(judged(), 14.0, "a note & more"))
    dots = [one for one in drawn.iter("{http://www.w3.org/2000/svg}circle") if len(one)]
    assert len(dots) == sum(one.tpot_error is not None for one in judged())
