"""Which evaluation a candidate must pass before each step, and whether a judge could ask it at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.config import ModelSettings, StackConfig
from infra.plan.trials import client_of, clients_of, tried
from infra.problems import Problem, did_you_mean, listing
from infra.releases.base import ReleaseSettings
from infra.trials import EVALUATIONS


def owner_of(models: Mapping[str, Any], model: str, release: ReleaseSettings) -> str | None:
    """Whose evaluation it is, the released model's own before the candidate's; None where nobody has it."""
    name = release.abort_on.evaluation
    return next((one for one in (model, release.candidate) if name in _evaluations(models, one)), None)


def evaluation_problems(config: StackConfig, model: str, release: ReleaseSettings, where: str) -> Iterator[Problem]:
    """Of a release that names one."""
    name, candidate = release.abort_on.evaluation, release.candidate
    if name is None:
        return
    where = f"{where}.abort_on.evaluation"
    owner = owner_of(config.models, model, release)
    if owner is None:
        known = [*dict.fromkeys([*_evaluations(config.models, model), *_evaluations(config.models, candidate)])]
        yield Problem(
            where=where,
            found=f"`{name}`, which is no evaluation of `{model}` or `{candidate}`",
            allowed=listing(known) if known else "one of theirs; they have none",
            remedy=did_you_mean(name, known, "name one of these")
            if known
            else "add one to `evaluations`, of the kind `prompts`",
        )
        return
    settings = config.models[owner].evaluations[name]
    kind, about = EVALUATIONS[settings.kind], tried(owner, config.models[owner])
    if kind.tool(settings, about) is not None:
        yield Problem(
            where=where,
            found=f"`{name}`, whose questions a tool asks (`{settings.kind}`)",
            allowed="an evaluation of the kind `prompts`: its questions the judge asks itself",
            remedy="name such a one, and run this one yourself before the release",
        )
        return
    client = config.clients.get(client_of(config, owner, settings))
    if client is None:
        # Refused where the evaluation is.
        return
    asks_as = client_of(config, owner, settings)
    if candidate not in client.models:
        both = [other for other in clients_of(config, owner) if candidate in config.clients[other].models]
        yield Problem(
            where=where,
            found=f"`{name}`, which asks as `{asks_as}`, who may not use `{candidate}`",
            allowed=listing(both) if both else f"a client that may use `{owner}` and `{candidate}`",
            remedy=f"add `{candidate}` to the `models` of `{asks_as}`, or let another client ask it",
        )
    allowed, asked = client.requests_per_minute, len(kind.trial(settings, about).get("cases", ()))
    if allowed is not None and asked > allowed:
        yield Problem(
            where=where,
            found=f"{asked} questions, all at once, as `{asks_as}`, whose limit is {allowed} requests a minute",
            allowed="a client whose limit lets them through: what is refused decides nothing",
            remedy="let another client ask, raise its `requests_per_minute`, or ask less",
        )


def _evaluations(models: Mapping[str, Any], model: str) -> Mapping[str, Any]:
    """A model of somebody else has none."""
    settings = models.get(model)
    return settings.evaluations if isinstance(settings, ModelSettings) else {}
