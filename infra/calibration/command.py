"""`python -m infra calibrate`: a load test's record beside the plan's estimate, and what the stack file then says."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

from infra.calibration import record as records
from infra.calibration.record import Measured
from infra.config import StackConfig
from infra.load import load_file
from infra.plan.build import build_plan
from infra.plan.plan_data import text
from infra.problems import Problem, Refused, listing
from infra.sizing.types import Performance


def run(options: argparse.Namespace, root: Path) -> int:
    """Prints it. As JSON, what is wrong with the record is a part of the answer; as text it is a refusal."""
    path = root / f"Pulumi.{options.stack}.yaml"
    config = load_file(path)
    where = f"record {options.record}"
    record = _read(options.record, where)
    model, measured = _measured(config, options, record, where)
    found = [*records.problems(where, measured)]
    if options.format == "json":
        after = None if found else records.calibration(measured).model_dump(exclude_none=True)
        answer = {
            "model": model,
            "estimate": _figures(records.estimated(measured), measured),
            "calibration": after,
            "problems": [problem.text() for problem in found],
        }
        print(json.dumps(answer, indent=2))
        return 0
    if found:
        raise Refused(where, found)
    print(_written(path, model, measured))
    return 0


def _read(file: Path, where: str) -> dict[str, Any]:
    try:
        found: Any = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        found = getattr(error, "strerror", None) or "no JSON"
    if isinstance(found, dict):
        return found  # pyright: ignore[reportUnknownVariableType]
    said = found if isinstance(found, str) else "no object"
    problem = Problem(
        where=where, found=said, allowed="the record of a load test", remedy="name one of .slipway/records"
    )
    raise Refused("the command", [problem])


def _measured(
    config: StackConfig, options: argparse.Namespace, record: dict[str, Any], where: str
) -> tuple[str, Measured]:
    model = text(record, "model") or ""
    if model not in config.models:
        problem = Problem(
            where=where,
            found=f"a record of `{model}`",
            allowed=listing(config.models),
            remedy="name a record of a model of this stack, or the stack that it is of",
        )
        raise Refused("the command", [problem])
    planned = build_plan(config, options.stack).models[model].replicas
    if options.replicas is None and (planned.min != planned.max or planned.min < 1):
        problem = Problem(
            where="--replicas",
            found=f"{planned.min} to {planned.max} replicas of `{model}` in the plan",
            allowed="how many there were while it was measured",
            remedy="name that number; a load test of a model that does not scale needs none",
        )
        raise Refused("the command", [problem])
    replicas = max(1, options.replicas or planned.min)
    return model, Measured(record=record, settings=config.models[model], replicas=replicas)


def _figures(speed: Performance | None, measured: Measured) -> dict[str, float | int | str] | None:
    """The estimate as a record has it: in the plan's words."""
    workload = measured.workload
    return (
        None
        if speed is None or workload is None
        else {
            "running_requests": speed.batch,
            "requests_per_second": round(speed.output_tokens_per_second / workload.output_tokens, 3),
            "output_tokens_per_second": round(speed.output_tokens_per_second, 1),
            "time_per_output_token_ms": round(speed.time_per_output_token_ms, 2),
            "time_to_first_token_ms_low": round(speed.time_to_first_token_ms_low),
            "time_to_first_token_ms_high": round(speed.time_to_first_token_ms_high),
            "estimator": speed.estimator,
        }
    )


def _written(path: Path, model: str, measured: Measured) -> str:
    known = records.calibration(measured)
    own = records.estimated(measured, calibrated=False)
    said = [
        f"{known.measured_requests} requests, {known.concurrent_requests:g} at once on each replica (of "
        f"{measured.replicas}), {known.input_tokens} tokens in and {known.output_tokens} out",
        f"measured   {known.time_per_output_token_milliseconds:.1f} ms/token, first token "
        f"{known.fast_first_token_milliseconds:.0f} to {known.slow_first_token_milliseconds:.0f} ms",
    ]
    if own is None:
        said.append("estimated  nothing: the plan knows no speed of it, and shows what was measured")
    else:
        factors = (
            known.time_per_output_token_milliseconds / own.time_per_output_token_ms,
            known.fast_first_token_milliseconds / own.time_to_first_token_ms_low,
            known.slow_first_token_milliseconds / own.time_to_first_token_ms_high,
        )
        said += [
            f"estimated  {own.time_per_output_token_ms:.1f} ms/token, first token "
            f"{own.time_to_first_token_ms_low:.0f} to {own.time_to_first_token_ms_high:.0f} ms ({own.estimator}, off "
            f"by: {own.error_band})",
            "factors    {:.2f} for ms/token, {:.2f} to {:.2f} for the first token".format(*factors),
        ]
    said.append(f"Put this below slipway:deployment in {path.name}, in the model's own place:")
    calibration = known.model_dump(exclude_none=True)
    block = yaml.safe_dump({"models": {model: {"calibration": calibration}}}, sort_keys=False)
    return "\n".join([*(f"# {line}" for line in said), block.rstrip()])
