"""Recorded registrations of clouds' resources as the JSON of a Terraform plan that creates them.

As `terraform show -json` prints it, as far as checkov and a reader need: values, changes, and in the configuration
which resource refers to which. Whatever only the cloud will know is what the recorder answers in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from infra.problems import Problem
from infra.render.registrations import Registration, plain
from infra.render.terraform.names import TerraformType, terraform_types

CLOUDS = ("aws:", "gcp:")
PROVIDERS = {"aws": "registry.terraform.io/hashicorp/aws", "gcp": "registry.terraform.io/hashicorp/google"}
FORMAT_VERSION, TERRAFORM_VERSION = "1.2", "1.9.8"


def of_a_cloud(registration: Registration) -> bool:
    """Whether a cloud makes it."""
    return registration.custom and registration.type.startswith(CLOUDS)


def unmapped(seen: Iterable[Registration]) -> list[Problem]:
    """Types that nobody has looked up: leaving one out would be saying that nothing is wrong with it."""
    known = terraform_types()
    types = sorted({one.type for one in seen if of_a_cloud(one) and one.type not in known})
    return [
        Problem(
            where=token,
            found="a type whose name in Terraform is not known",
            allowed="types in infra/render/terraform/types.json",
            remedy=f"run `python -m tools.terraform.types {token}`",
        )
        for token in types
    ]


def terraform_plan(seen: Iterable[Registration]) -> dict[str, Any] | None:
    """The plan of every cloud's resources, in a stable order; None where there is none."""
    known = terraform_types()
    found = sorted((one for one in seen if of_a_cloud(one)), key=lambda one: _address(one, known))
    if not found:
        return None
    addresses = {one.urn: _address(one, known) for one in found}
    if len({*addresses.values()}) < len(addresses):
        raise ValueError("two resources with one address in Terraform")
    return {
        "format_version": FORMAT_VERSION,
        "terraform_version": TERRAFORM_VERSION,
        "planned_values": {"root_module": {"resources": [_planned(one, known) for one in found]}},
        "resource_changes": [_change(one, known) for one in found],
        "configuration": {"root_module": {"resources": [_configured(one, known, addresses) for one in found]}},
    }


Types = Mapping[str, TerraformType]


def _named(one: Registration, known: Types) -> dict[str, Any]:
    return {
        "address": _address(one, known),
        "mode": "managed",
        "type": known[one.type].name,
        "name": _label(one),
        "provider_name": PROVIDERS[one.type.partition(":")[0]],
    }


def _planned(one: Registration, known: Types) -> dict[str, Any]:
    return {**_named(one, known), "schema_version": 0, "values": _values(one, known)}


def _change(one: Registration, known: Types) -> dict[str, Any]:
    change = {"actions": ["create"], "before": None, "after": _values(one, known), "after_unknown": {}}
    return {**_named(one, known), "change": change}


def _configured(one: Registration, known: Types, addresses: Mapping[str, str]) -> dict[str, Any]:
    """With `references` to whatever a property was made from."""
    kind = known[one.type]
    expressions: dict[str, Any] = {
        kind.property(name): {"constant_value": value}
        for name, value in _values(one, known).items()
        if kind.property(name) not in kind.blocks
    }
    for name, urns in sorted(one.property_dependencies.items()):
        targets = sorted({addresses[urn] for urn in urns if urn in addresses})
        if targets:
            # A reference to an attribute, and after it to the resource, as Terraform writes them.
            references = [text for address in targets for text in (f"{address}.id", address)]
            said = {"references": references}
            expressions[kind.property(name)] = [said] if kind.property(name) in kind.blocks else said
    named = _named(one, known)
    del named["provider_name"]
    return {**named, "provider_config_key": named["type"].partition("_")[0], "expressions": expressions}


def _values(one: Registration, known: Types) -> dict[str, Any]:
    return known[one.type].properties(plain(dict(one.inputs)))


def _address(one: Registration, known: Types) -> str:
    return f"{known[one.type].name}.{_label(one)}"


def _label(one: Registration) -> str:
    """Pulumi's name as an identifier."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", one.name)
