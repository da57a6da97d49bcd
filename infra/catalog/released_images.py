"""Images of slipway's own latest release, by target of serving_image/Dockerfile."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from infra.plan.types import Image

RELEASED = Path(__file__).parent / "released_images.json"


def released_image(target: str, registry: str | None = None) -> Image | None:
    """The image by its digest, where the release put it or in a `registry` that it was copied to; None while there is
    no release, and of what no release has."""
    known = _read()
    reference: str | None = known["images"].get(target)
    if reference is None:
        return None
    repository, _, digest = reference.partition("@")
    return Image(
        repository=f"{registry}/{target}" if registry else repository,
        tag=known["version"],
        digest=digest,
        entry=target,
    )


@cache
def _read() -> Any:
    return json.loads(RELEASED.read_text(encoding="utf-8"))
