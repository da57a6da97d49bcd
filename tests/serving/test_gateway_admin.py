"""Gateway: the admin listener. Its status, who may reach it, and a configuration that is watched."""

from __future__ import annotations

import http.client
import json
import socket
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.gateway_process import (
    ENGINE_KEY,
    KEY,
    PROMPT,
    ROOT,
    Answer,
    GatewayProcess,
    chat,
    configuration,
    free_port,
    raw_request,
    read_until,
    sha,
    start_gateway,
    wait_until,
)
from tests.serving.test_gateway_life import run_to_end
from tests.serving.upstream import FakeEngine


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


Admin = tuple[GatewayProcess, int]


@pytest.fixture(scope="module")
def admin(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    folder = tmp_path_factory.mktemp("gateway")
    port = free_port()
    options = ("--admin", f"127.0.0.1:{port}", "--admin-host", "Gateway.local")
    with start_gateway(folder, configuration(engine.url, folder), *options) as running:
        yield running, port


def get(port: int, host: str | None, method: str = "GET", path: str = "/status.json", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    if host is not None:
        connection.putheader("Host", host)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    answer = Answer(response.status, response.headers, response.read())
    connection.close()
    return answer


def test_status_says_what_the_process_does(admin: Admin) -> None:
    gateway, port = admin
    wait_until("ready", lambda: json.loads(get(port, "localhost").body)["ready"])
    with gateway.connect() as raw:
        raw.sendall(raw_request(chat("long", stream=True)))
        read_until(raw, b"w0 ")
        answer = get(port, f"127.0.0.1:{port}")
        status = json.loads(answer.body)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert (status["in_flight"], status["draining"]) == (1, False)
    assert status["models"]["long"]["in_flight"] == 1
    assert status["models"]["ok"]["in_flight"] == 0
    assert status["models"]["embed"]["endpoints"] == ["embeddings"]
    assert 0 < status["uptime_seconds"] < 600
    assert len(status["config_sha256"]) == 64
    assert abs(status["config_loaded_at"] - time.time()) < 600
    assert (status["tls"], status["issuers"], status["clients"]) == (None, {}, 3)
    with (ROOT / "serving_image" / "pyproject.toml").open("rb") as file:
        assert status["versions"]["slipway"] == tomllib.load(file)["project"]["version"]
    for secret in (KEY, ENGINE_KEY, PROMPT, sha(KEY)):
        assert secret.encode() not in answer.body


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8080", "gateway.local", "Gateway.Local:1"]
)
def test_names_of_this_machine_are_answered(admin: Admin, host: str) -> None:
    assert get(admin[1], host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example.com",
        "127.0.0.1.evil.example.com",
        "localhost.evil.example.com",
        "localhost@evil",
        "foo?",
        "[",
        "\xff",
    ],
)
def test_other_names_are_not(admin: Admin, host: str | None) -> None:
    answer = get(admin[1], host)
    assert answer.status in (400, 403)
    assert b"models" not in answer.body


def test_other_sites_pages_are_not_answered(admin: Admin) -> None:
    assert get(admin[1], "localhost", Origin="http://evil.example.com").status == 403
    assert get(admin[1], "localhost", Origin="null").status == 403
    assert get(admin[1], "localhost", Origin=f"http://localhost:{admin[1]}").status == 200


def test_two_host_headers_are_refused(admin: Admin) -> None:
    with socket.create_connection(("127.0.0.1", admin[1]), timeout=5) as raw:
        raw.sendall(b"GET /status.json HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n")
        assert raw.recv(1000).startswith((b"HTTP/1.1 403", b"HTTP/1.1 400"))


def test_nothing_else_is_there(admin: Admin) -> None:
    gateway, port = admin
    assert get(port, "localhost", path="/v1/models").status == 404
    assert get(port, "localhost", path="/metrics").status == 404
    assert get(port, "localhost", "POST").status == 404
    assert gateway.request("GET", "/status.json").status == 404
    assert gateway.request("GET", "/status.json", port=gateway.operations).status == 404


def test_status_tells_of_draining_and_issuers(engine: FakeEngine, tmp_path: Path) -> None:
    from tests.serving.tokens import KeyServer, SigningKey, issuer, key_set

    config = configuration(engine.url, tmp_path)
    port = free_port()
    with KeyServer(key_set(SigningKey("k"))) as server:
        config["identity"] = {"issuers": {"corp": issuer("https://x/", {"jwks_url": server.url})}}
        options = ("--admin", f"127.0.0.1:{port}", "--accept-seconds", "1", "--drain-seconds", "5")
        with start_gateway(tmp_path, config, *options) as gateway:
            read = lambda: json.loads(get(port, "localhost").body)  # noqa: E731
            wait_until("the keys are read", lambda: read()["issuers"]["corp"]["keys"] == 1)
            gateway.terminate()
            wait_until("draining", lambda: read()["draining"], 1)
            assert gateway.exit_status() == 0


def test_an_inherited_socket_serves_as_admin(engine: FakeEngine, tmp_path: Path) -> None:
    import subprocess
    import sys

    listening = socket.create_server(("127.0.0.1", 0))
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps(configuration(engine.url, tmp_path)))
    arguments = ["--config", str(file), "--listen", "127.0.0.1:0", "--operations", "127.0.0.1:0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "serving.gateway", *arguments, "--admin-fd", str(listening.fileno())],
        stdout=subprocess.DEVNULL,
        pass_fds=[listening.fileno()],
        env={"PYTHONPATH": str(ROOT / "serving_image")},
    )
    try:
        assert get(listening.getsockname()[1], "localhost").status == 200
    finally:
        process.kill()
        process.wait(10)
        listening.close()


def test_beyond_loopback_only_by_name(tmp_path: Path) -> None:
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps(configuration("http://127.0.0.1:1", tmp_path)))
    wide = socket.create_server(("0.0.0.0", 0))
    for admin in (("--admin", "0.0.0.0:0"), ("--admin-fd", str(wide.fileno()))):
        arguments = ["--config", str(file), "--listen", "127.0.0.1:0", "--operations", "127.0.0.1:0", *admin]
        ended = run_to_end(*arguments, pass_fds=[wide.fileno()])
        assert ended.returncode == 2
        assert "--admin: found 0.0.0.0, which other machines can reach; allowed is " in ended.stderr
        assert "--admin-beyond-loopback" in ended.stderr
    wide.close()


def test_beyond_loopback_when_it_is_meant(engine: FakeEngine, tmp_path: Path) -> None:
    port = free_port()
    options = ("--admin", f"0.0.0.0:{port}", "--admin-beyond-loopback")
    with start_gateway(tmp_path, configuration(engine.url, tmp_path), *options):
        assert get(port, "localhost").status == 200
        assert get(port, "evil.example.com").status == 403


def test_a_watched_configuration_is_reloaded_when_it_changes(engine: FakeEngine, tmp_path: Path) -> None:
    config: Any = configuration(engine.url, tmp_path)
    file = tmp_path / "gateway.json"
    with start_gateway(tmp_path, config, "--watch-seconds", "0.2") as gateway:
        config["clients"]["dev"]["key_sha256"] = [sha("sk-new")]
        file.write_text(json.dumps(config))
        assert gateway.notified().startswith("reloaded ")
        assert [gateway.request(body=chat("ok"), key=key).status for key in ("sk-new", KEY)] == [200, 401]
        file.write_text("{")
        assert gateway.notified().startswith("refused ")
        file.unlink()
        time.sleep(0.5)
        assert gateway.request(body=chat("ok"), key="sk-new").status == 200
        file.write_text(json.dumps(config))
        assert gateway.notified().startswith("reloaded ")
        time.sleep(0.5)
        events = [line["event"] for line in gateway.log()]
        assert (events.count("reloaded"), events.count("reload_refused")) == (2, 1)


def test_an_unwatched_configuration_is_not(engine: FakeEngine, tmp_path: Path) -> None:
    config: Any = configuration(engine.url, tmp_path)
    with start_gateway(tmp_path, config) as gateway:
        config["clients"]["dev"]["key_sha256"] = [sha("sk-new")]
        (tmp_path / "gateway.json").write_text(json.dumps(config))
        time.sleep(1)
        assert gateway.request(body=chat("ok")).status == 200
