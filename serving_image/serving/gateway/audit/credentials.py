"""Credentials for an object store: from files, the environment, or whoever gives a container's for a while."""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
import msgspec

from serving.gateway.audit.config import ObjectStoreConfig
from serving.gateway.audit.sigv4 import Credentials

ENDPOINT, TOKEN_FILE = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
# Where plain HTTP does not leave the machine: itself, and the agents of ECS and EKS (AWS SDKs reference guide,
# container credential provider, read 2026-11).
_BESIDE = frozenset({"127.0.0.1", "localhost", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"})
# New ones are asked for so long before the old ones end, and asked for again so long after that failed.
_EARLY_SECONDS = 600.0
_ASK_SECONDS = 5.0


class CredentialsMissing(Exception):
    """Neither files nor environment have them, or these name a place that may not be asked."""


class CredentialsAway(Exception):
    """Whoever gives them does not; the text says what came instead."""


class CredentialSource(Protocol):
    """Gives what a request is signed with."""

    async def current(self, session: aiohttp.ClientSession) -> Credentials:
        """Valid now. Raises OSError, aiohttp.ClientError, TimeoutError and CredentialsAway."""
        ...


def credential_source(config: ObjectStoreConfig) -> CredentialSource:
    """From the two files; otherwise from the environment: keys, or an endpoint. Raises OSError, UnicodeDecodeError and
    CredentialsMissing."""
    if config.access_key_file is not None and config.secret_key_file is not None:
        access = Path(config.access_key_file).read_text(encoding="ascii").strip()
        secret = Path(config.secret_key_file).read_text(encoding="ascii").strip()
        return _Fixed(_whole(access, secret, None))
    return environment_credentials()


def environment_credentials() -> CredentialSource:
    """Of the environment: keys, or an endpoint. Raises CredentialsMissing."""
    access, secret = os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", "")
    endpoint = os.environ.get(ENDPOINT, "")
    if not (access or secret) and endpoint:
        return ContainerCredentials(endpoint, os.environ.get(TOKEN_FILE))
    return _Fixed(_whole(access, secret, os.environ.get("AWS_SESSION_TOKEN") or None))


def _whole(access: str, secret: str, token: str | None) -> Credentials:
    if not access or not secret:
        raise CredentialsMissing
    return Credentials(access, secret, token)


class _Fixed:
    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    async def current(self, session: aiohttp.ClientSession) -> Credentials:
        del session
        return self._credentials


class _Answer(msgspec.Struct):
    """What the endpoint answers, as far as it is used."""

    AccessKeyId: str
    SecretAccessKey: str
    Token: str
    Expiration: datetime


class ContainerCredentials:
    """Those of the container's role (ECS, EKS Pod Identity), which end after some hours. The file with the token that
    shows whose container it is changes too, and is read each time."""

    def __init__(self, endpoint: str, token_file: str | None) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme != "https" and (parts.scheme != "http" or parts.hostname not in _BESIDE):
            raise CredentialsMissing
        self._endpoint, self._token_file = endpoint, token_file
        self._known: Credentials | None = None
        self._until = 0.0

    async def current(self, session: aiohttp.ClientSession) -> Credentials:
        """New ones well before the old ones end; while nobody answers, the old ones for as long as they are valid."""
        left = self._until - time.time()
        if self._known is not None and left > _EARLY_SECONDS:
            return self._known
        try:
            self._known, self._until = await self._asked(session)
        except (OSError, aiohttp.ClientError, TimeoutError, CredentialsAway):
            if self._known is None or left <= 0:
                raise
        return self._known

    async def _asked(self, session: aiohttp.ClientSession) -> tuple[Credentials, float]:
        headers: dict[str, str] = {}
        if self._token_file is not None:
            headers["authorization"] = Path(self._token_file).read_text(encoding="ascii").strip()
        limit = aiohttp.ClientTimeout(total=_ASK_SECONDS)
        async with session.get(self._endpoint, headers=headers, allow_redirects=False, timeout=limit) as answer:
            body = await answer.read()
            if answer.status != 200:
                raise CredentialsAway(f"no credentials: status {answer.status}")
        try:
            found = msgspec.json.decode(body, type=_Answer)
        except msgspec.MsgspecError:
            raise CredentialsAway("no credentials: something else was answered") from None
        return Credentials(found.AccessKeyId, found.SecretAccessKey, found.Token), found.Expiration.timestamp()
