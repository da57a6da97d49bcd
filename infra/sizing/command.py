"""`python -m infra size`: one shape judged, the cheapest machines for a model, or a file of shapes."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from infra.problems import Problem, Refused
from infra.sizing.types import ENGINES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments. Names are checked later, all at once."""
    parser.add_argument("--model", help="a model of the catalogue, a folder with config.json, or a .gguf file")
    parser.add_argument("--points", type=Path, help="a CSV file of shapes instead: one JSON object per row")
    parser.add_argument("--gpu", help="judge one shape on this GPU; without it, select from every instance type")
    parser.add_argument("--tensor-parallel", type=int, help="GPUs that share each layer (default: 1; selection: any)")
    parser.add_argument("--engine", help=f"one of {', '.join(ENGINES)} (default: vllm; llama_cpp for a .gguf file)")
    parser.add_argument("--precision", help="how weights are stored; several with commas (default: as published)")
    parser.add_argument("--kv-dtype", default="auto", help="default: what the engine takes")
    parser.add_argument("--input-tokens", type=int, default=1024, help="default: 1024")
    parser.add_argument("--output-tokens", type=int, default=256, help="default: 256")
    parser.add_argument("--concurrency", type=int, default=1, help="requests in flight (default: 1)")
    parser.add_argument("--max-model-len", type=int, help="longest context (default: input and output)")
    parser.add_argument("--time-per-output-token-ms", type=float, help="objective")
    parser.add_argument("--time-to-first-token-ms", type=float, help="objective")
    parser.add_argument("--requests-per-second", type=float, help="sizes replicas for this rate too")
    parser.add_argument("--cloud", action="append", default=[], help="only this cloud (repeatable)")
    parser.add_argument("--region", action="append", default=[], help="only this region (repeatable)")
    parser.add_argument("--purchase", action="append", default=[], help="on_demand (default) or spot (repeatable)")
    parser.add_argument("--max-replicas", type=int, help="how many replicas are allowed")
    parser.add_argument("--dollars-per-month", type=float, help="budget")
    parser.add_argument("--estimator", default="roofline", help="roofline (default), published_fit or aiconfigurator")
    parser.add_argument("--format", choices=("text", "json", "jsonl"), help="default: text; jsonl with --points")


def run(options: argparse.Namespace) -> int:
    """Prints the answer. Raises Refused with every problem at once."""
    from infra.sizing import ask, report
    from infra.sizing.evaluate import evaluate
    from infra.sizing.performance import ESTIMATORS
    from infra.sizing.select import select

    problems = [*_problems(options), *ask.unknown("--estimator", options.estimator, ESTIMATORS.kinds())]
    if options.points is not None:
        _raise(problems)
        _points(options)
        return 0
    asked = ask.read(options, problems)
    estimator = ESTIMATORS[options.estimator]
    if options.gpu is not None:
        sized = evaluate(ask.shape(asked, options), asked.workload, estimator, asked.objective)
        print((report.shape_json if options.format == "json" else report.shape_text)(sized))
    else:
        found = select(ask.demand(asked, options), date.today(), estimator)
        print((report.selection_json if options.format == "json" else report.selection_text)(found))
    return 0


def _problems(options: argparse.Namespace) -> Iterable[Problem]:
    if (options.model is None) == (options.points is None):
        found = "neither `--model` nor `--points`" if options.model is None else "both `--model` and `--points`"
        yield Problem(where="size", found=found, allowed="one of them", remedy="name a model, or a CSV file of shapes")
    if options.points is not None and options.format in ("text", "json"):
        yield Problem(
            where="--format",
            found=f"`{options.format}` with `--points`",
            allowed="`jsonl`",
            remedy="leave `--format` out: there is one JSON object per row",
        )
    if options.points is None and options.format == "jsonl":
        yield Problem(
            where="--format", found="`jsonl` without `--points`", allowed="`text`, `json`", remedy="use `--format json`"
        )
    counts = ("tensor_parallel", "input_tokens", "output_tokens", "concurrency", "max_model_len", "max_replicas")
    amounts = ("time_per_output_token_ms", "time_to_first_token_ms", "requests_per_second", "dollars_per_month")
    for name in (*counts, *amounts):
        value = getattr(options, name)
        least = 0 if name == "input_tokens" else 1 if name in counts else None
        if value is not None and (not 0 < value < float("inf") if least is None else value < least):
            yield Problem(
                where=f"--{name.replace('_', '-')}",
                found=f"{value}",
                allowed="a number above 0" if least is None else f"a whole number from {least}",
                remedy="give a positive figure",
            )


def _points(options: argparse.Namespace) -> None:
    from infra.sizing.performance import ESTIMATORS
    from infra.sizing.points_output import json_lines, read_points

    try:
        rows = read_points(options.points)
        lines = list(json_lines(rows, ESTIMATORS[options.estimator]))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        problem = Problem(
            where=str(options.points),
            found=f"no table that can be read ({type(error).__name__})",
            allowed="a UTF-8 CSV file with a header: id, model, gpu, gpu_count, tp, engine, precision, isl, osl, …",
            remedy="mend the file, or name another",
        )
        raise Refused(str(options.points), [problem]) from None
    for line in lines:
        print(line)


def _raise(problems: Sequence[Problem]) -> None:
    if problems:
        raise Refused("`python -m infra size`", problems)
