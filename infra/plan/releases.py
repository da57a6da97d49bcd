"""The rules of releases, decided; how far one is, is in no plan: whoever deploys neither knows nor changes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.config import DEPLOYMENT_KEY, ModelSettings, RemoteModelSettings, StackConfig
from infra.explain import dotted
from infra.plan.release_evaluations import evaluation_problems, owner_of
from infra.platforms import PLATFORMS
from infra.problems import Problem
from infra.releases import RELEASES
from infra.topologies.base import Site

AnyModel = ModelSettings | RemoteModelSettings


def release_rules(name: str, model: AnyModel, served: Mapping[str, Any]) -> dict[str, Any] | None:
    """As the gateway's file has them; None where the site does not serve both."""
    release = model.release
    if release is None or release.candidate not in served:
        return None
    owner = owner_of(served, name, release)
    first_token = release.abort_on.time_to_first_token_p95_seconds
    return {
        "candidate": release.candidate,
        **RELEASES[release.kind].rules(release),
        "hold_seconds": release.hold_minutes * 60,
        "error_percent": release.abort_on.error_rate_percent,
        **({} if first_token is None else {"first_token_seconds": first_token}),
        **({} if owner is None else {"evaluation": f"{owner}/{release.abort_on.evaluation}"}),
    }


def others_of(model: AnyModel) -> Iterator[str]:
    """The models that answer a part of its requests, or may come to."""
    if model.routes is not None:
        yield from (share.model for share in model.routes.to.values())
    if model.release is not None:
        yield model.release.candidate


def release_problems(config: StackConfig, sites: Mapping[str, Site]) -> Iterator[Problem]:
    """Releases that nobody could judge, or that something else decides about too."""
    for name, model in config.every_model.items():
        release = model.release
        if release is None:
            continue
        part = "models" if name in config.models else "remote_models"
        where = dotted(DEPLOYMENT_KEY, (part, name, "release"))
        yield from RELEASES[release.kind].problems(where, release)
        yield from evaluation_problems(config, name, release, where)
        for other in ("routes", "shadow"):
            if getattr(model, other) is not None:
                yield Problem(
                    where=where,
                    found=f"a release and `{other}`",
                    allowed="one of them: a release says itself who gets which requests",
                    remedy=f"remove `{other}` while the model is released",
                )
        if model.task == "embed" and release.abort_on.time_to_first_token_p95_seconds is not None:
            yield Problem(
                where=f"{where}.abort_on.time_to_first_token_p95_seconds",
                found="a limit for streams, with `task: embed`",
                allowed="a limit for models that generate: an embedding has no first token",
                remedy="remove it",
            )
    if any(model.release for model in config.every_model.values()):
        for site in sites.values():
            if PLATFORMS[site.platform.kind].run_time is None:
                yield Problem(
                    where=f"{site.where}.platform",
                    found=f"the platform `{site.platform.kind}`, and a model that is being released",
                    allowed="a site on a cluster or on this machine: elsewhere nothing changes while gateways run",
                    remedy="remove `release` there, and send shares with `routes`",
                )
