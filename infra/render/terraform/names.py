"""What Pulumi's types and properties are called in Terraform, from a catalogue of schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

HERE = Path(__file__).parent


@dataclass(frozen=True)
class TerraformType:
    """`blocks` are the names of its repeated parts, at any depth."""

    name: str
    blocks: frozenset[str]

    def property(self, name: str) -> str:
        """Terraform's name of a property: Pulumi writes blocks that may repeat in the plural."""
        plain = snake(name)
        if plain in self.blocks:
            return plain
        return next((one for one in _singulars(plain) if one in self.blocks), plain)

    def properties(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Properties as Terraform has them: of a block always a list, and a map as it is."""
        return {self.property(name): self._value(self.property(name), value) for name, value in values.items()}

    def _value(self, name: str, value: Any) -> Any:
        if name not in self.blocks:
            return value
        many = cast(list[Any], value if isinstance(value, list) else [value])
        return [self.properties(cast(dict[str, Any], one)) if isinstance(one, dict) else one for one in many]


def snake(name: str) -> str:
    """Terraform's spelling of Pulumi's."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@cache
def terraform_types() -> Mapping[str, TerraformType]:
    """Every type that is known, by Pulumi's token: of `types.json` and of the platforms' files beside it."""
    files = sorted(HERE.glob("types*.json"))
    types = {token: of for path in files for token, of in json.loads(path.read_text(encoding="utf-8"))["types"].items()}
    return {token: TerraformType(found["type"], frozenset(found["blocks"])) for token, found in types.items()}


def _singulars(name: str) -> tuple[str, ...]:
    return (name.removesuffix("s"), f"{name.removesuffix('ies')}y", name.removesuffix("es"))
