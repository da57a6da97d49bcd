"""The judge of a cluster's releases: what it asks candidates before each step, and with whose keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.plan.trial_pods import ORIGIN, answer_seconds
from infra.plan.trial_types import TrialPlan
from infra.plan.types import ModelPlan
from infra.problems import Problem
from infra.releases.base import asked, released

QUESTIONS_FOLDER = "/etc/slipway/questions"
QUESTIONS_FILE = "questions.json"
QUESTION_KEYS_FOLDER = "/run/secrets/questions"


@dataclass(frozen=True, kw_only=True)
class ReleasePod:
    """`questions` is by model what `serving.release` reads; `clients` are those whose keys it asks with."""

    questions: Mapping[str, Mapping[str, Any]]
    clients: tuple[str, ...]


def release_pod(
    gateway: Mapping[str, Any], trials: Mapping[str, TrialPlan], models: Mapping[str, ModelPlan]
) -> ReleasePod | None:
    """None where no model is released. It asks through the gateways' own service, as jobs that try models do."""
    if not released(gateway):
        return None
    clients = sorted({trial.client for _, trial in asked(gateway, trials).values()})
    key_files = {client: f"{QUESTION_KEYS_FOLDER}/{client}" for client in clients}
    return ReleasePod(questions=questions(gateway, trials, models, {"url": ORIGIN}, key_files), clients=tuple(clients))


def questions(
    gateway: Mapping[str, Any],
    trials: Mapping[str, TrialPlan],
    models: Mapping[str, ModelPlan],
    place: Mapping[str, Any],
    key_files: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    """By model that is released, what a judge that asks at that place with these keys is told."""
    return {
        model: {
            **place,
            "model": candidate,
            "key_file": key_files[trial.client],
            "trial": trial.trial,
            "about": trial.about,
            # How long a model of somebody else takes, nobody has said.
            **({"answer_seconds": answer_seconds(models[candidate])} if candidate in models else {}),
        }
        for model, (candidate, trial) in asked(gateway, trials).items()
    }


def no_keys(gateway: Mapping[str, Any]) -> Iterator[Problem]:
    """Where others keep clients' keys, so that a judge has none to ask with."""
    for model, rules in released(gateway).items():
        if "evaluation" in rules:
            yield Problem(
                where=f"the release of `{model}`",
                found=f"the evaluation `{rules['evaluation']}`, and a site whose clients' keys the stack does not know",
                allowed="an evaluation where the stack makes the keys: its judge asks with one of them",
                remedy="remove `abort_on.evaluation`, and run the evaluation yourself before each step",
            )
