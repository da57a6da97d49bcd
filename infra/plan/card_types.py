"""The card of a model in a plan."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is known of a model's weights; None where nobody says. `source` is where they are from, `version` what tells
    them from others (a commit or a digest), `gated` whether its publisher must let one in first."""

    source: str
    file: str | None
    version: str | None
    license: str | None
    gated: bool | None
    quantization: str | None
    parent: str | None
    made_by: str | None
    trained_on: str | None
    evaluated: str | None

    @property
    def said(self) -> dict[str, str]:
        """For clients: what is known, in words."""
        fields = ("source", "version", "license", "quantization", "parent", "made_by", "trained_on", "evaluated")
        return {field: value for field in fields if (value := getattr(self, field)) is not None}
