"""The images that ours are built on: the arguments of serving_image/Dockerfile, and the catalogue's own engines."""

import re
from dataclasses import dataclass
from pathlib import Path

from tools.checkout import ROOT

DOCKERFILE = ROOT / "serving_image" / "Dockerfile"
CATALOGUE = ROOT / "infra" / "catalog" / "engine_versions.json"
# `ARG NAME=repository:tag@digest` before the first stage.
_BASE = re.compile(
    r"^ARG (?P<name>[A-Z_]+)=(?P<repository>[^\s@]+):(?P<tag>[^\s:@/]+)(?:@(?P<digest>sha256:[0-9a-f]{64}))?$"
)


@dataclass(frozen=True, kw_only=True)
class Base:
    """An image by name and tag; `digest` is None while nobody has resolved the tag."""

    repository: str
    tag: str
    digest: str | None


def bases(dockerfile: Path) -> dict[str, Base]:
    """Every base by its argument."""
    text = dockerfile.read_text(encoding="utf-8").partition("\nFROM ")[0]
    found = (match for line in text.splitlines() if (match := _BASE.match(line)))
    return {
        match["name"]: Base(repository=match["repository"], tag=match["tag"], digest=match["digest"]) for match in found
    }


def with_digest(dockerfile: str, name: str, base: Base, digest: str) -> str:
    """The Dockerfile's text with another digest for one base."""
    return re.sub(
        rf"^ARG {name}=.*$",
        f"ARG {name}={base.repository}:{base.tag}@{digest}",
        dockerfile,
        count=1,
        flags=re.MULTILINE,
    )
