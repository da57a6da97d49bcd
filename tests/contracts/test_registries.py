"""What holds for every registered kind and every setting, whoever adds it."""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from importlib.util import find_spec
from typing import Any, Literal, get_args, get_origin

import pytest

from infra.engines import ENGINES
from infra.engines.base import Engine, EngineSettings
from infra.load import config_schema, load_file
from infra.platforms import PLATFORMS
from infra.platforms.base import Platform, PlatformSettings
from infra.registry import Registry
from infra.releases import RELEASES
from infra.releases.base import ReleaseKind, ReleaseSettings
from infra.settings import Settings
from infra.sources import SOURCES
from infra.sources.base import Source, SourceSettings
from infra.topologies import TOPOLOGIES
from infra.topologies.base import Topology, TopologySettings
from tests.config.corpus import HAPPY, UNPLACED

REGISTRIES: dict[str, tuple[Registry[Any], type, type[Settings]]] = {
    "engines": (ENGINES, Engine, EngineSettings),
    "platforms": (PLATFORMS, Platform, PlatformSettings),
    "releases": (RELEASES, ReleaseKind, ReleaseSettings),
    "sources": (SOURCES, Source, SourceSettings),
    "topologies": (TOPOLOGIES, Topology, TopologySettings),
}
KINDS = [(name, kind) for name, (registry, _, _) in REGISTRIES.items() for kind in registry.builtin]
BASES = {base for _, _, base in REGISTRIES.values()} | {Settings}


def every_setting() -> list[type[Settings]]:
    """Every class that a user's YAML becomes; the registries have imported them all."""
    assert config_schema()
    found, left = set[type[Settings]](), [Settings]
    while left:
        below = left.pop().__subclasses__()
        found |= set(below)
        left += below
    return sorted(
        (cls for cls in found - BASES if _of_a_deployment(cls)), key=lambda cls: (cls.__name__, cls.__module__)
    )


def _of_a_deployment(cls: type[Settings]) -> bool:
    """Day one has a stack and a corpus of its own."""
    return cls.__module__.startswith("infra.") and not cls.__module__.startswith("infra.bootstrap.")


SETTINGS = every_setting()
FIELDS = [(cls, name) for cls in SETTINGS for name in cls.model_fields]


def field_name(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else str(value)


@pytest.mark.parametrize(("registry_name", "kind"), KINDS)
def test_a_kind_is_called_the_same_everywhere(registry_name: str, kind: str) -> None:
    registry, _, base = REGISTRIES[registry_name]
    assert {*registry.settings} <= {*registry.builtin}
    assert registry.name == registry_name, "the entry point group is `slipway.<name>`"
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", kind)
    assert kind in registry.builtin[kind].partition(":")[0].split("."), "one file or folder for each kind"
    settings = registry[kind].settings
    assert issubclass(settings, base)
    assert registry.settings_of(kind) is settings
    annotation = settings.model_fields["kind"].annotation
    assert get_origin(annotation) is Literal
    assert get_args(annotation) == (kind,)
    assert settings.model_fields["kind"].is_required(), "a default would hide which kind it is"


@pytest.mark.parametrize(("registry_name", "kind"), KINDS)
def test_a_kind_has_all_that_its_protocol_asks(registry_name: str, kind: str) -> None:
    registry, protocol, _ = REGISTRIES[registry_name]
    implementation = registry[kind]
    for name, member in vars(protocol).items():
        if inspect.isfunction(member) and not name.startswith("_"):
            asked = list(inspect.signature(member).parameters)[1:]
            assert list(inspect.signature(getattr(implementation, name)).parameters) == asked, name
        elif isinstance(member, property):
            assert name in ("component", "doctor", "run_time") or getattr(implementation, name) is not None, name


DEPLOYED = [(kind, platform.component) for kind, platform in PLATFORMS.items() if platform.component]


@pytest.mark.parametrize(("kind", "component"), DEPLOYED)
def test_a_platform_names_a_component_that_is_there(kind: str, component: str) -> None:
    """Found without importing it: it may need an SDK that this machine does not have."""
    module, _, name = component.partition(":")
    assert re.fullmatch(rf"infra\.platforms\.{kind}\.component\w*", module)
    spec = find_spec(module)
    assert spec
    assert spec.origin
    with open(spec.origin, encoding="utf-8") as file:
        assert re.search(rf"^class {name}\(", file.read(), re.MULTILINE)


def test_there_are_settings_to_check() -> None:
    assert {"StackConfig", "ModelSettings", "Listen", "LlamaCppSettings"} <= {cls.__name__ for cls in SETTINGS}


@pytest.mark.parametrize("cls", SETTINGS, ids=field_name)
def test_settings_are_strict_frozen_closed_and_described(cls: type[Settings]) -> None:
    asked = {"extra": "forbid", "frozen": True, "strict": True, "allow_inf_nan": False, "hide_input_in_errors": True}
    assert {key: cls.model_config.get(key) for key in asked} == asked
    assert cls.__doc__
    assert cls.__doc__.endswith(".")


@pytest.mark.parametrize(("cls", "name"), FIELDS, ids=field_name)
def test_a_field_is_described_and_named_in_full(cls: type[Settings], name: str) -> None:
    description = cls.model_fields[name].description or ""
    assert len(description) >= 10, "editors, errors and documentation show it"
    assert description.endswith((".", ".`"))
    assert description == description.strip()
    assert "\n" not in description
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)


# The last words that a number's name may have: what is counted or measured. A new unit is one word more here.
UNITS = {
    "seconds",
    "nodes",
    "milliseconds",
    "minute",
    "tokens",
    "requests",
    "bytes",
    "mebibytes",
    "gibibytes",
    "percent",
} | {
    "sites",
    "threads",
    "processors",
    "layers",
    "port",
    "asn",
    "replicas",
    "versions",
    "second",
    "minutes",
    "day",
    "days",
    "month",
    "dollars",
    "size",
    "rows",
    "characters",
    "messages",
    "choices",
    "clients",
    "users",
    "instances",
    "count",
    "gateways",
    "failures",
    "attempts",
    "epochs",
    "rounds",
    "lines",
    "steps",
    # Ranks, of a queue and of a LoRA's matrices, and ratios have no unit.
    "priority",
    "rank",
    "weight",
    "factor",
    # What trains has numbers that are known by these names.
    "rate",
    "seed",
    "epsilon",
    "delta",
    "norm",
}


@pytest.mark.parametrize(("cls", "name"), FIELDS, ids=field_name)
def test_a_number_has_its_unit_in_its_name_and_both_bounds(cls: type[Settings], name: str) -> None:
    schema = cls.model_json_schema()["properties"][name]
    described = next((option for option in schema.get("anyOf", []) if option.get("type") != "null"), schema)
    if described.get("type") in ("integer", "number"):
        assert name.rpartition("_")[2] in UNITS
        assert {"minimum", "maximum"} <= set(described), "an error says from where to where"


def test_the_corpus_has_every_kind_and_sets_every_field() -> None:
    """A kind or a field that no happy file writes is one that nobody has tried."""
    written: defaultdict[type[Settings], set[str]] = defaultdict(set)

    def note(value: Any) -> None:
        if isinstance(value, Settings):
            for cls in type(value).__mro__:
                written[cls] |= value.model_fields_set
            for field in type(value).model_fields:
                note(getattr(value, field))
        elif isinstance(value, dict):
            for inner in value.values():
                note(inner)
        elif isinstance(value, list):
            for inner in value:
                note(inner)

    for path in (*HAPPY, *UNPLACED):
        note(load_file(path))
    missing = {cls.__name__: set(cls.model_fields) - written[cls] for cls in SETTINGS}
    assert {name: fields for name, fields in missing.items() if fields} == {}
