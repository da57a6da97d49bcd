"""Objects below one address of a bucket of S3 or Cloud Storage: read by ranges, and put whole or not at all.

Google's XML API is S3's, with headers that are called otherwise and a token of the pod's own instead of a signature.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape, unescape

import aiohttp
from yarl import URL

from serving.gateway.audit.credentials import CredentialsAway, CredentialsMissing, environment_credentials
from serving.gateway.audit.sigv4 import DIALECTS, Bearer, signed_headers
from serving.launcher.refusal import Refusal

TRIES, PAUSE_SECONDS = 5, 2.0
CHUNK_BYTES = 1024 * 1024
# The one header of our own: what an object's content hashes to. A bucket itself knows that only of parts.
DIGEST = "meta-sha256"
# Nobody else is shown this pod's token.
GOOGLES = re.compile(r"https://[a-z0-9_-]+\.storage\.googleapis\.com/")
# Amazon's own host names say the region that a signature must name.
_REGION = re.compile(r"\.s3[.-](?:dualstack\.)?([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$")
_KEY, _MORE = re.compile(rb"<Key>([^<]*)</Key>"), re.compile(rb"<NextContinuationToken>([^<]+)<")
_UPLOAD = re.compile(rb"<UploadId>([^<]+)</UploadId>")
_BUSY = frozenset({429, 500, 502, 503, 504})
_Found = TypeVar("_Found")


class Busy(Exception):
    """A server that asks to be asked again later."""


@dataclass(frozen=True)
class Object:
    """What is known of an object without reading it. `sha256` is None where somebody else has put it there."""

    size: int
    sha256: str | None


async def patiently(ask: Callable[[], Awaitable[_Found]]) -> _Found:
    """Asks again after what passes by itself."""
    for tried in range(1, TRIES):
        try:
            return await ask()
        except (aiohttp.ClientError, TimeoutError, CredentialsAway, Busy):
            await asyncio.sleep(PAUSE_SECONDS * tried)
    return await ask()


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Bucket]:
    """The bucket's objects below `url`, with the credentials of this container. Raises Refusal."""
    # Without the environment's proxy, which credentials never go through. An object is as it was put.
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
        try:
            yield Bucket(url, session)
        except (CredentialsAway, Busy) as error:
            raise Refusal(
                where=url,
                found=str(error),
                allowed="an answer within several tries",
                remedy="run it again, it continues where it stopped",
            ) from None


class Bucket:
    """One prefix of one bucket."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = url.rstrip("/"), session
        named, at_google = _REGION.search(urlsplit(url).hostname or ""), GOOGLES.match(url) is not None
        self._region = named[1] if named else os.environ.get("AWS_REGION") or "us-east-1"
        self._dialect = DIALECTS["gcs" if at_google else "s3"]
        self._digest = f"{self._dialect.prefix}-{DIGEST}"
        try:
            self._credentials = environment_credentials(at_google=at_google)
        except CredentialsMissing:
            raise Refusal(
                where=url,
                found="no credentials for a bucket",
                allowed="a role of the pod (EKS Pod Identity), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                remedy="give its service account a role that may reach exactly that prefix",
            ) from None

    def address(self, name: str) -> str:
        """For people, and for what is asked."""
        return f"{self._url}/{quote(name, safe='/-_.~')}"

    async def look_at(self, name: str) -> Object | None:
        """None where it is not. Whoever may not list a bucket is told 403 of what is not there."""

        async def ask() -> Object | None:
            async with self._asked("HEAD", name) as answer:
                if answer.status in (403, 404):
                    return None
                self._expect(answer, name, 200)
                return Object(int(answer.headers["content-length"]), answer.headers.get(self._digest))

        return await patiently(ask)

    async def names(self) -> set[str]:
        """Of all that is below the prefix, as whoever may list it is told."""
        parts = urlsplit(self._url)
        root, prefix = f"{parts.scheme}://{parts.netloc}/", f"{parts.path.lstrip('/')}/"
        found: set[str] = set()
        after = ""
        while True:
            said = await patiently(lambda after=after: self._listed(root, prefix, after))
            found |= {unescape(key.decode()).removeprefix(prefix) for key in _KEY.findall(said)}
            more = _MORE.search(said)
            if more is None:
                return found
            after = f"continuation-token={quote(unescape(more[1].decode()), safe='-_.~')}&"

    async def _listed(self, root: str, prefix: str, after: str) -> bytes:
        query = f"{after}list-type=2&prefix={quote(prefix, safe='-_.~')}"
        async with self._asked("GET", "", query=query, address=root) as answer:
            self._expect(answer, "", 200)
            return await answer.read()

    async def read(self, name: str, at_most: int) -> bytes:
        """A small one, whole."""

        async def ask() -> bytes:
            async with self._asked("GET", name) as answer:
                self._expect(answer, name, 200)
                content = await answer.content.read(at_most + 1)
                while len(content) <= at_most and (more := await answer.content.read(at_most + 1 - len(content))):
                    content += more
                return content

        content = await patiently(ask)
        if len(content) > at_most:
            raise Refusal(
                where=self.address(name),
                found=f"more than {at_most} bytes",
                allowed="a list of a model's files",
                remedy="put the right file there",
            )
        return content

    async def read_into(self, descriptor: int, name: str, begin: int, end: int) -> None:
        """A range of an object, at its place in a file; what breaks off is continued."""

        async def ask() -> None:
            nonlocal begin
            async with self._asked("GET", name, headers={"range": f"bytes={begin}-{end - 1}"}) as answer:
                self._expect(answer, name, 206)
                async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                    rest = memoryview(chunk)[: end - begin]
                    while rest:
                        written = os.pwrite(descriptor, rest, begin)
                        begin, rest = begin + written, rest[written:]
            if begin < end:
                raise aiohttp.ClientPayloadError("it ended early")

        if begin < end:
            await patiently(ask)

    async def put(self, name: str, content: bytes) -> None:
        """A small one, whole: it is there with the last byte, and the bucket checks what came by its digest."""

        async def ask() -> None:
            async with self._asked("PUT", name, headers={self._digest: _sha256(content)}, body=content) as answer:
                await answer.read()
                self._expect(answer, name, 200)

        await patiently(ask)

    @asynccontextmanager
    async def put_in_parts(self, name: str, sha256: str) -> AsyncGenerator[Callable[[bytes], Awaitable[None]]]:
        """Yields what takes the next part. It is an object once the block has ended, and none if the block raises."""
        upload = await patiently(lambda: self._begun(name, sha256))
        tags: list[asyncio.Task[str]] = []

        async def take(part: bytes) -> None:
            # One part is on its way while the next one is brought.
            if tags:
                await tags[-1]
            number = len(tags) + 1
            tags.append(asyncio.create_task(patiently(lambda: self._part(name, upload, number, part))))

        try:
            yield take
            await self._completed(name, upload, [await tag for tag in tags])
        except BaseException:
            for tag in tags:
                tag.cancel()
            await asyncio.gather(*tags, return_exceptions=True)
            # One that stays is taken away by the bucket after some days.
            with suppress(aiohttp.ClientError, TimeoutError, CredentialsAway):
                async with self._asked("DELETE", name, query=f"uploadId={quote(upload, safe='-_.~')}"):
                    pass
            raise

    async def _begun(self, name: str, sha256: str) -> str:
        async with self._asked("POST", name, query="uploads=", headers={self._digest: sha256}) as answer:
            body = await answer.read()
            self._expect(answer, name, 200)
            found = _UPLOAD.search(body)
            if found is None:
                raise Busy("an answer that begins no upload")
            return unescape(found[1].decode())

    async def _part(self, name: str, upload: str, number: int, part: bytes) -> str:
        query = f"partNumber={number}&uploadId={quote(upload, safe='-_.~')}"
        async with self._asked("PUT", name, query=query, body=part) as answer:
            await answer.read()
            self._expect(answer, name, 200)
            return answer.headers["etag"]

    async def _completed(self, name: str, upload: str, tags: list[str]) -> None:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(tag)}</ETag></Part>"
            for number, tag in enumerate(tags, start=1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        async with self._asked("POST", name, query=f"uploadId={quote(upload, safe='-_.~')}", body=body) as answer:
            said = await answer.read()
            self._expect(answer, name, 200)
            # S3 answers before it has put the parts together, and says 200 of a failure too.
            if b"<CompleteMultipartUploadResult" not in said:
                raise Busy("parts that were not put together")

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        name: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        address: str | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        url = f"{address or self.address(name)}{'?' if query else ''}{query}"
        credentials = await self._credentials.current(self._session)
        digest = await asyncio.to_thread(_sha256, body)
        sent = dict(headers or {})
        if body and isinstance(credentials, Bearer):
            # A signature says what must come; a token does not.
            sent["content-md5"] = await asyncio.to_thread(_md5, body)
        signed = signed_headers(method, url, sent, digest, credentials, self._dialect, self._region)
        async with self._session.request(
            method, URL(url, encoded=True), data=body or None, headers=signed, allow_redirects=False
        ) as answer:
            yield answer

    def _expect(self, answer: aiohttp.ClientResponse, name: str, status: int) -> None:
        if answer.status in _BUSY:
            raise Busy(f"HTTP {answer.status} for {self.address(name)}")
        if answer.status != status:
            raise Refusal(
                where=self.address(name),
                found=f"HTTP {answer.status}",
                allowed="an object that is there, in this region, and that this container's role may reach",
                remedy="look whether it is there (whoever may not list gets 403 too), at the role and at the key",
            )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
