"""What one tuning is told. The file is JSON; unknown fields are refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Unusable(Exception):
    """What was given cannot be used; the text says why, in one line."""


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """Differential privacy of each line of data: whoever has the weights can hardly tell whether it was in the data."""

    epsilon: float
    delta: float
    max_gradient_norm: float


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Sites on other machines, by name, which dial `address` (HOST:PORT); it listens at `bind`, and `invitations` is
    the folder with what they know each other by."""

    sites: tuple[str, ...]
    address: str
    bind: str
    invitations: Path


@dataclass(frozen=True, kw_only=True)
class Joins:
    """The rounds of a `coordinator` (HOST:PORT) on another machine, as one of its sites, with the file that it wrote
    for it. How it is learned, but for privacy, is what the coordinator says."""

    coordinator: str
    site: str
    invitation: Path


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """`base` is a GGUF file or a folder as Hugging Face has it, and `result` becomes one of the same form. `data` is a
    file of JSON lines or a folder of them. `checkpoints` outlives this process, or a killed one begins again.

    Instead of `data` there may be that of several `sites`, by name: each is learned by a process of its own, in so many
    `rounds` of all epochs, after each of which their adapters are averaged. Further ones may be `elsewhere`; one that
    is such a site itself `joins`."""

    base: Path
    data: Path
    result: Path
    checkpoints: Path
    rank: int = 8
    alpha: int = 16
    learning_rate: float = 1e-3
    epochs: int = 4
    batch: int = 4
    max_tokens: int = 512
    checkpoint_steps: int = 10
    seed: int = 0
    threads: int = 0
    privacy: Privacy | None = None
    rounds: int = 0
    sites: Mapping[str, Path] = field(default_factory=dict)
    elsewhere: Elsewhere | None = None
    joins: Joins | None = None

    @property
    def all_sites(self) -> tuple[str, ...]:
        """Their names, wherever they are; none where nothing is averaged here."""
        return tuple(sorted({*self.sites, *(self.elsewhere.sites if self.elsewhere else ())}))

    def decisive(self) -> dict[str, Any]:
        """What the result depends on, beside base and data."""
        kept = dataclasses.asdict(self)
        for place in ("base", "data", "result", "checkpoints", "checkpoint_steps", "threads", "sites"):
            del kept[place]
        del kept["elsewhere"], kept["joins"]
        if not self.rounds:
            del kept["rounds"]
        return kept

    def as_told(self, told: Mapping[str, Any]) -> Tuning:
        """A site's, by what its coordinator says of how it is learned: but for its own privacy, if it has one."""
        asked = dict(told)
        privacy = _kind(Privacy, asked.pop("privacy"))
        return dataclasses.replace(self, **asked, privacy=self.privacy or privacy)


def read(path: Path, **given: Path) -> Tuning:
    """The tuning in a file, with the places that are given beside it. Raises Unusable."""
    try:
        told = json.loads(path.read_text(encoding="utf-8")) | given
        # Whoever averages reads no data.
        data = told.pop("data") if not told.get("elsewhere") else told.pop("data", {})
        by_site = isinstance(data, dict)
        sites = {name: Path(place) for name, place in data.items()} if by_site else {}
        if by_site and told.get("rounds", 0) < 1:
            raise ValueError("data of sites is learned in one round or more")
        told["data"] = "/nonexistent" if by_site else data
        if not by_site:
            told.pop("rounds", None)
        places = {name: Path(told.pop(name)) for name in ("base", "data", "result", "checkpoints")}
        kinds = {
            "privacy": _kind(Privacy, told.pop("privacy", None)),
            "elsewhere": _kind(Elsewhere, told.pop("elsewhere", None)),
            "joins": _kind(Joins, told.pop("joins", None)),
        }
        return Tuning(**places, **told, **kinds, sites=sites)
    except KeyError as missing:
        raise Unusable(f"{path}: {missing} is missing") from None
    except (OSError, ValueError, TypeError, AttributeError) as why:
        raise Unusable(f"{path}: {why}") from None


def _kind(kind: type[Any], told: Mapping[str, Any] | None) -> Any:
    """One of its parts, in which paths and lists are what they are here."""
    if told is None:
        return None
    as_it_is = {"invitation": Path, "invitations": Path, "sites": tuple}
    return kind(**{name: as_it_is.get(name, lambda same: same)(value) for name, value in told.items()})
