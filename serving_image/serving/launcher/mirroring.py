"""`python -m serving.launcher mirror WEIGHTS…`: copies weights from a hub into a bucket, checked, once, and ends.

Each argument is JSON: `to` is the address in the bucket, the rest is where they come from, as in a specification. A
file is an object only if its digest was right, and the list of digests comes last: what is half is never taken for
whole. What is there already is not copied again. Nothing is kept on a disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp

from serving.launcher.bucket import Bucket, Busy, opened, patiently
from serving.launcher.bucket_weights import DIGESTS, read_digests, written_digests
from serving.launcher.fetched import UNSAFE
from serving.launcher.refusal import Refusal
from serving.launcher.repository import Entry, Large, blob_digest, endpoint, listed, needed
from serving.launcher.specification import Weights
from serving.launcher.weights import another_file, not_served
from serving.launcher.weights_command import decoded, for_each

LOG = logging.getLogger("slipway.launcher")
# In memory: two of each file that is copied, one that comes and one that goes.
AT_ONCE = 3
PART_BYTES = 32 * 1024 * 1024
# Of S3 (its user guide, multipart upload limits, read 2026-11).
MOST_PARTS = 10_000


class Mirrored(Weights, frozen=True):
    """Weights of a hub, and the address of the prefix that they are put below."""

    to: str


def main(arguments: list[str]) -> int:
    """0 when everything is in its bucket."""
    fields = "to, kind, location, file, revision, sha256"
    return for_each(arguments, _mirror, command="mirror", about=__doc__, fields=fields)


async def _mirror(text: str, token: str | None) -> None:
    await mirror(decoded(text, Mirrored, "to"), token)


async def mirror(wanted: Mirrored, token: str | None) -> None:
    """Weights below their prefix, with the list that says that they are whole. Raises Refusal."""
    if wanted.kind != "huggingface" or (wanted.file or "").endswith(UNSAFE):
        raise Refusal(
            where=f"weights of {wanted.location}",
            found=f"`{wanted.file or wanted.kind}`",
            allowed="safetensors or GGUF of a Hugging Face repository",
            remedy="choose such weights, or put them into a bucket by hand (`source: {kind: s3}`)",
        )
    try:
        async with opened(wanted.to) as bucket:
            if await _is_whole(bucket):
                LOG.info("%s is whole", wanted.to)
                return
            await bucket.put(DIGESTS, written_digests(await _copied(wanted, bucket, token)))
            LOG.info("%s is whole, checked", wanted.to)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Refusal(
            where=f"weights of {wanted.location}, for {wanted.to}",
            found=f"the copy broke off: {error or type(error).__name__}",
            allowed="a reachable hub and a reachable bucket",
            remedy="run it again, it continues with the file at which it stopped",
        ) from None


async def _is_whole(bucket: Bucket) -> bool:
    """Whether the list is there, and everything that it names as it says."""
    if await bucket.look_at(DIGESTS) is None:
        return False
    digests = await read_digests(bucket, None)
    found = [await bucket.look_at(path) for path in digests]
    return [each and each.sha256 for each in found] == [*digests.values()]


async def _copied(wanted: Mirrored, bucket: Bucket, token: str | None) -> dict[str, str]:
    """The digests, by path. Small files come first: a right that is missing shows before much was moved."""
    if wanted.file is None:
        entries = needed(await listed(wanted, token), wanted.location)
    else:
        entries = [await _one_file(wanted, wanted.file, token)]
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(entry: Entry) -> str:
        async with turns:
            digest = await _copy(entry, _address(wanted, entry.path), bucket, token)
            LOG.info("%s is in the bucket", entry.path)
            return digest

    found = {entry.path: await one(entry) for entry in entries if entry.lfs is None}
    try:
        async with asyncio.TaskGroup() as group:
            tasks = {entry.path: group.create_task(one(entry)) for entry in entries if entry.lfs}
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return found | {path: task.result() for path, task in tasks.items()}


async def _one_file(wanted: Mirrored, file: str, token: str | None) -> Entry:
    """A file whose digest is known, and whose size the hub says."""
    url = _address(wanted, file)

    async def ask() -> int:
        async with _asked(url, token, "bytes=0-0") as answer:
            return int((answer.headers.get("content-range") or "/").rpartition("/")[2] or answer.content_length or 0)

    size = await patiently(ask)
    return Entry(type="file", path=file, size=size, lfs=Large(oid=wanted.sha256 or "", size=size))


async def _copy(entry: Entry, url: str, bucket: Bucket, token: str | None) -> str:
    known = await bucket.look_at(entry.path)
    if entry.lfs and known and known.sha256 == entry.lfs.oid:
        return entry.lfs.oid
    if entry.lfs and entry.size > PART_BYTES:
        digest = hashlib.sha256()
        async with bucket.put_in_parts(entry.path, entry.lfs.oid) as take:
            async for part in _parts(url, entry.size, token):
                await asyncio.to_thread(digest.update, part)
                await take(part)
            if digest.hexdigest() != entry.lfs.oid:
                raise another_file(url, digest.hexdigest(), entry.lfs.oid)
        return entry.lfs.oid
    content = b"".join([part async for part in _parts(url, entry.size, token)])
    found = hashlib.sha256(content).hexdigest()
    if found != entry.lfs.oid if entry.lfs else blob_digest(content) != entry.oid:
        raise another_file(url, found, entry.lfs.oid if entry.lfs else f"of Git's blob {entry.oid}")
    if known is None or known.sha256 != found:
        await bucket.put(entry.path, content)
    return found


async def _parts(url: str, size: int, token: str | None) -> AsyncGenerator[bytes]:
    """The file piece by piece, each asked for on its own: a connection that breaks costs one."""
    length = max(PART_BYTES, -(-size // MOST_PARTS))
    for begin in range(0, size, length):
        yield await patiently(lambda begin=begin: _part(url, begin, min(size, begin + length), token))


async def _part(url: str, begin: int, end: int, token: str | None) -> bytes:
    async with _asked(url, token, f"bytes={begin}-{end - 1}") as answer:
        content = await answer.read()
    if len(content) != end - begin:
        raise aiohttp.ClientPayloadError("another part than was asked for")
    return content


@asynccontextmanager
async def _asked(url: str, token: str | None, wanted: str) -> AsyncGenerator[aiohttp.ClientResponse]:
    headers = {"Accept-Encoding": "identity", "Range": wanted}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
    async with (
        aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
        session.get(url, headers=headers) as answer,
    ):
        if answer.status == 429 or answer.status >= 500:
            raise Busy(f"HTTP {answer.status} for {url}")
        if answer.status not in (200, 206):
            raise not_served(url, answer.status, token)
        yield answer


def _address(wanted: Weights, path: str) -> str:
    return f"{endpoint()}/{wanted.location}/resolve/{wanted.revision}/{path}"
