"""Recorded registrations of Kubernetes objects as manifests: what each cluster would be sent, secrets replaced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from infra.render.registrations import Registration, plain
from infra.render.site import sites

PREFIX = "kubernetes:"
# What belongs to no namespace. No namespace can have this name.
CLUSTER = "_cluster"
Manifest = dict[str, Any]


def is_object(registration: Registration) -> bool:
    """Whether it is sent to a Kubernetes API as it is."""
    return registration.custom and registration.type.startswith(PREFIX) and "kind" in registration.inputs


def manifest(registration: Registration) -> Manifest:
    """One object as it would be applied."""
    return plain(registration.inputs)


def manifests(seen: Iterable[Registration]) -> dict[str, Manifest]:
    """Every object by the file it goes to, in order: a folder for each site, which is one cluster, and in it one for
    each namespace."""
    seen = list(seen)
    site_of = sites(seen)
    found: dict[str, Manifest] = {}
    for registration in filter(is_object, seen):
        one = manifest(registration)
        path = f"{site_of[registration.urn]}/{_namespace(one)}/{file_name(one)}"
        if path in found:
            raise ValueError(f"two objects of one kind and name: {path}")
        found[path] = one
    return dict(sorted(found.items()))


def file_name(one: Mapping[str, Any]) -> str:
    """Its kind and name."""
    # A role's name may have what a file's must not.
    return f"{one['kind'].lower()}-{one['metadata']['name'].replace('/', '_')}.yaml"


def _namespace(one: Mapping[str, Any]) -> str:
    return one["metadata"].get("namespace", CLUSTER)


def pod_templates(found: Iterable[Manifest]) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Every pod's template with the name of its workload and the workload: also those inside custom resources."""
    for one in found:
        for template in _templates(one.get("spec")):
            yield f"{one['kind']} {one['metadata']['name']}", template, one


def _templates(value: Any) -> Iterator[Manifest]:
    """Whatever has containers in the specification of what it makes."""
    if isinstance(value, dict):
        section = cast(Manifest, value)
        spec = section.get("spec")
        if isinstance(spec, dict) and "containers" in spec:
            yield section
        else:
            for inner in section.values():
                yield from _templates(inner)
    elif isinstance(value, list):
        for inner in cast(list[Any], value):
            yield from _templates(inner)
