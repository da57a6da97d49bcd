"""What every stack file serves, and where the same model is another version elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from infra.load import load_file
from infra.plan.model_cards import model_card, short_version
from infra.sources import SOURCES


@dataclass(frozen=True, kw_only=True)
class Served:
    """One model of one stack."""

    stack: str
    model: str
    engine: str
    source: str
    version: str
    sha256: str | None
    license: str | None
    gated: bool | None
    quantization: str | None
    revision: str | None
    parent: str | None
    made_by: str | None
    trained_on: str | None
    evaluated: str | None


def served(files: Iterable[Path]) -> list[Served]:
    """Every model of these stack files, in their order. Raises Refused."""
    found: list[Served] = []
    for file in files:
        for name, settings in load_file(file).models.items():
            weights = SOURCES[settings.source.kind].weights(settings.source)
            card = model_card(settings, weights)
            found.append(
                Served(
                    stack=file.name.split(".")[1],
                    model=name,
                    engine=settings.engine.kind,
                    source="/".join(part for part in (card.source, card.file) if part),
                    version=short_version(weights),
                    sha256=weights.sha256,
                    license=card.license,
                    gated=card.gated,
                    quantization=card.quantization,
                    revision=weights.revision,
                    parent=card.parent,
                    made_by=card.made_by,
                    trained_on=card.trained_on,
                    evaluated=card.evaluated,
                )
            )
    return found


def drift(found: Iterable[Served]) -> dict[str, dict[str, list[str]]]:
    """Models that are not the same weights everywhere: by model and by `source @ version`, the stacks."""
    versions: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        versions[one.model][f"{one.source} @ {one.version}"].append(one.stack)
    return {model: dict(of) for model, of in versions.items() if len(of) > 1}
