"""Files of the machine that deploys, which no pod has: refused in the plan, with what a pod can have instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from infra.naming import DEPLOYMENT_KEY
from infra.placeholders import LEAVES
from infra.plan.very_object import VeryObject
from infra.platforms.base import SiteRequest
from infra.problems import Problem


def file_problems(request: SiteRequest) -> Iterator[Problem]:
    """Every file that the gateway's part of the deployment names by its path."""
    for place, path in _named_files(VeryObject(request.gateway)):
        yield Problem(
            where=f"{DEPLOYMENT_KEY}.gateway",
            found=f"the file `{path}` ({'.'.join(place)}), and site `{request.site}`, whose gateways are pods",
            allowed="secrets by name there: a pod has no files but what the stack mounts",
            remedy="write `{secret: NAME}`, or take this out",
        )


@lru_cache(maxsize=64)
def _named_files(content: VeryObject[Mapping[str, Any]]) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Once for all the sites that have the same file."""
    return tuple(dict.fromkeys(_paths(content.value, ())))


def _paths(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():  # pyright: ignore[reportUnknownVariableType]
            here = (*place, str(key))  # pyright: ignore[reportUnknownArgumentType]
            if isinstance(inner, str) and here[-1].endswith(("file", "folder")) and inner.startswith("/"):
                yield here, inner
            # In a cluster the front door ends TLS.
            elif here != ("tls",) and not isinstance(inner, LEAVES):
                yield from _paths(inner, here)
    elif isinstance(value, list):
        for index, inner in enumerate(value):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            yield from _paths(inner, (*place, str(index)))
