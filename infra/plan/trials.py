"""What is tried on each model: whose key asks, what is told to whoever runs it, what must hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.calibration.config import ran_on
from infra.config import DEPLOYMENT_KEY, ModelSettings, StackConfig
from infra.engines.catalogue import version
from infra.explain import dotted
from infra.plan.model_cards import short_version
from infra.plan.trial_types import TrialPlan
from infra.problems import Problem, did_you_mean, listing
from infra.sources import SOURCES
from infra.trials import EVALUATIONS, LOAD_TESTS
from infra.trials.base import TrialKind, TrialSettings, Tried

# What a model's load test is called beside its evaluations.
LOAD = "load"


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A trial as it is written."""

    where: str
    name: str
    kind: TrialKind
    settings: TrialSettings


def trial_plans(config: StackConfig, stack: str) -> dict[str, TrialPlan]:
    """Every trial of a deployment without trial_problems, by `model/name`."""
    found: dict[str, TrialPlan] = {}
    for model, settings in config.models.items():
        for one in _asked(model, settings):
            trial = one.kind.trial(one.settings, tried(model, settings))
            found[f"{model}/{one.name}"] = TrialPlan(
                model=model,
                name=one.name,
                client=client_of(config, model, one.settings),
                trial=trial,
                holds=one.kind.holds(trial),
                schedule=one.settings.schedule,
                tool=one.kind.tool(one.settings, tried(model, settings)),
                about={
                    "stack": stack,
                    "trial": f"{model}/{one.name}",
                    "engine": settings.engine.kind,
                    "engine_version": version(settings.engine.kind) or "unknown",
                    "ran_on": ran_on(settings.accelerator),
                    "version": short_version(SOURCES[settings.source.kind].weights(settings.source)),
                    **({"recorded": trial["recorded"]} if "recorded" in trial else {}),
                },
            )
    return found


def trial_problems(config: StackConfig, runs_jobs: bool) -> Iterator[Problem]:
    """Trials that nobody could run, or that would only meet a client's limits. `runs_jobs`: on some site of the
    deployment something starts at its hour."""
    for model, settings in config.models.items():
        for one in _asked(model, settings):
            yield from _problems(config, model, settings, one)
            if one.settings.schedule is not None and not runs_jobs:
                yield Problem(
                    where=f"{one.where}.schedule",
                    found=f"`{one.settings.schedule}`, and no site that starts something by itself",
                    allowed="a schedule where a site is a cluster",
                    remedy="remove it, and let cron or a timer of your own run `make trial`",
                )
            yield from _image_problems(one, model, settings, runs_jobs)
        if LOAD in settings.evaluations:
            yield Problem(
                where=dotted(DEPLOYMENT_KEY, ("models", model, "evaluations", LOAD)),
                found=f"an evaluation called `{LOAD}`",
                allowed=f"any other name: `{LOAD}` is the model's load test",
                remedy="call it something else",
            )


def _image_problems(one: _Asked, model: str, settings: ModelSettings, runs_jobs: bool) -> Iterator[Problem]:
    """A cluster has a tool from an image or not at all."""
    tool = one.kind.tool(one.settings, tried(model, settings)) if settings.task == "generate" else None
    if tool is not None and tool.image is None and runs_jobs:
        yield Problem(
            where=f"{one.where}.image",
            found=f"no image that has {tool.name}, and a site that is a cluster",
            allowed="an image by its digest, from a registry that the cluster reaches",
            remedy="name one: `REGISTRY/NAME@sha256:DIGEST`",
        )


def _problems(config: StackConfig, model: str, settings: ModelSettings, one: _Asked) -> Iterator[Problem]:
    if settings.task != "generate":
        yield Problem(
            where=one.where,
            found=f"a trial of a model with `task: {settings.task}`",
            allowed="trials of models that generate: they look at answers, token by token",
            remedy="remove it",
        )
        return
    yield from one.kind.problems(one.where, one.settings, tried(model, settings))
    clients, client = clients_of(config, model), one.settings.client
    if client is None and len(clients) != 1:
        yield Problem(
            where=f"{one.where}.client",
            found="no client, and several who may use it" if clients else f"nobody who may use `{model}`",
            allowed=listing(clients) if clients else "a client that may use it",
            remedy="say which of them asks" if clients else "add such a client",
        )
        return
    if client is not None and client not in clients:
        yield Problem(
            where=f"{one.where}.client",
            found=f"`{client}`, who is no client that may use `{model}`",
            allowed=listing(clients) if clients else "a client that may use it",
            remedy=did_you_mean(client, clients, "name one of these") if clients else "add such a client",
        )
        return
    client = client or clients[0]
    allowed = config.clients[client].requests_per_minute
    needed = one.kind.requests_per_minute(one.settings, tried(model, settings))
    if allowed is not None and needed is not None and needed > allowed:
        yield Problem(
            where=f"{one.where}.client",
            found=f"{needed:g} requests a minute as `{client}`, whose limit is {allowed}",
            allowed="a client whose limits let the load through: else the limit is what is measured",
            remedy="name another client, raise its `requests_per_minute`, or lower the load",
        )


def _asked(model: str, settings: ModelSettings) -> Iterator[_Asked]:
    place = ("models", model)
    for name, evaluation in settings.evaluations.items():
        where = dotted(DEPLOYMENT_KEY, (*place, "evaluations", name))
        yield _Asked(where=where, name=name, kind=EVALUATIONS[evaluation.kind], settings=evaluation)
    if settings.load_test is not None:
        where = dotted(DEPLOYMENT_KEY, (*place, "load_test"))
        yield _Asked(where=where, name=LOAD, kind=LOAD_TESTS[settings.load_test.kind], settings=settings.load_test)


def tried(model: str, settings: ModelSettings) -> Tried:
    """What a kind of trial is told of a model."""
    return Tried(
        name=model,
        objective=settings.objective,
        context_tokens=settings.context_tokens,
        longest_answer_tokens=settings.longest_answer_tokens,
    )


def client_of(config: StackConfig, model: str, settings: TrialSettings) -> str:
    """Whose key asks; empty where nobody's can."""
    return settings.client or next(iter(clients_of(config, model)), "")


def clients_of(config: StackConfig, model: str) -> list[str]:
    """Who may use it, in the order in which they are written."""
    return [name for name, client in config.clients.items() if model in client.models]
