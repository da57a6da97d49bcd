"""Sites, models and clients of two plans: which are new, gone or other, and in which fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from infra.plan.change_types import Change, FieldChange
from infra.plan.plan_data import (
    Data,
    Plain,
    at,
    different_leaves,
    gateway_file,
    mapping,
    node_pools,
    presented,
    sequence,
    span,
    text,
    texts,
)

Fields = Mapping[str, Plain]
# Of details that have no name of their own, so many are listed; the plan's JSON has all.
MOST_DETAILS = 8
# Keys that older plans do not have, and how fields from them begin: what only one version tells is no change.
_LATER = {"security": "security: ", "cold_start": "cold start"}
# How a client is limited, and what is done with its requests; keys are no part of a plan.
_NOT_OF_A_CLIENT = ("key_sha256",)


def site_changes(before: Data, after: Data) -> tuple[Change, ...]:
    """By platform, endpoint, replicas, gateways, node pools and whatever its platform says of it."""
    return _changes(mapping(before, "sites"), mapping(after, "sites"), _site_fields, _site_details)


def model_changes(before: Data, after: Data) -> tuple[Change, ...]:
    """By what it is and runs on; models of others too."""
    return (
        *_changes(mapping(before, "models"), mapping(after, "models"), _model_fields, _container_details),
        *_changes(mapping(before, "remote_models"), mapping(after, "remote_models"), _remote_fields, _no_details),
    )


def client_changes(before: Data, after: Data) -> tuple[Change, ...]:
    """By models, limits and rules."""
    return _changes(clients(before), clients(after), _client_fields, _no_details)


def clients(plan: Data) -> dict[str, Data]:
    """The clients with all that gateways know of each."""
    files = [file for site in mapping(plan, "sites").values() if (file := gateway_file(site))]
    found = {name: {**mapping(client)} for name, client in mapping(plan, "clients").items()}
    for file in reversed(files):
        for name, client in mapping(file, "clients").items():
            if name in found:
                found[name] |= mapping(client)
    return dict(found)


def other_changes(before: Data, after: Data) -> tuple[FieldChange, ...]:
    """What is of no site, model or client."""
    fields = ("topology", "deployed_sites", "gateway_keep_alive_seconds", "links")
    return tuple(
        FieldChange(field=field.replace("_", " "), before=_links(before, field), after=_links(after, field))
        for field in fields
        if field in before and field in after and before[field] != after[field]
    )


def _links(plan: Data, field: str) -> Plain:
    if field != "links":
        return presented(at(plan, field))
    return "; ".join(
        f"{text(link, 'source')} to {text(link, 'target')} ({text(link, 'reason')}): {presented(at(link, 'models'))}"
        f" for {presented(at(link, 'clients')) or 'nobody'}"
        for link in sequence(plan, "links")
    )


def _changes(
    before: Data,
    after: Data,
    fields: Callable[[Any], Fields],
    details: Callable[[Any, Any, bool], Iterator[FieldChange]],
) -> tuple[Change, ...]:
    return tuple(_each(before, after, fields, details))


def _each(
    before: Data,
    after: Data,
    fields: Callable[[Any], Fields],
    details: Callable[[Any, Any, bool], Iterator[FieldChange]],
) -> Iterator[Change]:
    for name in dict.fromkeys([*before, *after]):
        if name not in after:
            gone = fields(before[name]).items()
            yield Change(name=name, status="removed", fields=_filled((f, value, None) for f, value in gone))
        elif name not in before:
            new = fields(after[name]).items()
            yield Change(name=name, status="added", fields=_filled((f, None, value) for f, value in new))
        elif before[name] != after[name]:
            old, new = fields(before[name]), fields(after[name])
            later = tuple(
                said for key, said in _LATER.items() if not all(key in mapping(side, name) for side in (before, after))
            )
            both = [(f, old.get(f), new.get(f)) for f in dict.fromkeys([*old, *new]) if not f.startswith(later)]
            found = _filled((f, was, now) for f, was, now in both if was != now)
            found += tuple(details(before[name], after[name], not found))
            if found:
                yield Change(name=name, status="changed", fields=found)


def _filled(found: Iterator[tuple[str, Plain, Plain]]) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(field=field, before=was, after=now)
        for field, was, now in found
        if not (was is None and now is None)
    )


def _site_fields(site: Any) -> Fields:
    pools = node_pools(site)
    summary = {
        key: presented(value)
        for key, value in mapping(site, "summary").items()
        # Said by the pools themselves, below.
        if not (pools and key.startswith("node pool "))
    }
    found: dict[str, Plain] = {
        "platform": text(site, "platform"),
        "endpoint": text(site, "endpoint"),
        **{f"replicas of {model}": span(replicas) for model, replicas in mapping(site, "replicas").items()},
        "gateways": presented(at(site, "gateways")),
        **summary,
        **{f"security: {key}": presented(value) for key, value in mapping(site, "security").items()},
    }
    for name, pool in pools.items():
        found[f"node pool {name}: machine"] = text(pool, "shape")
        found[f"node pool {name}: machines"] = span({"min": at(pool, "min_nodes"), "max": at(pool, "max_nodes")})
        found[f"node pool {name}: bought as"] = " then ".join(texts(pool, "purchase"))
    return found


def _site_details(before: Any, after: Any, alone: bool) -> Iterator[FieldChange]:
    """What a platform knows of a site and no field above shows. Only where these show nothing: most of it follows
    from them, or from models and clients, which are listed by themselves."""
    if not alone:
        return
    left = [dict(mapping(site, "details")) for site in (before, after)]
    for details in left:
        for key in ("serving", "engines", "specification", "gateway_config", "pools"):
            details.pop(key, None)
    yield from few(different_leaves(left[0], left[1]))


def _model_fields(model: Any) -> Fields:
    accelerator = mapping(model, "accelerator")
    image = mapping(model, "container", "image")
    found: dict[str, Plain] = {
        "engine": text(model, "engine"),
        "weights": weights(model),
        "accelerator": f"{presented(at(accelerator, 'count'))} × {text(accelerator, 'type')}"
        if accelerator
        else "processors",
        # A plan from before there were several has none.
        "nodes": presented(at(model, "nodes") or 1),
        "replicas": span(model, "replicas"),
        "sites": presented(at(model, "sites")),
        "context tokens": presented(at(model, "context_tokens")),
        "longest answer, tokens": presented(at(model, "max_output_tokens")),
        "requests at once": presented(at(model, "concurrent_requests")),
        "longest generation, s": presented(at(model, "drain", "longest_generation_seconds")),
        "cold start, s": presented(at(model, "cold_start", "total_seconds")),
        "longest wait, s": presented(at(model, "drain", "longest_wait_seconds")),
    }
    if text(image, "repository"):
        tag, digest = text(image, "tag"), text(image, "digest")
        found["image"] = f"{image['repository']}{f':{tag}' if tag else ''}{f'@{digest}' if digest else ''}"
    return found


def weights(model: Any) -> str | None:
    """Where weights are, and which."""
    place, file = text(model, "weights", "location"), text(model, "weights", "file")
    if place is None:
        return None
    version = text(model, "weights", "revision") or text(model, "weights", "sha256") or "no version"
    return f"{place}{f'/{file}' if file else ''} @ {version[:12]}"


def _container_details(before: Any, after: Any, alone: bool) -> Iterator[FieldChange]:
    """How the engine is started; of another engine everything is other."""
    del alone
    if at(before, "engine") != at(after, "engine"):
        return
    old, new = (_options(sequence(model, "engine_arguments")) for model in (before, after))
    if old and new:
        for name in dict.fromkeys([*old, *new]):
            if old.get(name) != new.get(name):
                yield FieldChange(field=f"argument {name}", before=old.get(name), after=new.get(name))
    left = [
        {key: value for key, value in mapping(model, "container").items() if key not in ("image", "arguments")}
        for model in (before, after)
    ]
    yield from few(different_leaves(left[0], left[1]))


def _options(arguments: Sequence[Any]) -> dict[str, str]:
    """Arguments by their names; one without a name by its place."""
    found: dict[str, str] = {}
    name = ""
    for place, argument in enumerate(map(str, arguments)):
        if argument.startswith("-") and not argument[1:2].isdigit():
            name, _, value = argument.partition("=")
            found[name] = " ".join(filter(None, (found.get(name), value or "(set)")))
        elif name:
            found[name] = f"{found[name]} {argument}".removeprefix("(set) ")
        else:
            found[str(place + 1)] = argument
    return found


def _remote_fields(model: Any) -> Fields:
    return {
        "context tokens": presented(at(model, "context_tokens")),
        "longest answer, tokens": presented(at(model, "max_output_tokens")),
        "upstreams": presented(at(model, "upstreams")),
        "longest generation, s": presented(at(model, "drain", "longest_generation_seconds")),
    }


def _client_fields(client: Any) -> Fields:
    return {
        key.replace("_", " "): presented(value) for key, value in mapping(client).items() if key not in _NOT_OF_A_CLIENT
    }


def _no_details(before: Any, after: Any, alone: bool) -> Iterator[FieldChange]:
    del before, after, alone
    return iter(())


def few(leaves: Iterator[tuple[str, Plain, Plain]]) -> Iterator[FieldChange]:
    """The first of them, and how many more."""
    found = list(leaves)
    for path, was, now in found[:MOST_DETAILS]:
        yield FieldChange(field=path, before=was, after=now)
    if (left := len(found) - MOST_DETAILS) > 0:
        yield FieldChange(field="and more", before=None, after=f"{left} details, in the plan's JSON")
