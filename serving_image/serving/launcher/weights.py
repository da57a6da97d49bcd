"""Finds or fetches weights, and checks their digest before anything reads them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path

import aiohttp

from serving.launcher.refusal import Refusal
from serving.launcher.specification import Weights

CHUNK_BYTES = 8 * 1024 * 1024
HUGGINGFACE = "https://huggingface.co"


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


def check_digest(path: Path, sha256: str | None) -> None:
    """Raises Refusal unless the file is there, readable, and exactly the one that was meant."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise Refusal(
            where=f"weights file {path}",
            found=(error.strerror or "an unreadable file").lower(),
            allowed="a readable weights file",
            remedy="put the file there, or change `source`",
        ) from None
    if sha256 is not None and digest.hexdigest() != sha256:
        raise Refusal(
            where=f"weights file {path}",
            found=f"SHA-256 {digest.hexdigest()}",
            allowed=f"SHA-256 {sha256}",
            remedy="the file is damaged or another one: fetch it again, or correct `sha256` if the change is meant",
        )


async def fetch(weights: Weights, cache: Path, token: str | None) -> Path:
    """The file of a Hugging Face repository at its commit, downloaded once into `cache`; resumes a broken download.

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
    if target.exists():
        return target
    partial = target.with_suffix(target.suffix + ".partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    endpoint = os.environ.get("HF_ENDPOINT", HUGGINGFACE).rstrip("/")
    url = f"{endpoint}/{weights.location}/resolve/{weights.revision}/{weights.file}"
    have = partial.stat().st_size if partial.exists() else 0
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(url, headers=headers) as answer,
        ):
            if answer.status == 416 and have:  # nothing is missing: the digest decides
                partial.replace(target)
                return target
            if answer.status not in (200, 206):
                raise _not_served(url, answer.status, token)
            with partial.open("ab" if answer.status == 206 else "wb") as stream:
                async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                    stream.write(chunk)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Refusal(
            where=url,
            found=f"the download broke off: {error or type(error).__name__}",
            allowed="a reachable server and room on the disk",
            remedy="run it again, it continues where it stopped",
        ) from None
    partial.replace(target)
    return target


def _not_served(url: str, status: int, token: str | None) -> Refusal:
    gated = status in (401, 403)
    return Refusal(
        where=url,
        found=f"HTTP {status}" + (" with the token given" if gated and token else ""),
        allowed="a file that this server hands out",
        remedy="accept the model's licence and run `pulumi config set --secret slipway:huggingface_token`"
        if gated
        else "check `repo`, `revision` and `file` on the repository's page",
    )
