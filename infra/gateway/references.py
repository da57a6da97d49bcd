"""What in the gateway's part points at each other (fallbacks, places, kinds, rules); from plain data of any shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.explain import shown
from infra.gateway.cache import cache_problems
from infra.gateway.config import OWN_BOUNDARY, RESTRICTED
from infra.gateway.privacy import PRIVACY_KINDS, RESERVED_KIND
from infra.problems import Problem
from infra.references import Found, every_model, items, own_kinds, section, unknown
from infra.stack_file import KeyPath


def gateway_references(raw: Any) -> Found:
    """Everything that can be said without types: so it is said together with what is wrong with those."""
    yield from _other_models(raw)
    yield from _boundaries(raw)
    yield from _kinds(raw)
    yield from _certificates(raw)
    yield from _guardrails(raw)
    yield from cache_problems(section(raw, "gateway", "cache"))


def _places(raw: Any) -> Iterator[tuple[KeyPath, str, dict[str, Any]]]:
    """Every model with its path."""
    for part in ("models", "remote_models"):
        for name, model in section(raw, part).items():
            yield (part, name), name, section(model)


def _other_models(raw: Any) -> Found:
    models = every_model(raw)
    fallbacks = {
        name: [other for other in items(model, "fallbacks") if isinstance(other, str)]
        for _, name, model in _places(raw)
    }
    for path, name, model in _places(raw):
        others = [other for other in models if other != name]
        for index, other in enumerate(items(model, "fallbacks")):
            spot = (*path, "fallbacks", index)
            if other in others and name in _behind(other, fallbacks):
                yield spot, _cycle(name, other)
            yield from unknown(spot, other, others, "other models", "another model of this deployment")
        for route, share in section(model, "routes", "to").items():
            spot = (*path, "routes", "to", route, "model")
            yield from unknown(spot, section(share).get("model"), models, "models", "a model of this deployment")
        candidate = section(model, "release").get("candidate")
        spot = (*path, "release", "candidate")
        yield from unknown(spot, candidate, others, "other models", "another model of this deployment")
        shadow = section(model, "shadow").get("model")
        spot = (*path, "shadow", "model")
        yield from unknown(spot, shadow, others, "other models", "another model of this deployment")


def _behind(model: str, fallbacks: dict[str, list[str]]) -> set[str]:
    """Every model that a request could come to by fallbacks of fallbacks."""
    found, left = set[str](), [model]
    while left:
        for other in fallbacks.get(left.pop(), ()):
            if other not in found:
                found.add(other)
                left.append(other)
    return found


def _cycle(name: str, other: str) -> Problem:
    return Problem(
        where="",
        found=f"{shown(other)}, which falls back to {shown(name)} again",
        allowed="fallbacks that lead away: what one model cannot serve would come back to it when both are busy",
        remedy="remove one of the two, or let both fall back to a third model",
    )


def _boundaries(raw: Any) -> Found:
    gateway = section(raw, "gateway")
    own = gateway.get("boundary", OWN_BOUNDARY)
    upstreams = [section(upstream) for _, _, model in _places(raw) for upstream in section(model, "upstreams").values()]
    edge = section(raw, "topology")
    sites = [section(site) for site in (*section(raw, "sites").values(), *section(edge, "sites").values())]
    sites.append(section(edge, "defaults"))
    named = (own, *(place.get("boundary") for place in (*upstreams, *sites)))
    known = [place for place in named if isinstance(place, str)]
    known = list(dict.fromkeys(known))
    remedy = "a boundary of this deployment, of one of its sites or of one of its upstreams"
    for name in section(gateway, "data_classes"):
        path = ("gateway", "data_classes", name)
        places = items(section(gateway, "data_classes"), name)
        if name == RESTRICTED and places and places != [own]:
            yield (
                path,
                Problem(
                    where="",
                    found=f"`{RESTRICTED}` with other places than {shown(own)}",
                    allowed=f"{shown(own)} alone: restricted data never leaves this deployment's own boundary",
                    remedy="remove it, and name a class that may leave differently",
                ),
            )
            continue
        for index, place in enumerate(places):
            yield from unknown((*path, index), place, known, "boundaries", remedy)
    classes = dict.fromkeys((RESTRICTED, *section(gateway, "data_classes")))
    for client, settings in section(raw, "clients").items():
        spot = ("clients", client, "data_class")
        of_client = section(settings).get("data_class")
        yield from unknown(spot, of_client, classes, "data classes", "a class, or add it to `gateway.data_classes`")
        for place in section(settings, "privacy", "boundaries"):
            spot = ("clients", client, "privacy", "boundaries", place)
            yield from unknown(spot, place, known, "boundaries", remedy)


def _kinds(raw: Any) -> Found:
    """Two kinds whose placeholders would look alike."""
    taken = {_label(kind): kind for kind in (*PRIVACY_KINDS, RESERVED_KIND)}
    for path, kind in own_kinds(raw):
        if other := taken.get(_label(kind)):
            yield (
                path,
                Problem(
                    where="",
                    found=f"the kind {shown(kind)}, whose placeholder would look like that of {shown(other)}",
                    allowed="names that differ from each other and from the built-in kinds, underscores left out",
                    remedy="rename it",
                ),
            )
        taken.setdefault(_label(kind), kind)


def _label(kind: str) -> str:
    return kind.replace("_", "")


def _certificates(raw: Any) -> Found:
    tls = section(raw, "gateway", "tls")
    owners: dict[str, str] = {}
    for client, settings in section(raw, "clients").items():
        names = items(settings, "certificates")
        for index, name in enumerate(names):
            if isinstance(name, str) and owners.setdefault(name, client) != client:
                yield (
                    ("clients", client, "certificates", index),
                    Problem(
                        where="",
                        found=f"{shown(name)}, which is also `{owners[name]}`'s",
                        allowed="a certificate of one client only",
                        remedy="give each client a certificate of its own",
                    ),
                )
        if names and tls.get("client_ca_file") is None:
            yield (
                ("clients", client, "certificates"),
                Problem(
                    where="",
                    found="names of certificates, and no authority whose certificates clients may show",
                    allowed="certificates together with `gateway.tls.client_ca_file`",
                    remedy="set `gateway.tls.client_ca_file`, or remove `certificates`",
                ),
            )


def _guardrails(raw: Any) -> Found:
    sets = section(raw, "gateway", "guardrails")
    for client, settings in section(raw, "clients").items():
        named = section(settings).get("guardrails")
        yield from unknown(("clients", client, "guardrails"), named, sets, "sets of `gateway.guardrails`", "a set")
    for name, rules in sets.items():
        for place in ("before", "after"):
            for hook, settings in section(rules, place).items():
                if section(settings).get("style") == "chat" and section(settings).get("model") is None:
                    # A chat model cannot be asked without its name.
                    yield (
                        ("gateway", "guardrails", name, place, hook, "model"),
                        Problem(
                            where="",
                            found="nothing",
                            allowed="a model's name, with `style: chat`",
                            remedy="add `model:` with the name that the endpoint knows it by",
                        ),
                    )
