"""Sizing as people and programs read it: text for a terminal, JSON for everything else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from infra.sizing.evaluate import Sized
from infra.sizing.points_output import figures
from infra.sizing.types import Candidate, Selection, Shape

# How many rejected shapes a terminal shows; JSON has them all.
_SHOWN_RANKED, _SHOWN_REJECTED = 10, 12


def shape_data(sized: Sized) -> dict[str, Any]:
    """One shape as plain data, in a stable order. Keys are part of the product: they are added, never renamed."""
    return {
        "shape": _shape(sized.shape),
        **figures(sized),
        "memory": asdict(sized.memory),
        "performance": asdict(sized.performance) if sized.performance else None,
        "rejections": [asdict(known) for known in sized.rejections],
        "notes": list(sized.notes),
    }


def shape_json(sized: Sized) -> str:
    return json.dumps(shape_data(sized), indent=2)


def shape_text(sized: Sized) -> str:
    """One shape for a terminal: where the memory goes, how fast, or why not."""
    return "\n".join(_shape_lines(sized))


def selection_json(selection: Selection) -> str:
    """Every candidate, ranked, without a price, rejected."""
    return json.dumps({name: [_candidate(c) for c in getattr(selection, name)] for name in _GROUPS}, indent=2)


def selection_text(selection: Selection) -> str:
    """The cheapest answers, and for every GPU the reasons why its shapes are none."""
    return "\n".join(_selection_lines(selection))


_GROUPS = ("ranked", "unpriced", "rejected")


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "cloud": candidate.cloud,
        "instance_type": candidate.instance_type,
        "region": candidate.region,
        "purchase": candidate.purchase,
        "nodes": candidate.nodes,
        "replicas": candidate.replicas,
        "instances": candidate.instances,
        "concurrency_per_replica": candidate.concurrency_per_replica,
        "shape": _shape(candidate.shape),
        "memory": asdict(candidate.memory),
        "performance": asdict(candidate.performance) if candidate.performance else None,
        "cost": asdict(candidate.cost),
        "engine_options": dict(candidate.engine_options),
        "rejections": [asdict(known) for known in candidate.rejections],
        "warnings": list(candidate.warnings),
    }


def _shape(shape: Shape) -> dict[str, Any]:
    return {
        "model": shape.model.model,
        "model_source": shape.model.source,
        "gpu": shape.gpu.gpu,
        "gpu_source": shape.gpu.source,
        "gpu_count": shape.gpu_count,
        "tensor_parallel": shape.tensor_parallel,
        "pipeline_parallel": shape.pipeline_parallel,
        "engine": shape.engine,
        "precision": shape.precision.name,
        "kv_dtype": shape.kv_dtype,
        "max_model_len": shape.max_model_len,
    }


def _shape_lines(sized: Sized) -> Iterator[str]:
    shape, held, speed = sized.shape, sized.memory, sized.performance
    yield f"{shape.model.model}, {shape.precision.name}, on {shape.gpu_count} x {shape.gpu.gpu} ({shape.engine})"
    yield ""
    yield "MEMORY, GiB per GPU"
    for name, gib in (
        ("budget", held.budget_gib),
        ("weights", held.weights_gib),
        ("activations", held.activation_gib),
        ("other", held.non_torch_gib + held.graphs_gib),
        ("KV pool", held.kv_pool_gib),
    ):
        yield f"  {name:12s} {gib:8.2f}"
    yield f"  {held.kv_pool_tokens:,} tokens of KV: {held.max_batch} such requests at once,"
    yield f"  {held.full_context_requests:.1f} of the longest ({shape.max_model_len:,} tokens)"
    if speed:
        low, high = speed.time_to_first_token_ms_low, speed.time_to_first_token_ms_high
        yield ""
        yield f"SPEED at {speed.batch} running requests ({speed.estimator}; error: {speed.error_band})"
        yield f"  time per output token  {speed.time_per_output_token_ms:8.1f} ms"
        yield f"  time to first token    {low:8.0f} to {high:.0f} ms"
        yield f"  output tokens/s        {speed.output_tokens_per_second:8.0f}"
    yield ""
    if sized.rejections:
        yield "DOES NOT FIT"
        yield from (f"  {known.code}: {known.message}" for known in sized.rejections)
    else:
        yield "FITS"
    yield from (f"  note: {note}" for note in sized.notes)


def _selection_lines(selection: Selection) -> Iterator[str]:
    if not selection.ranked:
        yield "NOTHING with a price meets this"
    else:
        yield "CHEAPEST FIRST ($/million is output tokens at full load)"
        header = "instance", "region", "purchase", "GPUs", "precision", "replicas", "machines", "$/month", "$/million"
        rows = [_row(candidate) for candidate in selection.ranked[:_SHOWN_RANKED]]
        yield from _table((*header, "ms/token"), rows)
        if (more := len(selection.ranked) - _SHOWN_RANKED) > 0:
            yield f"  and {more} more"
        best = selection.ranked[0]
        if best.performance:
            yield f"  estimated by {best.performance.estimator}; error: {best.performance.error_band}"
        yield from (f"  note: {warning}" for warning in best.warnings)
    without = dict.fromkeys(f"{c.instance_type} ({c.shape.gpu.gpu})" for c in selection.unpriced)
    if without:
        yield f"  no price, else they would do: {', '.join(without)}"
    yield ""
    yield f"REJECTED: {len(selection.rejected)} shapes"
    shown = dict.fromkeys(_why(candidate) for candidate in selection.rejected)
    yield from list(shown)[:_SHOWN_REJECTED]
    if len(shown) > _SHOWN_REJECTED:
        yield f"  and {len(shown) - _SHOWN_REJECTED} more (--format json has all)"


def _why(candidate: Candidate) -> str:
    shape = candidate.shape
    first = candidate.rejections[0]
    return f"  {shape.gpu_count} x {shape.gpu.gpu} {shape.precision.name}: {first.code}: {first.message}"


def _row(candidate: Candidate) -> tuple[str, ...]:
    shape, money, speed = candidate.shape, candidate.cost, candidate.performance
    return (
        candidate.instance_type,
        candidate.region,
        candidate.purchase,
        f"{shape.gpu_count} x {shape.gpu.gpu}",
        shape.precision.name,
        str(candidate.replicas),
        str(candidate.instances),
        f"{money.per_month or 0:,.0f}",
        f"{money.per_million_output_tokens or 0:.2f}",
        f"{speed.time_per_output_token_ms:.1f}" if speed else "",
    )


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
