"""Models with the share or the copies that their release gives to the new version now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

import msgspec

from serving.gateway.routing.config import RouteConfig, RoutesConfig, ShadowConfig
from serving.gateway.routing.versions import CANDIDATE, STABLE
from serving.gateway.strict import Strict, problem
from serving.release.rules import ReleaseRules, identity
from serving.release.state import States


class Released(Strict, frozen=True):
    """Of one model: which release it is, and what the candidate gets now."""

    release: str
    percent: float
    rules: ReleaseRules


class ReleasedModel(Protocol):
    """The part of a model that is looked at here."""

    @property
    def digest(self) -> str | None: ...
    @property
    def release(self) -> ReleaseRules | None: ...
    @property
    def routes(self) -> RoutesConfig | None: ...
    @property
    def shadow(self) -> ShadowConfig | None: ...


M = TypeVar("M", bound=ReleasedModel)


def with_releases(
    where: str, models: Mapping[str, M], states: States, problems: list[str]
) -> tuple[dict[str, M], dict[str, Released]]:
    """The models as requests see them, and the releases by model. A state of another release, such as of weights that
    are no longer there, gives nothing to this one."""
    changed, found = dict(models), dict[str, Released]()
    for name, model in models.items():
        rules = model.release
        if rules is None:
            continue
        place = f"{where}models.{name}.release"
        if rules.candidate not in models or rules.candidate == name:
            allowed = ", ".join(sorted(set(models) - {name})) or "none"
            problems.append(
                problem(
                    f"{place}.candidate",
                    "something else (not shown)",
                    f"another configured model: {allowed}",
                    "Name one of those.",
                )
            )
            continue
        if model.routes is not None or model.shadow is not None:
            problems.append(
                problem(place, "routes or shadow beside it", "one of them", "Remove one: the release sets both.")
            )
            continue
        release = identity(rules.candidate, models[rules.candidate].digest)
        state = states.get(name)
        percent = state.percent if state is not None and state.release == release else 0.0
        found[name] = Released(release=release, percent=percent, rules=rules)
        changed[name] = _sending(name, model, rules, percent)
    return changed, found


def _sending(name: str, model: M, rules: ReleaseRules, percent: float) -> M:
    if rules.sends == "copies":
        copies = ShadowConfig(model=rules.candidate, percent=percent, concurrent=rules.concurrent_copies)
        return _replaced(model, shadow=copies if percent else None)
    # The candidate is the last one: a share that grows takes nobody back.
    shares = {
        STABLE: RouteConfig(model=name, weight=100.0 - percent),
        CANDIDATE: RouteConfig(model=rules.candidate, weight=percent),
    }
    return _replaced(model, routes=RoutesConfig(to=shares, sticky=rules.sticky))


def _replaced(model: M, **fields: RoutesConfig | ShadowConfig | None) -> M:
    return msgspec.structs.replace(model, **fields)  # pyright: ignore[reportArgumentType, reportReturnType, reportUnknownVariableType, reportCallIssue]
