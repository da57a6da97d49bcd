"""TLS to an engine: the one authority that vouches for it, its name whatever its address, and nobody else."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509

from serving.gateway.config import ConfigProblem, load_config
from serving.gateway.engine_trust import load_trust
from serving.gateway.routing.config import UpstreamTls
from serving.gateway.upstream import UpstreamLost, UpstreamUnreachable
from serving.gateway.upstream_http import HttpUpstream
from tests.serving.certificates import Authority
from tests.serving.gateway_process import start_gateway, wait_until
from tests.serving.kubernetes_api import TOKEN, KubernetesApi, endpoint_slice
from tests.serving.routed import ask, configuration, model, reload, replicas

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
NAME = "engine-chat"


class Engine:
    """Answers everything over TLS, in this loop; counts connections and what came over them."""

    def __init__(self, pair: tuple[Path, Path], *, cut: bool = False) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*pair)
        self._cut = cut
        self.connections = self.bytes = 0

    async def __aenter__(self) -> Engine:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}/v1/chat/completions"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), b":0"
                )
                self.bytes += len(await reader.readexactly(int(length.partition(b":")[2])))
                writer.write(ANSWER[:-1] if self._cut else ANSWER)
                await writer.drain()
                if self._cut:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()


def trust(authority: Authority, name: str = NAME) -> Any:
    return load_trust(UpstreamTls(ca_file=str(authority.file), server_name=name))


def run(work: Any) -> None:
    uvloop.run(asyncio.wait_for(work, 60))


def pair_of(authority: Authority, name: str = NAME, **options: Any) -> tuple[Path, Path]:
    return authority.issue(name, x509.DNSName(name), **options)


def test_an_engine_is_known_by_its_name_at_any_address_and_its_connection_is_kept(tmp_path: Path) -> None:
    ours = Authority(tmp_path)

    async def work() -> None:
        async with Engine(pair_of(ours)) as engine:
            client = HttpUpstream()
            # More than a transport takes at once.
            for body in (b"{}", b"x" * 3_000_000, b"{}"):
                answer = await client.open(engine.url, {}, body, 5, trust(ours))
                assert answer.status == 200
                assert await answer.read() == b"{}"
                answer.close()
            assert engine.connections == 1
            assert engine.bytes == 3_000_004
            assert await client.get(engine.url, {}, 5, trust(ours)) == b""
            await client.close()

    run(work())


@pytest.mark.parametrize(
    ("issued", "believed", "name", "days"),
    [("ours", "others", NAME, 90), ("ours", "ours", "engine-code", 90), ("ours", "ours", NAME, -1)],
    ids=["another authority", "another engine's name", "ended"],
)
def test_nothing_is_sent_to_whoever_cannot_show_it(
    issued: str, believed: str, name: str, days: int, tmp_path: Path
) -> None:
    authorities = {who: Authority(tmp_path, who) for who in ("ours", "others")}

    async def work() -> None:
        async with Engine(pair_of(authorities[issued], days=days)) as engine:
            client = HttpUpstream()
            with pytest.raises(UpstreamUnreachable):
                await client.open(engine.url, {}, b"{}", 5, trust(authorities[believed], name))
            assert await client.get(engine.url, {}, 5, trust(authorities[believed], name)) is None
            assert engine.bytes == 0
            await client.close()

    run(work())


def test_connections_of_one_trust_are_not_used_with_another(tmp_path: Path) -> None:
    """Two names at one address: what was shown for the first is no proof for the second."""
    ours = Authority(tmp_path)

    async def work() -> None:
        async with Engine(pair_of(ours)) as engine:
            client = HttpUpstream()
            answer = await client.open(engine.url, {}, b"{}", 5, trust(ours))
            await answer.read()
            answer.close()
            with pytest.raises(UpstreamUnreachable):
                await client.open(engine.url, {}, b"{}", 5, trust(ours, "engine-code"))
            await client.close()

    run(work())


def test_an_engine_that_goes_in_the_middle_is_lost(tmp_path: Path) -> None:
    ours = Authority(tmp_path)

    async def work() -> None:
        async with Engine(pair_of(ours), cut=True) as engine:
            client = HttpUpstream()
            answer = await client.open(engine.url, {}, b"{}", 5, trust(ours))
            assert await answer.read() == b"{"
            with pytest.raises(UpstreamLost):
                await answer.read()
            await client.close()

    run(work())


def test_the_same_file_is_the_same_trust(tmp_path: Path) -> None:
    """A reload must not make every connection anew."""
    ours = Authority(tmp_path)
    first = trust(ours)
    assert trust(ours) is first
    ours.file.write_text(ours.file.read_text() + Authority(tmp_path, "next").file.read_text())
    assert trust(ours) is not first


@contextmanager
def secure_engine(pair: tuple[Path, Path]) -> Iterator[int]:
    """The same engine on a thread, for a gateway in a process of its own."""
    started, ended, ports = threading.Event(), asyncio.Event(), list[int]()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with Engine(pair) as engine:
            ports.append(engine.port)
            started.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(20)
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(20)


def test_replicas_that_kubernetes_lists_are_asked_over_tls(tmp_path: Path) -> None:
    """Listed by address, known by name; with another authority in the file nothing is ready, and told so."""
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    token = tmp_path / "token"
    token.write_text(TOKEN)
    with (
        secure_engine(pair_of(ours)) as port,
        KubernetesApi(others.issue("api", address)) as api,
    ):
        discover = {
            "kind": "kubernetes",
            "service": NAME,
            "namespace": "serving",
            "port": "https",
            "api": api.url,
            "token_file": str(token),
            "ca_file": str(others.file),
        }
        api.slices = [endpoint_slice("a", 1, {"127.0.0.1": True}, port, ports=[{"name": "https", "port": port}])]
        upstream = {"discover": discover, "tls": {"ca_file": str(ours.file), "server_name": NAME}}
        config = configuration({"m": model([f"https://{NAME}"], upstream=upstream)})
        with start_gateway(tmp_path, config) as gateway:
            wait_until("a replica", lambda: sum(replicas(gateway).values()) == 1, 20)
            assert ask(gateway).status == 200
            config["models"]["m"]["upstreams"][0]["tls"]["ca_file"] = str(others.file)
            assert reload(gateway, tmp_path, config).startswith("reloaded")
            wait_until("nobody who is believed", lambda: ask(gateway).status in (502, 503), 20)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"url": "http://a:1", "tls": {"ca_file": "/nowhere", "server_name": "a"}}, "found an authority or a cert"),
        ({"tls": {"ca_file": "/nowhere", "server_name": "a"}}, "tls.ca_file: found No such file or directory"),
        ({"tls": {"ca_file": "/nowhere", "server_name": "a b"}}, "upstreams[0].tls.server_name"),
        ({"tls": {"server_name": "a"}}, "tls: found server_name without ca_file"),
        ({"tls": {}}, "tls: found no ca_file"),
        ({"tls": {"certificate_file": "/nowhere"}}, "tls: found one of certificate_file and key_file"),
        ({"discover": {"kind": "kubernetes", "service": "a"}, "tls": {"ca_file": "/x"}}, "https together"),
        (
            {"discover": {"kind": "dns"}, "tls": {"ca_file": "/nowhere", "server_name": "a"}},
            "found https together with discover",
        ),
    ],
)
def test_a_trust_that_makes_no_sense_is_refused(fields: dict[str, Any], text: str, tmp_path: Path) -> None:
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps(configuration({"m": model(["https://a"], upstream=fields)})))
    with pytest.raises(ConfigProblem) as refused:
        load_config(file)
    assert text in str(refused.value)
