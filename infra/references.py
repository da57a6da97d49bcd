"""Names in a deployment that point at each other or stand in each other's way; read from plain data of any shape."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, cast

from infra.explain import shown
from infra.gateway.privacy import PRIVACY_KINDS
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


def every_model(raw: Any) -> dict[str, Any]:
    """All that clients can ask for."""
    return {**section(raw, "models"), **section(raw, "remote_models")}


def own_kinds(raw: Any) -> list[tuple[KeyPath, str]]:
    """Kinds of personal data that a deployment adds, with where it does."""
    privacy = section(raw, "gateway", "privacy")
    here = ("gateway", "privacy")
    found: list[tuple[KeyPath, str]] = [
        ((*here, part, kind), kind) for part in ("patterns", "names") for kind in section(privacy, part)
    ]
    recogniser = items(section(privacy, "recogniser"), "kinds")
    return found + [
        ((*here, "recogniser", "kinds", index), kind) for index, kind in enumerate(recogniser) if isinstance(kind, str)
    ]


def colliding_names(raw: Any) -> Found:
    """Names that are taken, and names that are different here and the same where only lower case and dashes exist."""
    groups_of: tuple[tuple[tuple[str, ...], ...], ...] = (
        (("sites",), ("topology", "sites")),
        (("models",), ("remote_models",)),
        (("clients",),),
    )
    for parts in groups_of:
        groups: defaultdict[str, list[tuple[KeyPath, str]]] = defaultdict(list)
        for path, name in [((*part, name), name) for part in parts for name in section(raw, *part)]:
            groups[normalised(name)].append((path, name))
            if name in RESERVED_NAMES:
                yield (
                    path,
                    Problem(
                        where="",
                        found=f"the name `{name}`, which metrics use for what has no name of its own",
                        allowed=f"any name but {listing(RESERVED_NAMES)}",
                        remedy="choose another name",
                    ),
                )
        for label, found in groups.items():
            if len(found) > 1:
                names = listing(name for _, name in found)
                yield (
                    found[-1][0],
                    Problem(
                        where="",
                        found=f"{names}, which all become `{label}` in resource and host names",
                        allowed="names that differ in more than case, `.`, `_` and `-`",
                        remedy="rename all but one of them",
                    ),
                )


def references(raw: Any) -> Found:
    """Models and clients that are named and are not there, and budgets over models without a price."""
    models, clients = every_model(raw), section(raw, "clients")
    for client, settings in clients.items() if models else ():
        named = items(settings, "models")
        for index, model in enumerate(named):
            yield from unknown(
                ("clients", client, "models", index), model, models, "models", "a model of this deployment"
            )
        own = [model for model in named if isinstance(model, str)]
        for model in section(settings, "per_model"):
            yield from unknown(
                ("clients", client, "per_model", model), model, own, "client's models", "one of the client's models"
            )
        if section(settings).get("dollars_per_month") is not None:
            yield from _unpriced(("clients", client, "dollars_per_month"), own, models)
        for model, quota in section(settings, "per_model").items():
            if section(quota).get("dollars_per_month") is not None:
                yield from _unpriced(("clients", client, "per_model", model, "dollars_per_month"), [model], models)
    overflow = section(raw, "topology", "overflow")
    if clients:
        path = ("topology", "overflow", "client")
        yield from unknown(path, overflow.get("client"), clients, "clients", "a client of this deployment")
    kinds = (*PRIVACY_KINDS, *(kind for _, kind in own_kinds(raw)))
    for client, settings in clients.items():
        rules: list[KeyPath] = [("privacy",)]
        rules += [("privacy", "boundaries", name) for name in section(settings, "privacy", "boundaries")]
        for rule in rules:
            for kind in section(settings, *map(str, rule), "kinds"):
                path = ("clients", client, *rule, "kinds", kind)
                remedy = "a kind, or add it to `gateway.privacy.patterns`"
                yield from unknown(path, kind, kinds, "kinds of personal data", remedy)
    for issuer, settings in section(raw, "gateway", "issuers").items() if clients else ():
        for index, rule in enumerate(items(settings, "clients")):
            path = ("gateway", "issuers", issuer, "clients", index, "client")
            yield from unknown(path, section(rule).get("client"), clients, "clients", "a client of this deployment")


def unknown(path: KeyPath, name: Any, known: Iterable[str], kind: str, remedy: str) -> Found:
    """A name that is not among those that it must be of."""
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
