"""Credentials that a container is given for a while, from a scripted endpoint: asked for, kept, renewed, refused."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from serving.gateway.audit.config import ObjectStoreConfig
from serving.gateway.audit.credentials import (
    ENDPOINT,
    METADATA_HOST,
    TOKEN_FILE,
    ContainerCredentials,
    CredentialsAway,
    CredentialsMissing,
    CredentialSource,
    credential_source,
)
from serving.gateway.audit.object_store import ObjectStore
from serving.gateway.audit.sigv4 import DIALECTS, Bearer, Credentials, signed_headers
from tests.serving.collector import Collector

SECRET = "a-secret-canary"
STORE = ObjectStoreConfig(kind="s3", url="https://bucket.example.com", region="us-east-1")


class Agent:
    """Answers like the Pod Identity agent. `seconds` is how long what it gives next is valid."""

    def __init__(self) -> None:
        self.tokens: list[str | None] = []
        self.paths: list[str] = []
        self.flavors: list[str | None] = []
        self.seconds = 3600.0
        self.status = 200
        self.body: bytes | None = None
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                agent.tokens.append(self.headers.get("authorization"))
                agent.paths.append(self.path)
                agent.flavors.append(self.headers.get("metadata-flavor"))
                body = agent._answer() if agent.body is None else agent.body
                self.send_response(agent.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any, **named: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/credentials"

    def _answer(self) -> bytes:
        until = datetime.fromtimestamp(time.time() + self.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        given = {"AccessKeyId": f"AKID{len(self.tokens)}", "SecretAccessKey": SECRET, "Token": "a-session"}
        return json.dumps({**given, "Expiration": until, "AccountId": "123456789012"}).encode()

    def __enter__(self) -> Agent:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def agent() -> Iterator[Agent]:
    with Agent() as running:
        yield running


@pytest.fixture
def source(agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CredentialSource:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "token").write_text("first-token\n")
    monkeypatch.setenv(ENDPOINT, agent.url)
    monkeypatch.setenv(TOKEN_FILE, str(tmp_path / "token"))
    return credential_source(STORE)


def asked(source: CredentialSource, times: int = 1) -> list[Any]:
    async def run() -> list[Any]:
        async with aiohttp.ClientSession() as session:
            return [await source.current(session) for _ in range(times)]

    return asyncio.run(run())


def test_they_are_asked_for_with_the_token_and_kept(agent: Agent, source: CredentialSource) -> None:
    found = asked(source, 3)
    assert found == [Credentials("AKID1", SECRET, "a-session")] * 3
    assert agent.tokens == ["first-token"]


def test_they_are_renewed_before_they_end_with_the_token_of_then(
    agent: Agent, source: CredentialSource, tmp_path: Path
) -> None:
    agent.seconds = 60
    asked(source)
    (tmp_path / "token").write_text("second-token")
    assert asked(source)[0].access_key == "AKID2"
    assert agent.tokens == ["first-token", "second-token"]


def test_the_old_ones_serve_while_they_are_valid(agent: Agent, source: CredentialSource) -> None:
    agent.seconds = 300
    asked(source)
    agent.status = 500
    assert asked(source)[0].access_key == "AKID1"
    agent.status, agent.seconds = 200, -1
    asked(source)
    agent.status = 500
    with pytest.raises(CredentialsAway, match="no credentials: status 500"):
        asked(source)


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'{"AccessKeyId": "only"}'])
def test_another_answer_is_no_credentials(agent: Agent, source: CredentialSource, body: bytes) -> None:
    agent.body = body
    with pytest.raises(CredentialsAway, match="something else"):
        asked(source)


def test_keys_of_the_environment_go_first(source: CredentialSource, monkeypatch: pytest.MonkeyPatch) -> None:
    del source
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDenvironment")
    with pytest.raises(CredentialsMissing):
        credential_source(STORE)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert asked(credential_source(STORE))[0].access_key == "AKIDenvironment"


@pytest.mark.parametrize(
    ("endpoint", "taken"),
    [
        ("http://169.254.170.23/v1/credentials", True),
        ("http://[fd00:ec2::23]/v1/credentials", True),
        ("https://credentials.example.com/v1", True),
        ("http://credentials.example.com/v1", False),
        ("http://169.254.169.254/latest", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_a_token_is_shown_to_nobody_else(endpoint: str, taken: bool) -> None:
    if taken:
        ContainerCredentials(endpoint, None)
    else:
        with pytest.raises(CredentialsMissing):
            ContainerCredentials(endpoint, None)


def test_a_segment_is_sent_with_them(agent: Agent, source: CredentialSource, tmp_path: Path) -> None:
    """Signed with what was given, its session shown; nothing is lost while there are none."""
    del source
    folder, notes = tmp_path / "audit", list[dict[str, Any]]()
    folder.mkdir()
    with Collector(SECRET) as bucket:
        config = ObjectStoreConfig(kind="s3", url=f"{bucket.url}/bucket", region="us-east-1")
        store = ObjectStore(config, folder, "none", lambda event, level, **said: notes.append({"event": event, **said}))
        segment = folder / "20261125T000000Z-00000000-000001.jsonl"
        segment.write_text('{"kind":"close"}\n')
        agent.status = 500

        async def run() -> None:
            store._closed_segments = lambda: [] if store.sent else [segment]
            assert not await store.send_closed()
            agent.status = 200
            assert await store.send_closed()
            assert await store.finish()

        asyncio.run(run())
        assert bucket.bad_signatures == 0
        assert [*bucket.objects.values()] == [segment.read_bytes()]
        assert bucket.headers[0]["x-amz-security-token"] == "a-session"
    assert notes[0] == {"event": "audit_object_store_away", "found": "no credentials: status 500", "unsent": 1}


# Google's store, with the pod's own identity.


@pytest.fixture
def google(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> CredentialSource:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", ENDPOINT):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(METADATA_HOST, agent.url.split("/")[2])
    agent.body = json.dumps({"access_token": SECRET, "expires_in": 3599, "token_type": "Bearer"}).encode()
    return credential_source(GOOGLES)


GOOGLES = ObjectStoreConfig(kind="gcs", url="https://storage.googleapis.com/bucket", region="auto")


def test_googles_store_takes_the_token_of_the_metadata_server(agent: Agent, google: CredentialSource) -> None:
    found = asked(google, 3)
    assert found == [Bearer(SECRET)] * 3
    assert SECRET not in repr(found)
    assert agent.paths == ["/computeMetadata/v1/instance/service-accounts/default/token"]
    assert agent.flavors == ["Google"]
    sent = signed_headers("PUT", GOOGLES.url, {"content-length": "1"}, "", found[0], DIALECTS["gcs"], "auto")
    assert sent == {"content-length": "1", "host": "storage.googleapis.com", "authorization": f"Bearer {SECRET}"}


def test_a_token_that_is_about_to_end_is_asked_for_again(agent: Agent, google: CredentialSource) -> None:
    agent.body = json.dumps({"access_token": SECRET, "expires_in": 60, "token_type": "Bearer"}).encode()
    asked(google, 2)
    assert len(agent.paths) == 2
    agent.status = 503
    assert asked(google) == [Bearer(SECRET)]


def test_no_token_is_no_credentials(agent: Agent, google: CredentialSource) -> None:
    agent.body = b'{"error": "invalid_request"}'
    with pytest.raises(CredentialsAway, match="something else"):
        asked(google)


def test_keys_for_googles_store_go_first(google: CredentialSource, monkeypatch: pytest.MonkeyPatch) -> None:
    del google
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "GOOG1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert asked(credential_source(GOOGLES)) == [Credentials("GOOG1", SECRET, None)]
