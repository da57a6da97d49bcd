"""`python -m serving.launcher fetch WEIGHTS…`: brings weights to their places, checked, and ends.

Each argument is JSON: `path` is the place, the rest is where they come from, as in a specification. What is there
already is not fetched again; what broke off continues.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from serving.launcher.bucket_weights import fetch_from_bucket
from serving.launcher.fetched import UNSAFE, was_fetched, write_note
from serving.launcher.refusal import Refusal
from serving.launcher.repository import endpoint, fetch_repository
from serving.launcher.specification import Weights
from serving.launcher.weights import alone, another_file, check_digest, download, package_file, sha256_of
from serving.launcher.weights_command import decoded, for_each

LOG = logging.getLogger("slipway.launcher")


class Wanted(Weights, frozen=True):
    """Weights, and the place for them."""

    path: str


def main(arguments: list[str]) -> int:
    """0 when everything is at its place."""
    fields = "path, kind, location, file, revision, sha256"
    return for_each(arguments, _bring, command="fetch", about=__doc__, fields=fields)


async def _bring(text: str, token: str | None) -> None:
    await bring(decoded(text, Wanted, "path"), token)


async def bring(wanted: Wanted, token: str | None) -> None:
    """Weights at their place, with a note that they are. Raises Refusal."""
    target = Path(wanted.path)
    known: dict[str, Any] = msgspec.to_builtins(wanted)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        async with alone(target.parent / f".{target.name}.lock"):
            if was_fetched(target, known):
                LOG.info("%s is there", target)
                return
            write_note(target, known, await _fetched(wanted, target, token))
            LOG.info("%s is there, checked", target)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Refusal(
            where=f"weights of {wanted.location}, for {target}",
            found=f"the download broke off: {error or type(error).__name__}",
            allowed="a reachable server, and room on the volume",
            remedy="run it again, it continues where it stopped",
        ) from None


async def _fetched(wanted: Wanted, target: Path, token: str | None) -> dict[str, int]:
    if wanted.kind == "huggingface" and wanted.file is None:
        return await fetch_repository(wanted, target, token)
    source = wanted.file or wanted.location
    if source.endswith(UNSAFE):
        raise Refusal(
            where=f"weights of {wanted.location}",
            found=f"`{source}`, which may hold code",
            allowed="safetensors or GGUF",
            remedy="choose such a build of the model",
        )
    if wanted.kind == "s3":
        return await fetch_from_bucket(wanted, target)
    partial = target.with_name(f".{target.name}.partial")
    if wanted.kind == "huggingface":
        url = f"{endpoint()}/{wanted.location}/resolve/{wanted.revision}/{wanted.file}"
        await download(url, partial, token)
        if (found := await sha256_of(partial)) != wanted.sha256:
            partial.unlink()
            raise another_file(url, found, wanted.sha256 or "that is named: none is")
    else:
        here = package_file(wanted) if wanted.kind == "package" else Path(wanted.location)
        await check_digest(here, wanted.sha256)
        await asyncio.to_thread(shutil.copyfile, here, partial)
    partial.replace(target)
    return {"": target.stat().st_size}
