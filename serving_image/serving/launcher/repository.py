"""A whole Hugging Face repository at its commit: which of its files are weights and what belongs to them, each checked.

The server says what every file must hash to: SHA-256 for large ones, Git's own SHA-1 of a blob for the others.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import msgspec

from serving.launcher.refusal import Refusal
from serving.launcher.specification import Weights
from serving.launcher.weights import HUGGINGFACE, another_file, download, not_served, sha256_of

CONFIGURATION = (".json", ".txt", ".model", ".jinja", ".tiktoken")
WEIGHTS = ".safetensors"
# The same weights in the form of their makers, beside those of the library that every engine reads.
ANOTHER_FORM = "consolidated"
MOST_FILES = 10_000
AT_ONCE = 4
TRIES = 5
PAUSE_SECONDS = 2.0


class Large(msgspec.Struct):
    """What the content of a large file hashes to (SHA-256)."""

    oid: str
    size: int


class Entry(msgspec.Struct):
    """One file of the repository. `oid` is Git's name of its content, of a pointer where `lfs` is."""

    type: str
    path: str
    oid: str = ""
    size: int = 0
    lfs: Large | None = None


_decode = msgspec.json.Decoder(list[Entry]).decode


def endpoint() -> str:
    """`HF_ENDPOINT` names another server with the same paths."""
    return (os.environ.get("HF_ENDPOINT") or HUGGINGFACE).rstrip("/")


async def fetch_repository(weights: Weights, folder: Path, token: str | None) -> dict[str, int]:
    """Brings what an engine reads of it into `folder`; returns the sizes by path. Continues where it broke off."""
    chosen = needed(await listed(weights, token), weights.location)
    folder.mkdir(parents=True, exist_ok=True)
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(entry: Entry) -> None:
        async with turns:
            await _fetch(weights, entry, folder / entry.path, token)

    try:
        async with asyncio.TaskGroup() as group:
            for entry in chosen:
                group.create_task(one(entry))
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return {entry.path: entry.size for entry in chosen}


def needed(entries: Sequence[Entry], where: str) -> list[Entry]:
    """The files that are weights or say how to read them. Raises Refusal where there are none, or where a name leads
    out of the folder."""
    files = [entry for entry in entries if entry.type == "file"]
    for entry in files:
        if any(part in ("", ".", "..") for part in entry.path.split("/")) or not entry.path.isprintable():
            raise _strange(where, "a file whose name leads elsewhere")
    weights = [entry for entry in files if entry.path.endswith(WEIGHTS) and "/" not in entry.path]
    usual = [entry for entry in weights if not entry.path.startswith(ANOTHER_FORM)]
    if not weights:
        raise Refusal(
            where=where,
            found="no safetensors",
            allowed="a repository with safetensors at its root: other formats may hold code",
            remedy="choose another repository of the model, or convert it",
        )
    return [*(entry for entry in files if entry.path.endswith(CONFIGURATION)), *(usual or weights)]


async def listed(weights: Weights, token: str | None) -> list[Entry]:
    """All that the server says is there. Raises Refusal."""
    url: str | None = f"{endpoint()}/api/models/{weights.location}/tree/{weights.revision}?recursive=true"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    found: list[Entry] = []
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True, headers=headers) as session:
        while url is not None:
            async with session.get(url) as answer:
                if answer.status != 200:
                    raise not_served(url, answer.status, token)
                try:
                    found += _decode(await answer.read())
                except msgspec.MsgspecError:
                    raise _strange(url, "an answer that lists no files") from None
                link = answer.links.get("next")
            url = str(link["url"]) if link and "url" in link else None
            if url is not None and not url.startswith(f"{endpoint()}/"):
                raise _strange(url, "a list that goes on at another server")
            if len(found) > MOST_FILES:
                raise _strange(weights.location, f"more than {MOST_FILES} files")
    return found


async def _fetch(weights: Weights, entry: Entry, target: Path, token: str | None) -> None:
    if target.is_file() and await _is(entry, target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    url = f"{endpoint()}/{weights.location}/resolve/{weights.revision}/{entry.path}"
    for tried in range(1, TRIES + 1):
        try:
            await download(url, partial, token)
            break
        except (aiohttp.ClientError, TimeoutError):
            if tried == TRIES:
                raise
            await asyncio.sleep(PAUSE_SECONDS * tried)
    if not await _is(entry, partial):
        found = await sha256_of(partial)
        partial.unlink()
        raise another_file(url, found, entry.lfs.oid if entry.lfs else f"of Git's blob {entry.oid}")
    partial.replace(target)


async def _is(entry: Entry, path: Path) -> bool:
    if path.stat().st_size != entry.size:
        return False
    if entry.lfs:
        return await sha256_of(path) == entry.lfs.oid
    content = await asyncio.to_thread(path.read_bytes)  # small, or it would be a large one
    return blob_digest(content) == entry.oid


def blob_digest(content: bytes) -> str:
    """Git's own name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _strange(where: str, found: str) -> Refusal:
    return Refusal(
        where=where,
        found=found,
        allowed="a server that lists a repository as Hugging Face's does",
        remedy="ask whoever runs that server (`HF_ENDPOINT`)",
    )
