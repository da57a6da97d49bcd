"""Weights in a bucket: one object with its digest, or a prefix with a list of digests in it, brought to their place."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from pathlib import Path

from serving.launcher.bucket import Bucket, opened
from serving.launcher.refusal import Refusal
from serving.launcher.repository import Entry, Large, needed
from serving.launcher.specification import Weights
from serving.launcher.weights import another_file, sha256_of

# As `sha256sum` writes it, and below every prefix the last to be put there: without it nothing is whole.
DIGESTS = "SHA256SUMS"
MOST_BYTES_OF_DIGESTS = 4 * 1024 * 1024
# Connections at once, and what each asks for: S3 gives 85 to 90 MB/s to one (its user guide, performance design
# patterns, read 2026-11).
AT_ONCE = 8
RANGE_BYTES = 64 * 1024 * 1024
_LINE = re.compile(r"([0-9a-f]{64}) [ *](?:\./)?(.+)")


async def fetch_from_bucket(weights: Weights, target: Path) -> dict[str, int]:
    """Brings one file to `target`, or into that folder what an engine reads; returns the sizes by path below it. Files
    that are whole are kept."""
    turns = asyncio.Semaphore(AT_ONCE)
    async with opened(weights.location) as bucket:
        if weights.file is not None:
            if weights.sha256 is None:
                raise _strange(bucket.address(weights.file), "no SHA-256 for it", "name it in `source`")
            return {"": await _fetched(bucket, weights.file, weights.sha256, target, turns)}
        digests = await read_digests(bucket, weights.sha256)
        chosen = chosen_of(digests, weights.location)
        target.mkdir(parents=True, exist_ok=True)
        try:
            async with asyncio.TaskGroup() as group:
                sizes = [
                    group.create_task(_fetched(bucket, path, digests[path], target / path, turns)) for path in chosen
                ]
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        return {path: task.result() for path, task in zip(chosen, sizes, strict=True)}


async def read_digests(bucket: Bucket, sha256: str | None) -> dict[str, str]:
    """By path. With `sha256` the list is exactly that one, and everything in it with it."""
    return digests_in(await bucket.read(DIGESTS, MOST_BYTES_OF_DIGESTS), bucket.address(DIGESTS), sha256)


def chosen_of(digests: dict[str, str], where: str) -> list[str]:
    """Of the files that a list names, those that an engine reads."""
    entries = [Entry(type="file", path=path, lfs=Large(oid=oid, size=0)) for path, oid in digests.items()]
    return [entry.path for entry in needed(entries, where)]


def digests_in(content: bytes, where: str, sha256: str | None) -> dict[str, str]:
    """What a list says, by path. Raises Refusal."""
    if sha256 is not None and (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise another_file(where, found, sha256)
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        lines = [""]
    read = [_LINE.fullmatch(line) for line in lines]
    if not all(read):
        raise _strange(where, "a line that is no digest and name", f"write it with `sha256sum`, as {DIGESTS}")
    return {line[2]: line[1] for line in read if line}


def written_digests(digests: dict[str, str]) -> bytes:
    """What `read_digests` reads."""
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(digests.items())).encode()


async def _fetched(bucket: Bucket, name: str, sha256: str, target: Path, turns: asyncio.Semaphore) -> int:
    if target.is_file() and await sha256_of(target) == sha256:
        return target.stat().st_size
    known = await bucket.look_at(name)
    if known is None:
        raise _strange(bucket.address(name), "nothing there, or nothing that this role may read", "put it there")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)

    async def one(begin: int) -> None:
        async with turns:
            await bucket.read_into(descriptor, name, begin, min(known.size, begin + RANGE_BYTES))

    try:
        async with asyncio.TaskGroup() as group:
            for begin in range(0, known.size, RANGE_BYTES):
                group.create_task(one(begin))
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    finally:
        os.close(descriptor)
    if (found := await sha256_of(partial)) != sha256:
        partial.unlink()
        raise another_file(bucket.address(name), found, sha256)
    partial.replace(target)
    return known.size


def _strange(where: str, found: str, remedy: str) -> Refusal:
    return Refusal(
        where=where,
        found=found,
        allowed=f"one object with its SHA-256, or a prefix with `{DIGESTS}` and the files that it names",
        remedy=remedy,
    )
