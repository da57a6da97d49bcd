"""Credentials for an object store: from files, the environment, or whoever gives a pod's for a while."""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec

from serving.gateway.audit.config import ObjectStoreConfig
from serving.gateway.audit.sigv4 import Bearer, Credentials

ENDPOINT, TOKEN_FILE = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
# Where plain HTTP does not leave the machine: itself, and the agents of ECS and EKS (AWS SDKs reference guide,
# container credential provider, read 2026-11).
_BESIDE = frozenset({"127.0.0.1", "localhost", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"})
# New ones are asked for so long before the old ones end, and asked for again so long after that failed.
_EARLY_SECONDS = 600.0
# Who gives a pod or a machine at Google its token, by address: its name is looked up by nobody (Google Cloud
# documentation, "About VM metadata", read 2026-11). Google's own libraries read the variable, too.
METADATA_HOST, _METADATA = "GCE_METADATA_HOST", "169.254.169.254"
_TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105 - a path
_ASK_SECONDS = 5.0
Kind = TypeVar("Kind", Credentials, Bearer)
Answer = TypeVar("Answer", bound=msgspec.Struct)


class CredentialsMissing(Exception):
    """Neither files nor environment have them, or these name a place that may not be asked."""


class CredentialsAway(Exception):
    """Whoever gives them does not; the text says what came instead."""


class CredentialSource(Protocol):
    """Gives what a request is signed with."""

    async def current(self, session: aiohttp.ClientSession) -> Credentials | Bearer:
        """Valid now. Raises OSError, aiohttp.ClientError, TimeoutError and CredentialsAway."""
        ...


def credential_source(config: ObjectStoreConfig) -> CredentialSource:
    """From the two files; otherwise from the environment: keys, an endpoint, or for Google's store its metadata server.
    Raises OSError, UnicodeDecodeError and CredentialsMissing."""
    if config.access_key_file is not None and config.secret_key_file is not None:
        access = Path(config.access_key_file).read_text(encoding="ascii").strip()
        secret = Path(config.secret_key_file).read_text(encoding="ascii").strip()
        return _Fixed(_whole(access, secret, None))
    return environment_credentials(at_google=config.kind == "gcs")


def environment_credentials(*, at_google: bool = False) -> CredentialSource:
    """Of the environment: keys, an endpoint, or Google's metadata server. Raises CredentialsMissing."""
    access, secret = os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", "")
    endpoint = os.environ.get(ENDPOINT, "")
    if not (access or secret) and endpoint:
        return ContainerCredentials(endpoint, os.environ.get(TOKEN_FILE))
    if not (access or secret) and at_google:
        return metadata_token()
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


class _ForAWhile(Generic[Kind]):
    """What ends after some time, and is asked for again before."""

    def __init__(self) -> None:
        self._known: Kind | None = None
        self._until = 0.0

    async def current(self, session: aiohttp.ClientSession) -> Kind:
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

    async def _asked(self, session: aiohttp.ClientSession) -> tuple[Kind, float]:
        raise NotImplementedError


async def _answer(session: aiohttp.ClientSession, url: str, headers: dict[str, str], kind: type[Answer]) -> Answer:
    limit = aiohttp.ClientTimeout(total=_ASK_SECONDS)
    async with session.get(url, headers=headers, allow_redirects=False, timeout=limit) as answer:
        body = await answer.read()
        if answer.status != 200:
            raise CredentialsAway(f"no credentials: status {answer.status}")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError:
        raise CredentialsAway("no credentials: something else was answered") from None


class ContainerCredentials(_ForAWhile[Credentials]):
    """Those of the container's role (ECS, EKS Pod Identity), which end after some hours. The file with the token that
    shows whose container it is changes too, and is read each time."""

    def __init__(self, endpoint: str, token_file: str | None) -> None:
        super().__init__()
        parts = urlsplit(endpoint)
        if parts.scheme != "https" and (parts.scheme != "http" or parts.hostname not in _BESIDE):
            raise CredentialsMissing
        self._endpoint, self._token_file = endpoint, token_file

    async def _asked(self, session: aiohttp.ClientSession) -> tuple[Credentials, float]:
        headers: dict[str, str] = {}
        if self._token_file is not None:
            headers["authorization"] = Path(self._token_file).read_text(encoding="ascii").strip()
        found = await _answer(session, self._endpoint, headers, _Answer)
        return Credentials(found.AccessKeyId, found.SecretAccessKey, found.Token), found.Expiration.timestamp()


class _Token(msgspec.Struct):
    """What the metadata server answers, as far as it is used."""

    access_token: str
    expires_in: float


class MetadataToken(_ForAWhile[Bearer]):
    """That of the pod's own identity at Google (GKE's metadata server, Cloud Run), or of the machine's, for an hour.
    The server itself renews it some minutes before it ends, so that what is asked for early may be the same."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self._url = f"http://{host}{_TOKEN_PATH}"

    async def _asked(self, session: aiohttp.ClientSession) -> tuple[Bearer, float]:
        now = time.time()
        found = await _answer(session, self._url, {"metadata-flavor": "Google"}, _Token)
        return Bearer(found.access_token), now + found.expires_in


def metadata_token() -> MetadataToken:
    """From the metadata server that the environment names, or from where it always is."""
    return MetadataToken(os.environ.get(METADATA_HOST) or _METADATA)
