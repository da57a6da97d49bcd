"""Names in a deployment that point at each other or stand in each other's way; read from plain data of any shape."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, cast

from infra.explain import shown
from infra.gateway.cache import cache_problems
from infra.gateway.config import PRIVACY_KINDS
from infra.naming import normalised
from infra.problems import Problem, did_you_mean, listing
from infra.stack_file import KeyPath

RESERVED_NAMES = ("unknown", "other")

Found = Iterator[tuple[KeyPath, Problem]]


def section(raw: Any, *path: str) -> dict[str, Any]:
    """The map at a path of plain data, or an empty one."""
    for name in path:
        raw = cast(dict[str, Any], raw).get(name) if isinstance(raw, dict) else None
    return cast(dict[str, Any], raw) if isinstance(raw, dict) else {}


def items(raw: Any, name: str) -> list[Any]:
    """The list under a name, or an empty one."""
    value = section(raw).get(name)
    return cast(list[Any], value) if isinstance(value, list) else []


def colliding_names(raw: Any) -> Found:
    """Names that are taken, and names that are different here and the same where only lower case and dashes exist."""
    for kind in ("sites", "models", "clients"):
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for name in section(raw, kind):
            groups[normalised(name)].append(name)
            if name in RESERVED_NAMES:
                yield (
                    (kind, name),
                    Problem(
                        where="",
                        found=f"the name `{name}`, which metrics use for what has no name of its own",
                        allowed=f"any name but {listing(RESERVED_NAMES)}",
                        remedy="choose another name",
                    ),
                )
        for label, names in groups.items():
            if len(names) > 1:
                yield (
                    (kind, names[-1]),
                    Problem(
                        where="",
                        found=f"{listing(names)}, which all become `{label}` in resource and host names",
                        allowed="names that differ in more than case, `.`, `_` and `-`",
                        remedy="rename all but one of them",
                    ),
                )


def references(raw: Any) -> Found:
    """Models and clients that are named and are not there, budgets over models without a price, and sizes that
    contradict each other."""
    models, clients = section(raw, "models"), section(raw, "clients")
    for client, settings in clients.items() if models else ():
        named = items(settings, "models")
        for index, model in enumerate(named):
            yield from _unknown(
                ("clients", client, "models", index), model, models, "models", "a model of this deployment"
            )
        own = [model for model in named if isinstance(model, str)]
        for model in section(settings, "per_model"):
            yield from _unknown(
                ("clients", client, "per_model", model), model, own, "client's models", "one of the client's models"
            )
        if section(settings).get("dollars_per_month") is not None:
            yield from _unpriced(("clients", client, "dollars_per_month"), own, models)
        for model, quota in section(settings, "per_model").items():
            if section(quota).get("dollars_per_month") is not None:
                yield from _unpriced(("clients", client, "per_model", model, "dollars_per_month"), [model], models)
    sets = section(raw, "gateway", "guardrails")
    for client, settings in clients.items():
        path = ("clients", client, "guardrails")
        yield from _unknown(path, section(settings).get("guardrails"), sets, "sets of `gateway.guardrails`", "a set")
    for name, rules in sets.items():
        for place in ("before", "after"):
            yield from _unnamed_models(("gateway", "guardrails", name, place), section(rules, place))
    kinds = (*PRIVACY_KINDS, *section(raw, "gateway", "privacy", "patterns"))
    for client, settings in clients.items():
        for kind in section(settings, "privacy", "kinds"):
            path = ("clients", client, "privacy", "kinds", kind)
            yield from _unknown(
                path, kind, kinds, "kinds of personal data", "a kind, or add it to `gateway.privacy.patterns`"
            )
    yield from cache_problems(section(raw, "gateway", "cache"))
    for issuer, settings in section(raw, "gateway", "issuers").items() if clients else ():
        for index, rule in enumerate(items(settings, "clients")):
            path = ("gateway", "issuers", issuer, "clients", index, "client")
            yield from _unknown(path, section(rule).get("client"), clients, "clients", "a client of this deployment")


def _unknown(path: KeyPath, name: Any, known: Iterable[str], kind: str, remedy: str) -> Found:
    known = tuple(known)
    if isinstance(name, str) and name not in known:
        yield (
            path,
            Problem(
                where="",
                found=f"{shown(name)}, which is not among the {kind}",
                allowed=listing(known),
                remedy=did_you_mean(name, known, f"name {remedy}"),
            ),
        )


def _unnamed_models(path: KeyPath, hooks: dict[str, Any]) -> Found:
    """A chat model cannot be asked without its name."""
    for hook, settings in hooks.items():
        if section(settings).get("style") == "chat" and section(settings).get("model") is None:
            yield (
                (*path, hook, "model"),
                Problem(
                    where="",
                    found="nothing",
                    allowed="a model's name, with `style: chat`",
                    remedy="add `model:` with the name that the endpoint knows it by",
                ),
            )


def _unpriced(path: KeyPath, named: Iterable[str], models: dict[str, Any]) -> Found:
    """A budget that nothing counts against would be a budget in name only."""
    without = [name for name in named if name in models and section(models[name]).get("price") is None]
    if without:
        yield (
            path,
            Problem(
                where="",
                found=f"a budget over {listing(without)} without a price",
                allowed="a budget over models that have a `price`",
                remedy=f"set `models.{without[0]}.price`",
            ),
        )
