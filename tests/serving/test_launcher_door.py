"""The way to an engine in a pod: TLS for its API, another port for whoever watches, certificates that change."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509

from serving.launcher.engine_door import EngineDoor
from serving.launcher.specification import DoorSpecification
from tests.serving.certificates import Authority, trusting
from tests.serving.running import Launcher, chat, free_port, launchers, request, toy, until

KEY = "engine-key-canary-5d20"
CHAT = "/v1/chat/completions"
Start = Callable[..., Launcher]


class Pod:
    """A launcher with one engine behind a door; asked as a gateway and as whoever watches would."""

    def __init__(self, folder: Path, start: Start, **fields: Any) -> None:
        self.authority = Authority(folder)
        self.certificate, self.key = self.authority.server()
        (folder / "key").write_text(KEY)
        specification = {**toy(folder / "weights"), "gateway": None}
        self.port, self.operations = free_port(), free_port()
        door = {
            "address": "127.0.0.1",
            "port": self.port,
            "certificate_file": str(self.certificate),
            "key_file": str(self.key),
            "operations_port": self.operations,
            "liveness_path": "/health",
        }
        specification["engines"]["chat"] |= {"key_file": str(folder / "key"), "door": door, **fields}
        self.launcher = start(specification)

    def connection(self, context: ssl.SSLContext | None = None) -> http.client.HTTPSConnection:
        secure = context or trusting(self.authority.file)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=secure)

    def ask(self, body: Any, connection: http.client.HTTPSConnection | None = None) -> http.client.HTTPResponse:
        used = connection or self.connection()
        used.request("POST", CHAT, json.dumps(body), {"Authorization": f"Bearer {KEY}"})
        return used.getresponse()

    def watched(self, path: str) -> tuple[int, str]:
        """Without any key."""
        return request(self.operations, path, headers={"Authorization": ""})

    def running(self) -> float:
        return sample(self.watched("/metrics")[1], "llamacpp:requests_processing")

    def serial(self) -> int:
        """Of the certificate that a new connection is shown."""
        pem = ssl.get_server_certificate(("127.0.0.1", self.port), timeout=20)
        return x509.load_pem_x509_certificate(pem.encode()).serial_number


def sample(text: str, name: str) -> float:
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with launchers(tmp_path / "launchers") as start:
        yield start


@pytest.fixture
def pod(start: Start, tmp_path: Path) -> Pod:
    pod = Pod(tmp_path, start)
    pod.launcher.ready()
    return pod


def test_the_api_is_there_over_tls_alone(pod: Pod) -> None:
    answer = pod.ask(chat(2))
    assert answer.status == 200
    assert b"tick tick" in answer.read()
    with pytest.raises((OSError, http.client.HTTPException)):
        request(pod.port, CHAT, chat(1), headers={"Authorization": f"Bearer {KEY}"})
    older = trusting(pod.authority.file)
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        pod.ask(chat(1), pod.connection(older))


def test_connections_are_kept_and_large_bodies_pass(pod: Pod) -> None:
    connection = pod.connection()
    for size in (1, 2_000_000, 1):
        answer = pod.ask(chat(1, prompt="x" * size), connection)
        assert answer.status == 200
        answer.read()
    kept = connection.sock
    assert pod.ask(chat(1), connection).status == 200
    assert connection.sock is kept


def test_who_watches_sees_state_and_metrics_and_no_way_to_the_api(pod: Pod) -> None:
    assert pod.watched("/ready") == (200, "")
    assert pod.watched("/live") == (200, "")
    status, metrics = pod.watched("/metrics")
    assert status == 200
    assert sample(metrics, "llamacpp:requests_processing") == 0
    ends = datetime.fromtimestamp(sample(metrics, "slipway_engine_certificate_expires_timestamp_seconds"), UTC)
    assert timedelta(days=89) < ends - datetime.now(UTC) < timedelta(days=91)
    for path in (CHAT, "/v1/models", "/health", "//health", "/ready/../v1/models", "/metrics/../v1/models"):
        assert pod.watched(path)[0] == 404, path
    assert request(pod.operations, "/ready", chat(1))[0] == 405
    assert request(pod.operations, CHAT, chat(1), headers={"Authorization": f"Bearer {KEY}"})[0] == 404


def test_it_is_not_ready_while_the_engine_loads_or_is_away(start: Start, tmp_path: Path) -> None:
    pod = Pod(tmp_path, start, environment={"TOY_LOAD_SECONDS": "2"})
    until(lambda: pod.launcher.status().get("step") == "loading models", 20, pod.launcher.tails)
    until(lambda: not refused(pod), 20, pod.launcher.tails)
    assert pod.watched("/ready")[0] == 503
    pod.launcher.ready()
    assert pod.watched("/ready")[0] == 200
    pod.launcher.engine().kill()
    until(lambda: pod.watched("/ready")[0] == 503, 20, "an engine that is gone is ready")
    until(lambda: pod.watched("/ready")[0] == 200, 30, pod.launcher.tails)
    assert pod.ask(chat(1)).status == 200


def refused(pod: Pod) -> bool:
    try:
        pod.watched("/ready")
    except ConnectionRefusedError:
        return True
    return False


def test_a_client_that_leaves_is_left_at_once(pod: Pod) -> None:
    connection = pod.connection()
    pod.ask(chat(2000, stream=True), connection).read1(10)
    until(lambda: pod.running() == 1, 20, "it does not run")
    assert connection.sock is not None
    connection.sock.close()
    connection.close()
    until(lambda: pod.running() == 0, 20, "it still runs for nobody")


def test_what_runs_is_finished_when_the_pod_ends(pod: Pod) -> None:
    answer = pod.ask(chat(40, stream=True))
    answer.read1(10)
    pod.launcher.send(signal.SIGTERM)
    assert answer.read().rstrip().endswith(b"[DONE]")
    assert pod.launcher.ended() == 0, pod.launcher.tails()


def test_an_engine_that_dies_is_no_answer_that_ended(pod: Pod) -> None:
    answer = pod.ask(chat(2000, stream=True))
    answer.read1(10)
    pod.launcher.engine().kill()
    with pytest.raises((http.client.IncompleteRead, OSError)):
        answer.read()


def test_a_new_certificate_is_shown_and_cuts_nothing(pod: Pod) -> None:
    before = pod.serial()
    answer = pod.ask(chat(400, stream=True))
    answer.read1(10)
    pod.authority.server(days=200)
    until(lambda: pod.serial() != before, 60, "still the old one")
    assert pod.ask(chat(1)).status == 200
    assert answer.read().rstrip().endswith(b"[DONE]")
    assert (
        sample(pod.watched("/metrics")[1], "slipway_engine_certificate_expires_timestamp_seconds")
        > (datetime.now(UTC) + timedelta(days=190)).timestamp()
    )


@pytest.mark.parametrize("broken", ["certificate", "key"])
def test_a_bad_pair_is_refused_and_the_old_one_stays(pod: Pod, broken: str) -> None:
    before = pod.serial()
    other = pod.authority.issue("other", days=10)
    {"certificate": pod.certificate, "key": pod.key}[broken].write_bytes(other[broken == "key"].read_bytes())
    until(lambda: "no pair of certificate and key" in pod.launcher.log(), 60, pod.launcher.tails)
    assert pod.serial() == before
    assert pod.ask(chat(1)).status == 200


def test_without_a_certificate_it_does_not_start(start: Start, tmp_path: Path) -> None:
    pod = Pod(tmp_path, start)
    pod.launcher.end()
    door = {**pod.launcher.specification["engines"]["chat"]["door"], "certificate_file": str(tmp_path / "nowhere")}
    specification = pod.launcher.specification
    specification["engines"]["chat"]["door"] = door
    problem = start(specification).refused()
    assert str(tmp_path / "nowhere") in problem["where"]
    assert "mount the secret" in problem["remedy"]


def test_what_an_engine_said_last_is_passed_on(tmp_path: Path) -> None:
    """It may end as soon as it has written the rest of an answer, which its client has yet to read."""
    authority, content = Authority(tmp_path), b"x" * 30_000_000
    certificate, key = authority.server()
    spec = DoorSpecification(
        address="127.0.0.1",
        port=free_port(),
        certificate_file=str(certificate),
        key_file=str(key),
        operations_port=free_port(),
        liveness_path="/health",
    )

    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        writer.close()

    async def work() -> int:
        server = await asyncio.start_server(say, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        away: Any = SimpleNamespace(name="chat", port=port, readiness_path="/", metrics_path="/")
        door = EngineDoor(spec, away)
        await door.open()
        reader, writer = await asyncio.open_connection("127.0.0.1", spec.port, ssl=trusting(authority.file), limit=1024)
        await asyncio.sleep(0.2)
        closing = asyncio.create_task(door.close())
        await asyncio.sleep(0.1)
        seen = 0
        while piece := await reader.read(65536):
            seen += len(piece)
        writer.close()
        await closing
        server.close()
        return seen

    assert asyncio.run(asyncio.wait_for(work(), 60)) == len(content)
