"""Weights that an engine reads out of a bucket itself: what can be known of them before it does."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import aiohttp

from serving.launcher.bucket import Bucket, opened
from serving.launcher.bucket_weights import DIGESTS, read_digests
from serving.launcher.refusal import Refusal
from serving.launcher.repository import WEIGHTS, Entry, needed
from serving.launcher.specification import Weights


async def look_at_streamed(weights: Weights) -> str:
    """The address that the engine reads at. Raises Refusal unless exactly what the list names is there, and each object
    says of itself what the list does. Nobody hashes what is read afterwards."""
    try:
        async with opened(weights.location) as bucket:
            digests = await read_digests(bucket, weights.sha256)
            named = [Entry(type="file", path=path) for path in digests]
            read = {entry.path for entry in needed(named, weights.location)}
            # An engine reads whatever has the right ending.
            for name in sorted(await bucket.names() - {*digests, DIGESTS}):
                raise _strange(bucket, name, f"an object that `{DIGESTS}` does not name", "take it away")
            for name in sorted(path for path in digests if path.endswith(WEIGHTS) and path not in read):
                raise _strange(bucket, name, "weights beside those of the model", "take it away")
            asked = sorted(digests)
            for path, found in zip(asked, await asyncio.gather(*map(bucket.look_at, asked)), strict=True):
                if found is None or found.sha256 != digests[path]:
                    said = f"an object that says {found.sha256 or 'nothing'} of itself" if found else "no object"
                    raise _strange(bucket, path, said, f"put it there with `--metadata sha256={digests[path]}`")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Refusal(
            where=f"weights in {weights.location}",
            found=f"nobody could look at them: {error or type(error).__name__}",
            allowed="a reachable bucket",
            remedy="start it again; if it stays, look at the network and the role",
        ) from None
    return address(weights.location)


def address(location: str) -> str:
    """As readers of buckets call it: the bucket's name is the host's first part, or else the path's."""
    parts = urlsplit(location)
    bucket, _, rest = (parts.hostname or "").partition(".s3.")
    return f"s3://{bucket}{parts.path}" if rest.endswith("amazonaws.com") else f"s3:/{parts.path}"


def _strange(bucket: Bucket, name: str, found: str, remedy: str) -> Refusal:
    return Refusal(
        where=bucket.address(name),
        found=found,
        allowed=f"the objects that `{DIGESTS}` names, each with its digest as its metadata `sha256`",
        remedy=f"{remedy}, or fetch these weights instead (`stream_weights: false`)",
    )
