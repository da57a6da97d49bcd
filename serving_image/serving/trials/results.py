"""What tools have left in a folder, held to its bounds: the same kind of outcome as if we had asked ourselves."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec

from serving.trials.config import GuideLlm, LmEvaluationHarness, Unusable
from serving.trials.loading import within
from serving.trials.record import Outcome, Verdict

# Those that GuideLLM counts, by its names: of others the next higher one is held to the bound.
_PERCENTILES = {1: "p01", 5: "p05", 10: "p10", 25: "p25", 50: "p50", 75: "p75", 90: "p90", 95: "p95", 99: "p99"}


class _Config(msgspec.Struct):
    model_args: dict[str, Any]


class _Samples(msgspec.Struct):
    effective: int = 0


class _Harness(msgspec.Struct):
    """Of what the harness writes, what is read here."""

    config: _Config
    results: dict[str, dict[str, Any]]
    lm_eval_version: str
    samples: dict[str, _Samples] = msgspec.field(name="n-samples", default_factory=dict[str, _Samples])


def newest(folder: str | None) -> dict[str, Any]:
    """The last JSON in the folder. Raises Unusable."""
    found = sorted(Path(folder).rglob("*.json"), key=lambda file: file.stat().st_mtime) if folder else []
    if not found:
        raise Unusable(f"{folder}: no results: did the tool end well?")
    try:
        return msgspec.json.decode(found[-1].read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as why:
        raise Unusable(f"{found[-1]}: no results: {why}") from None


def harness_outcome(trial: LmEvaluationHarness, left: dict[str, Any], model: str) -> tuple[Outcome, dict[str, str]]:
    """Every bound of every task, and what the results say of the tool. A figure that is not there keeps no bound.
    Raises Unusable."""
    try:
        told = msgspec.convert(left, type=_Harness)
    except msgspec.ValidationError as why:
        raise Unusable(f"results that are not the harness's: {why}") from None
    if (asked := told.config.model_args.get("model")) != model:
        raise Unusable(f"results of another model: {asked}")
    figures: dict[str, float] = {}
    verdicts: list[Verdict] = []
    for task, bounds in trial.tasks.items():
        for metric, allowed in bounds.items():
            measured = _worst(told.results.get(task, {}), metric)
            if measured is not None:
                figures[f"{task} {metric}"] = round(measured, 4)
            verdicts.append(
                Verdict(
                    what=f"{task} {metric}, at least",
                    measured=measured if measured is None else round(measured, 4),
                    allowed=allowed,
                    kept=measured is not None and measured >= allowed,
                )
            )
    figures["questions"] = float(sum(samples.effective for samples in told.samples.values()))
    outcome = Outcome(kind="lm_evaluation_harness", figures=figures, verdicts=verdicts)
    return outcome, {"tool": f"lm_eval {told.lm_eval_version}"}


def guidellm_outcome(trial: GuideLlm, left: dict[str, Any], model: str) -> tuple[Outcome, dict[str, str]]:
    """What it measured, in our words and units. Requests that had not ended when the time was over are told, and count
    neither way: it has broken them off itself. Raises Unusable."""
    try:
        asked = left["config"]["spec"]["backend"]["model"]
        (only,) = left["benchmarks"]
        metrics, seconds = only["metrics"], float(only["duration"])
        totals = metrics["request_totals"]
        whole, failed, unfinished = (int(totals[name]) for name in ("successful", "errored", "incomplete"))
        first, between, lasted, prompts, answers = (
            metrics[name]["successful"]
            for name in (
                *("time_to_first_token_ms", "inter_token_latency_ms", "request_latency"),
                *("prompt_token_count", "output_token_count"),
            )
        )
        figures = {
            "requests": float(whole + failed),
            "seconds": round(seconds, 2),
            "requests_per_second": round(whole / seconds, 3),
            "output_tokens_per_second": round(float(answers["total_sum"]) / seconds, 2),
            "errors_percent": round(100 * failed / (whole + failed), 3) if whole + failed else 100.0,
        }
        if whole:
            figures["input_tokens"] = round(float(prompts["mean"]), 1)
            figures["output_tokens"] = round(float(answers["mean"]), 1)
        curves = {
            "time_to_first_token_seconds": _curve(first, whole, 0.001),
            "time_per_output_token_milliseconds": _curve(between, whole, 1),
            "request_seconds": _curve(lasted, whole, 1),
        }
        version = str(left["metadata"]["guidellm_version"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as why:
        raise Unusable(f"results that are not GuideLLM's: {type(why).__name__}: {why}") from None
    if asked != model:
        raise Unusable(f"results of another model: {asked}")
    verdicts = [within("failed requests, percent", figures["errors_percent"], trial.at_most_errors_percent)]
    for what, name, allowed in (
        ("time to first token, seconds", "time_to_first_token_seconds", trial.time_to_first_token_seconds),
        (
            "time per output token, milliseconds",
            "time_per_output_token_milliseconds",
            trial.time_per_output_token_milliseconds,
        ),
    ):
        if allowed is not None:
            percent, measured = _at_least(curves[name], trial.percentile)
            verdicts.append(within(f"{what}, of {percent:g} %", measured, allowed))
    ended = {"failed": failed, "not ended when the time was over": unfinished}
    errors = {what: count for what, count in ended.items() if count}
    outcome = Outcome(kind="load", figures=figures, curves=curves, verdicts=verdicts, errors=errors)
    return outcome, {"tool": f"guidellm {version}"}


def _curve(measured: dict[str, Any], count: int, factor: float) -> dict[str, float]:
    """Its percentiles as ours are written; empty where nothing was whole."""
    if not count:
        return {}
    found = {percent: measured["percentiles"][name] for percent, name in _PERCENTILES.items()}
    found = {0: measured["min"], **found, 100: measured["max"]}
    return {f"{percent}": round(factor * float(value), 4) for percent, value in found.items()}


def _at_least(curve: dict[str, float], percent: float) -> tuple[float, float | None]:
    """The figure of that many of a hundred, or of the next more that was counted."""
    return next(((float(at), value) for at, value in curve.items() if float(at) >= percent), (percent, None))


def _worst(measured: dict[str, Any], metric: str) -> float | None:
    """Of a metric by all its filters, or by the one that is named; None where it has no figure."""
    name, _, of = metric.partition(",")
    found = [
        float(value)
        for key, value in measured.items()
        if key.partition(",")[0] == name and of in ("", key.partition(",")[2]) and _is_figure(value)
    ]
    return min(found, default=None)


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
