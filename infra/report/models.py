"""What is served and to whom: models, whether they fit, how fast they are, those of others, and clients."""

from __future__ import annotations

from infra.plan.figures import ModelMemory
from infra.plan.types import DeploymentPlan, ModelPlan, Weights
from infra.report.section import Depth, Row, Section, Table
from infra.report.topology import each_on
from infra.report.words import replica_range


def models(plan: DeploymentPlan) -> Section:
    """One row each."""
    header = ("model", "engine", "task", "context", "longest answer", "at once", "replicas", "each on", "weights")
    rows = [_model_row(name, model) for name, model in plan.models.items()]
    return Section(name="models", title="Models", tables=(Table(header=header, rows=rows),))


def fit_and_speed(plan: DeploymentPlan) -> Section | None:
    """The memory of one GPU, and what one replica does at its usual load."""
    rows = [_fit_row(name, model, model.memory) for name, model in plan.models.items() if model.memory]
    if not rows:
        return None
    held = ("model", "weights", "KV cache", "reserve", "free")
    speed = ("a request", "at once", "requests/s", "tokens/s", "ms/token", "first token, ms")
    bands = dict.fromkeys(
        f"{known.estimator}, off by: {known.error_band}"
        for model in plan.models.values()
        if (known := model.performance)
    )
    return Section(
        name="fit",
        title="Fit and speed",
        note="estimated: GiB of each GPU; of one replica, that many usual requests at once",
        tables=(Table(header=(*held, *speed), rows=rows),),
        lines=tuple(bands),
    )


def load(plan: DeploymentPlan) -> Section | None:
    """Speed of one replica over the requests that it has at once."""
    header = ("at once", "tokens/s", "ms/token", "first token, ms")
    tables = tuple(
        Table(
            title=f"Model {name}",
            header=header,
            rows=[
                (
                    str(point.concurrent_requests),
                    f"{point.output_tokens_per_second:,.0f}",
                    f"{point.time_per_output_token_ms:.1f}",
                    f"{point.time_to_first_token_ms_low} to {point.time_to_first_token_ms_high}",
                )
                for point in model.performance.curve
            ],
        )
        for name, model in plan.models.items()
        if model.performance and model.performance.curve
    )
    if not tables:
        return None
    return Section(
        name="load",
        title="Speed over load",
        note="estimated, of one replica; more than run at once wait",
        tables=tables,
        depth=Depth.LONGEST,
    )


def remote_models(plan: DeploymentPlan) -> Section | None:
    """Models that others run."""
    if not plan.remote_models:
        return None
    rows = [
        (
            name,
            model.task,
            f"{model.context_tokens} tokens",
            f"{model.max_output_tokens} tokens",
            ", ".join(f"{upstream} ({url})" for upstream, url in model.upstreams.items()),
        )
        for name, model in plan.remote_models.items()
    ]
    header = ("model", "task", "context", "longest answer", "upstreams")
    return Section(name="remote-models", title="Remote models", tables=(Table(header=header, rows=rows),))


def clients(plan: DeploymentPlan) -> Section:
    """Who may call what."""
    rows = [
        (name, ", ".join(client.models), str(client.requests_per_minute or "no limit"))
        for name, client in plan.clients.items()
    ]
    header = ("client", "models", "requests per minute")
    return Section(name="clients", title="Clients", tables=(Table(header=header, rows=rows),), depth=Depth.LONG)


def _fit_row(name: str, model: ModelPlan, memory: ModelMemory) -> Row:
    held = (memory.weights_gib, memory.kv_cache_gib, memory.reserved_gib, memory.free_gib)
    cells = (name, *(f"{gib:.2f}" for gib in held))
    speed = model.performance
    if speed is None:
        return (*cells, "not known", "", "", "", "", "")
    return (
        *cells,
        f"{speed.input_tokens} in, {speed.output_tokens} out",
        str(speed.running_requests),
        f"{speed.requests_per_second:.3g}",
        f"{speed.output_tokens_per_second:,.0f}",
        f"{speed.time_per_output_token_ms:.1f}",
        f"{speed.time_to_first_token_ms_low} to {speed.time_to_first_token_ms_high}",
    )


def _model_row(name: str, model: ModelPlan) -> Row:
    return (
        name,
        model.engine,
        model.task,
        f"{model.context_tokens} tokens",
        f"{model.max_output_tokens} tokens",
        str(model.concurrent_requests),
        replica_range(model.replicas),
        each_on(model),
        _weights(model.weights),
    )


def _weights(weights: Weights) -> str:
    place = weights.location if weights.file is None else f"{weights.location}/{weights.file}"
    version = weights.revision or weights.sha256 or ""
    return f"{place} @ {version[:12]}"
