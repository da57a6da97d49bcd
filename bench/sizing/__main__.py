"""`python -m bench.sizing` (`make bench-sizing`): scores the sizing on measured points, prints them, fails on a gate.

Everything is judged twice: each model predicted with constants that were fitted without it, and each GPU likewise.
Writes `.bench/sizing.json`, and the scatter with `--plot docs/sizing.svg`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.sizing import score
from bench.sizing.fit import left_out, prior
from bench.sizing.plot import plot
from bench.sizing.rows import Measured, measured_rows
from infra.sizing.constants import constants_for, document

RESULT = Path(__file__).resolve().parent.parent.parent / ".bench" / "sizing.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every gate is passed; 1: some are not, and the table says which."""
    parser = argparse.ArgumentParser(prog="python -m bench.sizing", description=__doc__)
    parser.add_argument("--plot", type=Path, help="write the scatter there")
    options = parser.parse_args(arguments)
    rows = measured_rows()
    by_model, by_gpu = left_out(rows, lambda row: row.model), left_out(rows, lambda row: row.gpu)
    ways = {
        "model_left_out": score.scored(rows, lambda row: by_model[row.model]),
        "gpu_left_out": score.scored(rows, lambda row: by_gpu[row.gpu]),
        "as_shipped": score.scored(rows, lambda _: constants_for),
        "before_any_fit": score.scored(rows, lambda _: prior()),
    }
    as_it_came = score.scored(measured_rows(corrected=False), lambda _: constants_for)
    result: dict[str, Any] = {
        "constants": document()["date"],
        "rows": _counts(rows, ways["as_shipped"]),
        "time_per_output_token": {name: score.by_class(judged) for name, judged in ways.items()},
        "output_tokens_per_second": {name: score.throughput(judged) for name, judged in ways.items()},
        "uncorrected_labels": score.by_class(as_it_came)["all"],
        "lengths_given": score.by_class([one for one in ways["model_left_out"] if one.row.lengths_given])["all"],
        "kv_cache": {row.id: round(100 * error, 1) for row, error in score.kv_errors(rows)},
        "must_reject": {row.id: list(codes) for row, codes in score.must_reject(rows)},
    }
    result["gates"] = gates(result)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    _print(result)
    if options.plot:
        band = result["time_per_output_token"]["model_left_out"]["all"]["median_percent"]
        answered = result["rows"]["answered"]
        note = f"{answered} measured points of 4 engines; band: median error {band} %"
        options.plot.write_text(plot(ways["model_left_out"], band, note), encoding="utf-8")
    return 0 if all(gate["passed"] for gate in result["gates"]) else 1


def gates(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each promise with its figure and its limit."""
    found: list[dict[str, Any]] = []

    def gate(name: str, percent: float, limit: float) -> None:
        found.append({"gate": name, "percent": percent, "limit": limit, "passed": percent <= limit})

    gate("KV pool, vLLM >= 0.19, worst row", max(map(abs, result["kv_cache"].values())), score.KV_PERCENT)
    missed = sum(not codes for codes in result["must_reject"].values())
    gate("rows that did not run and are not rejected", missed, 0)
    for way in ("model_left_out", "gpu_left_out"):
        classes = result["time_per_output_token"][way]
        gate(f"time per output token, {way}, median", classes["all"]["median_percent"], score.TPOT_PERCENT)
        for name, found_errors in classes.items():
            if name.startswith(("engine ", "GPU ")) and found_errors["rows"] >= score.LEAST_ROWS:
                gate(f"time per output token, {way}, {name}", found_errors["median_percent"], score.TPOT_CLASS_PERCENT)
        throughput = result["output_tokens_per_second"][way]["median_percent"]
        gate(f"output tokens/s, {way}, median", throughput, score.THROUGHPUT_PERCENT)
    return found


def _counts(rows: Sequence[Measured], judged: Sequence[score.Scored]) -> dict[str, int]:
    measured = [row for row in rows if row.kind != "kv_capacity" and row.time_per_output_token_ms]
    speed = [row for row in measured if not row.kind.startswith("mlperf")]
    return {
        "measured_time_per_output_token": len(speed),
        "answered": sum(one.tpot_error is not None for one in judged),
        "lengths_assumed": sum(not one.row.lengths_given for one in judged if one.tpot_error is not None),
        "labels_corrected": sum(row.corrected for row in rows),
        "mlperf_not_scored": len(measured) - len(speed),
    }


def _print(result: Mapping[str, Any]) -> None:
    counts = result["rows"]
    print(
        f"answered {counts['answered']} of {counts['measured_time_per_output_token']} rows "
        f"({counts['lengths_assumed']} with assumed lengths, {counts['labels_corrected']} with corrected labels)\n"
    )
    print("time per output token, error in percent      rows   model left out   GPU left out   as shipped")
    print("                                                     median    p90    median  p90   median  p90   bias")
    ways = result["time_per_output_token"]
    for name in ways["as_shipped"]:
        one, two, own = ways["model_left_out"][name], ways["gpu_left_out"][name], ways["as_shipped"][name]
        print(
            f"  {name:42s} {own['rows']:4d}   {one['median_percent']:6.1f} {one['p90_percent']:6.1f}"
            f"    {two['median_percent']:6.1f} {two['p90_percent']:6.1f}"
            f"  {own['median_percent']:6.1f} {own['p90_percent']:6.1f} {own['bias_percent']:+6.1f}"
        )
    print(f"  before any fit (priors only)                      {ways['before_any_fit']['all']['median_percent']:6.1f}")
    print(f"  labels as they came, as shipped                   {result['uncorrected_labels']['median_percent']:6.1f}")
    print(f"  only rows that say their lengths, model left out  {result['lengths_given']['median_percent']:6.1f}\n")
    for identity, error in result["kv_cache"].items():
        print(f"  KV pool {identity}  {error:+.1f} %")
    for identity, codes in result["must_reject"].items():
        print(f"  must be rejected {identity}: {', '.join(codes) or 'NOT REJECTED'}")
    print()
    for gate in result["gates"]:
        state = "ok  " if gate["passed"] else "FAIL"
        print(f"{state} {gate['gate']:62s} {gate['percent']:6.1f}  (limit {gate['limit']:g})")


if __name__ == "__main__":
    sys.exit(main())
