"""The plan as people and programs read it: text for a terminal, JSON for everything else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from infra.plan.price_types import PriceLine, PricePlan
from infra.plan.types import Alternative, DeploymentPlan, ModelMemory, ModelPlan, Replicas, SitePlan, Weights

ONE = Replicas(min=1, max=1)
MOST_NAMED = 8


def to_data(plan: DeploymentPlan) -> dict[str, Any]:
    """The plan as plain data, in a stable order. Keys are part of the product: they are added, never renamed."""
    return json.loads(json.dumps(asdict(plan)))


def to_json(plan: DeploymentPlan) -> str:
    """The plan as JSON, indented, one trailing newline left to the caller."""
    return json.dumps(to_data(plan), indent=2)


def to_text(plan: DeploymentPlan) -> str:
    """The plan for a terminal: what will exist, what was chosen, how long each layer may take to end."""
    return "\n".join(_lines(plan))


FORMATS = {"text": to_text, "json": to_json}


def _lines(plan: DeploymentPlan) -> Iterator[str]:
    yield f"stack {plan.stack}: {plan.topology}, {_count(plan.models, 'model')} on {_count(plan.sites, 'site')}"
    if len(plan.deployed_sites) < len(plan.sites):
        yield f"this stack deploys {_some(plan.deployed_sites)} of it (`slipway:site`)"
    yield ""
    yield "SITES"
    yield from _table(
        ("site", "platform", "endpoint", "models"),
        [
            (name, site.platform, site.endpoint, _some(_placed(model, site) for model in site.models))
            for name, site in plan.sites.items()
        ],
    )
    yield ""
    for name, site in plan.sites.items():
        if site.summary:
            yield f"SITE {name}"
            yield from _table(("what", "planned"), [*site.summary.items(), ("gateways", str(site.gateways))])
            yield ""
    if plan.links:
        yield "BETWEEN SITES"
        yield from _table(
            ("from", "to", "why", "models", "clients whose data may go there"),
            [
                (link.source, link.target, link.reason, _some(link.models), _some(link.clients) or "none")
                for link in plan.links
            ],
        )
        yield ""
    yield "MODELS"
    yield from _table(
        ("model", "engine", "task", "context", "longest answer", "at once", "replicas", "each on", "weights"),
        [_model_row(name, model) for name, model in plan.models.items()],
    )
    yield ""
    yield from _fit_lines(plan.models)
    if plan.remote_models:
        yield "REMOTE MODELS"
        yield from _table(
            ("model", "task", "context", "longest answer", "upstreams"),
            [
                (
                    name,
                    model.task,
                    f"{model.context_tokens} tokens",
                    f"{model.max_output_tokens} tokens",
                    ", ".join(f"{upstream} ({url})" for upstream, url in model.upstreams.items()),
                )
                for name, model in plan.remote_models.items()
            ],
        )
        yield ""
    if plan.price:
        yield from _price_lines(plan.price, plan.models)
    yield "DRAIN, in seconds: how long each layer may take to end, so that no answer is cut"
    yield from _table(
        ("model", "longest wait", "longest generation", "engine", "gateway", "process group"),
        [
            (
                name,
                str(model.drain.longest_wait_seconds),
                str(model.drain.longest_generation_seconds),
                str(model.drain.engine_shutdown_seconds),
                str(model.drain.gateway_grace_seconds),
                str(model.drain.process_group_grace_seconds),
            )
            for name, model in (*plan.models.items(), *plan.remote_models.items())
        ],
    )
    yield f"  gateway keep-alive {plan.gateway_keep_alive_seconds} s: what stands in front must close idle ones earlier"
    yield ""
    yield "CLIENTS"
    yield from _table(
        ("client", "models", "requests per minute"),
        [
            (name, ", ".join(client.models), str(client.requests_per_minute or "no limit"))
            for name, client in plan.clients.items()
        ],
    )
    for warning in plan.warnings:
        yield ""
        yield f"WARNING  {warning}"


def _fit_lines(models: Mapping[str, ModelPlan]) -> Iterator[str]:
    rows = [_fit_row(name, model, model.memory) for name, model in models.items() if model.memory]
    if not rows:
        return
    yield "FIT AND SPEED, estimated: GiB of each GPU; of one replica, that many usual requests at once"
    yield from _table(
        ("model", "weights", "KV cache", "free", "a request", "at once", "requests/s", "ms/token", "first token, ms"),
        rows,
    )
    yield from dict.fromkeys(
        f"  {speed.estimator}, off by: {speed.error_band}" for model in models.values() if (speed := model.performance)
    )
    yield ""


def _fit_row(name: str, model: ModelPlan, memory: ModelMemory) -> tuple[str, ...]:
    held = (name, f"{memory.weights_gib:.2f}", f"{memory.kv_cache_gib:.2f}", f"{memory.free_gib:.2f}")
    speed = model.performance
    if speed is None:
        return (*held, "not known", "", "", "", "")
    return (
        *held,
        f"{speed.input_tokens} in, {speed.output_tokens} out",
        str(speed.running_requests),
        f"{speed.requests_per_second:.3g}",
        f"{speed.time_per_output_token_ms:.1f}",
        f"{speed.time_to_first_token_ms_low} to {speed.time_to_first_token_ms_high}",
    )


def _price_lines(price: PricePlan, models: Mapping[str, ModelPlan]) -> Iterator[str]:
    since = f", the oldest price of {price.as_of}" if price.as_of else ""
    yield f"PRICE, US dollars{since}; without the traffic of answers"
    month, hour = price.dollars_per_month, price.dollars_per_hour
    yield from _table(
        ("site", "what", "item", "amount", "$/month"),
        [
            *(
                (line.site, line.what, line.item, _span(line.amount.min, line.amount.max), _dollars(line))
                for line in price.lines
            ),
            (
                "all" if all(line.dollars_per_month for line in price.lines) else "all with a price",
                "",
                "",
                "",
                _span(month.min, month.max),
            ),
            ("", "an hour", "", "", _span(hour.min, hour.max)),
        ],
    )
    for name, model in models.items():
        if model.price:
            dollars = model.price.dollars_per_million_output_tokens
            yield f"  model {name}: ${dollars:.2f} in machines for a million tokens of answers, at full load"
        for one in model.alternatives:
            yield f"  {_alternative(name, one)}"
    yield ""


def _alternative(name: str, one: Alternative) -> str:
    written = " and ".join(f"`{change}`" for change in one.changes)
    lost = f"; what is given up: {'; '.join(one.gives_up)}" if one.gives_up else ""
    return (
        f"model {name}: the same for ${one.saves_dollars_per_month:,.0f} a month less (-{one.saves_percent:.0f} %): "
        f"{one.machines} instead of {one.instead_of}, with {written}{lost}"
    )


def _dollars(line: PriceLine) -> str:
    return (
        "no price" if line.dollars_per_month is None else _span(line.dollars_per_month.min, line.dollars_per_month.max)
    )


def _span(least: float, most: float) -> str:
    low, high = (f"{amount:,.2f}".removesuffix(".00") for amount in (least, most))
    return low if low == high else f"{low} to {high}"


def _model_row(name: str, model: ModelPlan) -> tuple[str, ...]:
    return (
        name,
        model.engine,
        model.task,
        f"{model.context_tokens} tokens",
        f"{model.max_output_tokens} tokens",
        str(model.concurrent_requests),
        _range(model.replicas),
        f"{model.accelerator.count} × {model.accelerator.type}" if model.accelerator else "processors",
        _weights(model.weights),
    )


def _placed(model: str, site: SitePlan) -> str:
    replicas = site.replicas[model]
    return model if replicas == ONE else f"{model} × {_range(replicas)}"


def _range(replicas: Replicas) -> str:
    return str(replicas.min) if replicas.min == replicas.max else f"{replicas.min} to {replicas.max}"


def _some(names: Iterable[str]) -> str:
    """All of a few; of many, the first and how many more. JSON has them all."""
    listed = list(names)
    left = len(listed) - MOST_NAMED
    return ", ".join(listed) if left <= 0 else f"{', '.join(listed[:MOST_NAMED])} and {left} more"


def _weights(weights: Weights) -> str:
    place = weights.location if weights.file is None else f"{weights.location}/{weights.file}"
    version = weights.revision or weights.sha256 or ""
    return f"{place} @ {version[:12]}"


def _count(things: Mapping[str, Any], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
