"""What versions are made of each model: what is run, what both are asked, what is known of the result before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.config import DEPLOYMENT_KEY, ModelSettings, StackConfig
from infra.engines import ENGINES
from infra.explain import dotted
from infra.making import OPTIMISATIONS, REFRESHES
from infra.making.base import MakingKind, MakingRequest, MakingSettings
from infra.plan.card_types import ModelCard
from infra.plan.making_types import MakingPlan, MakingWork
from infra.plan.model_cards import model_card
from infra.plan.source_checks import streams
from infra.plan.trial_types import TrialPlan
from infra.problems import Problem, did_you_mean, listing
from infra.registry import Registry
from infra.sources import SOURCES

# By the field of a model that declares them.
SORTS: dict[str, Registry[MakingKind]] = {"optimisation": OPTIMISATIONS, "refresh": REFRESHES}


def making_plans(config: StackConfig, trials: dict[str, TrialPlan]) -> dict[str, MakingPlan]:
    """Every making of a deployment without making_problems, by `model/sort`."""
    found: dict[str, MakingPlan] = {}
    # A release's candidate is a model too.
    stored = (SOURCES[one.source.kind].weights(one.source).sha256 for one in config.models.values())
    in_use = tuple(sorted({digest for digest in stored if digest}))
    for model, settings in config.models.items():
        for sort, asked in _asked(settings):
            # Of one with making_problems nobody asks for more.
            if (trial := trials.get(f"{model}/{asked.evaluation}")) is None:
                continue
            work = SORTS[sort][asked.kind].work(asked, _request(model, settings))
            weights = SOURCES[settings.source.kind].weights(settings.source)
            found[f"{model}/{sort}"] = MakingPlan(
                model=model,
                sort=sort,
                kind=asked.kind,
                version=asked.version,
                evaluation=asked.evaluation,
                trial=trial.trial,
                client=trial.client,
                at_most_loss_percent=asked.at_most_loss_percent,
                work=work,
                card=_card(model_card(settings, weights), work),
                holds=(f"{asked.at_most_loss_percent:g} % fewer right answers at most", *work.holds),
                keep_versions=settings.keep_versions,
                in_use=in_use,
            )
    return found


def making_problems(config: StackConfig) -> Iterator[Problem]:
    """Makings that nobody could run or judge."""
    for model, settings in config.models.items():
        for sort, asked in _asked(settings):
            where = dotted(DEPLOYMENT_KEY, ("models", model, sort))
            yield from SORTS[sort][asked.kind].problems(where, asked, _request(model, settings))
            if asked.evaluation not in settings.evaluations:
                known = list(settings.evaluations)
                yield Problem(
                    where=f"{where}.evaluation",
                    found=f"`{asked.evaluation}`, which is no evaluation of `{model}`",
                    allowed=listing(known) if known else "an evaluation of the model: it has none",
                    remedy=did_you_mean(asked.evaluation, known, "name one of these")
                    if known
                    else "add `evaluations`: without one nobody knows whether the result is as good",
                )


def _asked(settings: ModelSettings) -> Iterator[tuple[str, MakingSettings]]:
    for sort in SORTS:
        if (asked := getattr(settings, sort)) is not None:
            yield sort, asked


def _request(model: str, settings: ModelSettings) -> MakingRequest:
    weights = SOURCES[settings.source.kind].weights(settings.source)
    return MakingRequest(
        model=model,
        engine=settings.engine.kind,
        capabilities=ENGINES[settings.engine.kind].capabilities,
        weights=weights,
        accelerator=settings.accelerator,
        quantization=model_card(settings, weights).quantization,
        streamed=streams(settings),
        in_a_bucket=SOURCES[settings.source.kind].in_a_bucket,
    )


def _card(original: ModelCard, work: MakingWork) -> dict[str, Any]:
    """What is known of the version before it is made: it has its parent's licence and was trained on what that was."""
    from_file = (original.source, original.file)
    return {
        "license": original.license,
        "quantization": work.quantization or original.quantization,
        "parent": {
            "source": "/".join(part for part in from_file if part),
            "version": original.version,
            "quantization": original.quantization,
            "parent": original.parent,
            "made_by": original.made_by,
            "trained_on": original.trained_on,
        },
        "made_by": {"tool": work.tool, "parameters": dict(work.parameters)},
        "trained_on": work.trained_on or original.trained_on,
    }
