"""Finds or fetches weights, and checks their digest before anything reads them."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import importlib.util
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import aiohttp

from serving.launcher.refusal import Refusal
from serving.launcher.specification import Weights

LOG = logging.getLogger("slipway.launcher")
CHUNK_BYTES = 8 * 1024 * 1024
HUGGINGFACE = "https://huggingface.co"
LOCK_POLL_SECONDS = 0.2


def package_file(weights: Weights) -> Path:
    """The file inside an installed package. The package is located, never imported: its code does not run."""
    try:
        found = importlib.util.find_spec(weights.location)
    except (ImportError, ValueError):
        found = None
    folders = list(found.submodule_search_locations or []) if found else []
    if not folders:
        raise Refusal(
            where=f"weights package `{weights.location}`",
            found="no such package in the environment that serves",
            allowed="an installed Python package with the file inside",
            remedy="install it (`make up` installs what requirements/local.txt names), or change `source`",
        )
    return Path(folders[0]) / (weights.file or "")


async def check_digest(path: Path, sha256: str | None) -> None:
    """Raises Refusal unless the file is there, readable, and exactly the one that was meant."""
    try:
        found = await sha256_of(path)
    except OSError as error:
        raise Refusal(
            where=f"weights file {path}",
            found=(error.strerror or "an unreadable file").lower(),
            allowed="a readable weights file",
            remedy="put the file there, or change `source`",
        ) from None
    if sha256 is not None and found != sha256:
        raise another_file(f"weights file {path}", found, sha256)


def read_token(path: Path) -> str:
    """The Hugging Face token in a file. Raises Refusal that does not show it."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        token, found = "", f"{type(error).__name__} while reading it"
    else:
        found = "no single word of printable ASCII"
    if not token or not token.isprintable() or " " in token:
        raise Refusal(
            where=f"Hugging Face token in {path}",
            found=found,
            allowed="one token",
            remedy="run `pulumi config set --secret slipway:huggingface_token` with the token alone",
        )
    return token


async def fetch(weights: Weights, cache: Path, token: str | None) -> Path:
    """The file of a Hugging Face repository at its commit, checked; kept in `cache`, resumed where it broke off.

    `HF_ENDPOINT` names another server with the same paths. The token goes to that server only, not where it redirects.
    """
    if weights.file is None or weights.revision is None or weights.sha256 is None:
        raise Refusal(
            where=f"weights of {weights.location}",
            found="a repository without one file and its SHA-256",
            allowed="one file with its digest",
            remedy="name `file` and `sha256` in `source`",
        )
    target = cache / weights.sha256 / Path(weights.file).name
    partial = target.with_suffix(target.suffix + ".partial")
    endpoint = (os.environ.get("HF_ENDPOINT") or HUGGINGFACE).rstrip("/")
    url = f"{endpoint}/{weights.location}/resolve/{weights.revision}/{weights.file}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        async with alone(target.parent / "lock"):
            if target.exists():
                if await sha256_of(target) == weights.sha256:
                    return target
                LOG.warning("%s is damaged; fetching it again", target)
                target.unlink()
            await download(url, partial, token)
            found = await sha256_of(partial)
            if found != weights.sha256:
                partial.unlink()
                raise another_file(url, found, weights.sha256)
            partial.replace(target)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Refusal(
            where=url,
            found=f"the download broke off: {error or type(error).__name__}",
            allowed="a reachable server, and room on the disk",
            remedy="run it again, it continues where it stopped",
        ) from None
    return target


async def download(url: str, partial: Path, token: str | None) -> None:
    """Fetches what is missing of a file. Raises Refusal, OSError or an error of aiohttp."""
    have = partial.stat().st_size if partial.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # a part of a compressed answer could not be continued
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if have:
        headers["Range"] = f"bytes={have}-"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
    async with (
        aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
        session.get(url, headers=headers) as answer,
    ):
        if answer.status == 416 and have:  # nothing is missing: the digest decides
            return
        if answer.status not in (200, 206):
            raise not_served(url, answer.status, token)
        with partial.open("ab" if answer.status == 206 else "wb") as stream:
            async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                stream.write(chunk)


@asynccontextmanager
async def alone(lock: Path) -> AsyncGenerator[None]:
    """Two models, or two deployments, may want the same file at the same time: the second waits and finds it."""
    with lock.open("w") as held:
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(LOCK_POLL_SECONDS)
        yield


async def sha256_of(path: Path) -> str:
    """Of a whole file, read in pieces."""
    digest = hashlib.sha256()

    def read_on(stream: BinaryIO) -> bool:
        chunk = stream.read(CHUNK_BYTES)
        digest.update(chunk)
        return bool(chunk)

    with path.open("rb") as stream:
        # A thread cannot be cancelled. In pieces, so that SIGTERM need not wait for the digest of 100 GB.
        while await asyncio.to_thread(read_on, stream):
            pass
    return digest.hexdigest()


def another_file(where: str, found: str, sha256: str) -> Refusal:
    """Content that is not what was meant."""
    return Refusal(
        where=where,
        found=f"SHA-256 {found}",
        allowed=f"SHA-256 {sha256}",
        remedy="the file is damaged or another one: fetch it again, or correct `sha256` if the change is meant",
    )


def not_served(url: str, status: int, token: str | None) -> Refusal:
    """A server that does not hand it out, and what to do about it."""
    gated = status in (401, 403)
    if gated:
        remedy = "accept the model's licence and run `pulumi config set --secret slipway:huggingface_token`"
    elif status == 404:
        remedy = "check `repo`, `revision` and `file` on the repository's page"
    else:
        remedy = "run it again later; if it stays, ask whoever runs that server"
    return Refusal(
        where=url,
        found=f"HTTP {status}" + (" with the token given" if gated and token else ""),
        allowed="a file that this server hands out",
        remedy=remedy,
    )
