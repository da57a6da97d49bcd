"""Gateway: limits in a Redis that knows identities, by the token of a scripted metadata server, over TLS."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis

from serving.gateway.audit.credentials import METADATA_HOST
from serving.gateway.limits.config import RedisStoreConfig, check_limits
from tests.serving.certificates import Authority
from tests.serving.gateway_process import GatewayProcess, start_gateway, wait_until
from tests.serving.limited import ask_as, limited
from tests.serving.redis_process import PASSWORD, RedisProcess, start_redis
from tests.serving.upstream import FakeEngine

AVAILABLE = "slipway_gateway_limits_store_available"


class MetadataServer:
    """Answers like Google's, after `delay_seconds`. What it gives is about to end, so that each asking is seen."""

    def __init__(self) -> None:
        self.token = "token-canary-1"
        self.delay_seconds = 0.0
        self.status = 200
        self.asked = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked += 1
                time.sleep(server.delay_seconds)
                right = self.headers.get("metadata-flavor") == "Google"
                body = json.dumps({"access_token": server.token, "expires_in": 60, "token_type": "Bearer"}).encode()
                self.send_response(server.status if right else 403)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any, **named: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.place = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> MetadataServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[MetadataServer]:
    with MetadataServer() as running:
        monkeypatch.setenv(METADATA_HOST, running.place)
        yield running


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> Iterator[RedisProcess]:
    """With a certificate that names no address, as Memorystore's may, and a user who is known by the first token."""
    with start_redis(tmp_path, authority.issue("store", common="a store")) as running:
        running.url_file.write_text(f"rediss://127.0.0.1:{running.port}/0\n")
        accepts(running, authority, PASSWORD, "token-canary-1")
        yield running


def accepts(server: RedisProcess, authority: Authority, known: str, token: str) -> None:
    """From now on only this token; who has another is hung up on."""
    admin = redis.Redis(
        host="127.0.0.1",
        port=server.port,
        password=known,
        ssl=True,
        ssl_ca_certs=str(authority.file),
        ssl_check_hostname=False,
    )
    admin.acl_setuser("default", enabled=True, reset_passwords=True, passwords=[f"+{token}"])
    admin.client_kill_filter(_type="normal", skipme=True)
    admin.close()


def document(engine: FakeEngine, server: RedisProcess, authority: Authority, folder: Path, **more: Any) -> Any:
    store = {"kind": "redis", "url_file": str(server.url_file), "when_away": "closed", "ca_file": str(authority.file)}
    settings = {**store, "timeout_seconds": 0.5, "token_from": "metadata_server", "verify_host": False, **more}
    return limited(engine.url, folder, {"c": {"tokens_per_day": 100_000}}, limits_store=settings)


def counts(gateway: GatewayProcess) -> None:
    """A gateway begins with trust in its store: what is asked for shows whether it is right."""
    wait_until("the store counts", lambda: ask_as(gateway, "c").status == 200, 60)
    wait_until("the store is there", lambda: gateway.metric(AVAILABLE) == 1, 30)


def test_the_own_token_is_the_password_and_a_new_one_is_asked_for_at_each_connecting(
    engine: FakeEngine, server: RedisProcess, authority: Authority, metadata: MetadataServer, tmp_path: Path
) -> None:
    with start_gateway(tmp_path, document(engine, server, authority, tmp_path)) as gateway:
        counts(gateway)
        before = metadata.asked
        assert before

        metadata.token = "token-canary-2"
        accepts(server, authority, "token-canary-1", "token-canary-2")
        wait_until("a token is asked for", lambda: metadata.asked > before, 30)
        counts(gateway)

        # A token that the store does not know is no way in, and one that it knows is one again.
        metadata.token = "token-canary-unknown"
        accepts(server, authority, "token-canary-2", "token-canary-3")
        wait_until("the store is away", lambda: gateway.metric(AVAILABLE) == 0, 30)
        assert ask_as(gateway, "c").status == 503
        metadata.token = "token-canary-3"
        counts(gateway)


def test_a_slow_metadata_server_is_heard_though_nobody_waits_so_long(
    engine: FakeEngine, server: RedisProcess, authority: Authority, metadata: MetadataServer, tmp_path: Path
) -> None:
    metadata.delay_seconds = 1.5  # an exchange has half a second
    with start_gateway(tmp_path, document(engine, server, authority, tmp_path)) as gateway:
        counts(gateway)


def test_without_a_token_the_store_is_away(
    engine: FakeEngine, server: RedisProcess, authority: Authority, metadata: MetadataServer, tmp_path: Path
) -> None:
    metadata.status = 500
    with start_gateway(tmp_path, document(engine, server, authority, tmp_path)) as gateway:
        wait_until("a token is asked for", lambda: metadata.asked > 1, 30)
        assert ask_as(gateway, "c").status == 503
        assert gateway.metric(AVAILABLE) == 0


def test_where_hosts_are_verified_a_certificate_must_name_the_host(
    engine: FakeEngine, server: RedisProcess, authority: Authority, metadata: MetadataServer, tmp_path: Path
) -> None:
    with start_gateway(tmp_path, document(engine, server, authority, tmp_path, verify_host=True)) as gateway:
        assert ask_as(gateway, "c").status == 503
        assert metadata.asked == 0, "nobody unverified gets a token"


def test_where_hosts_are_not_verified_authorities_are(
    engine: FakeEngine, server: RedisProcess, authority: Authority, metadata: MetadataServer, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "another authority")
    with start_gateway(tmp_path, document(engine, server, authority, tmp_path, ca_file=str(other.file))) as gateway:
        assert ask_as(gateway, "c").status == 503
        assert metadata.asked == 0, "nobody unverified gets a token"


@pytest.mark.parametrize(
    ("url", "more", "found"),
    [
        ("redis://127.0.0.1:1/0", {"token_from": "metadata_server"}, ".token_from: found a url_file with another"),
        ("rediss://:a@127.0.0.1:1/0", {"token_from": "metadata_server"}, ".token_from: found a url_file with another"),
        ("rediss://127.0.0.1:1/0", {"verify_host": False}, ".verify_host: found false without `ca_file`"),
        ("rediss://127.0.0.1:1/0", {"token_from": "metadata_server"}, None),
    ],
)
def test_a_token_is_sent_to_nobody_who_is_not_verified(
    url: str, more: dict[str, Any], found: str | None, tmp_path: Path
) -> None:
    url_file = tmp_path / "url"
    url_file.write_text(url)
    problems: list[str] = []
    store = RedisStoreConfig(url_file=str(url_file), when_away="closed", **more)
    check_limits("here", {}, {}, store, problems)
    assert len(problems) == bool(found)
    assert all(found and found in one for one in problems)
