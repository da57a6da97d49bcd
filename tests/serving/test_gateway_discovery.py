"""Discovery: replicas from DNS and from Kubernetes EndpointSlices, and what happens when those fail."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.serving.certificates import Authority
from tests.serving.gateway_process import GatewayProcess, free_port, start_gateway, wait_until
from tests.serving.kubernetes_api import TOKEN, KubernetesApi, endpoint_slice
from tests.serving.routed import ask, configuration, model, reload, replicas, scaling
from tests.serving.upstream import FakeEngine

RESOLVER = (str(Path(__file__).with_name("scripted_resolver.py")),)


@contextmanager
def engines_on(*addresses: str) -> Iterator[tuple[int, dict[str, FakeEngine]]]:
    """Fake engines on several loopback addresses, all on one port."""
    port = free_port()
    with ExitStack() as stack:
        engines: dict[str, FakeEngine] = {}
        for address in addresses:
            engine = FakeEngine()
            engine._socket.close()
            engine._socket = socket.create_server((address, port), backlog=512)
            engines[address] = stack.enter_context(engine)
        yield port, engines


def serving(gateway: GatewayProcess, engines: dict[str, FakeEngine]) -> set[str]:
    """The addresses that serve now."""
    for engine in engines.values():
        engine.calls.clear()
    for _ in range(3 * len(engines)):
        assert ask(gateway).status == 200
    return {address for address, engine in engines.items() if engine.calls}


def ready(gateway: GatewayProcess) -> bool:
    return gateway.request("GET", "/ready", port=gateway.operations, key=None).status == 200


def expect(gateway: GatewayProcess, engines: dict[str, FakeEngine], *addresses: str) -> None:
    wait_until(f"replicas {addresses}", lambda: sum(replicas(gateway).values()) == len(addresses), 10)
    assert serving(gateway, engines) == set(addresses)


def test_dns_is_followed_and_its_failures_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tmp_path / "addresses"
    monkeypatch.setenv("ADDRESSES", str(names))
    with engines_on("127.0.0.1", "127.0.0.2", "127.0.0.3") as (port, engines):
        upstream = {"discover": {"kind": "dns", "every_seconds": 0.2}}
        config = configuration({"m": model([f"http://engines.test:{port}"], upstream=upstream)})
        with start_gateway(tmp_path, config, program=RESOLVER) as gateway:
            assert ask(gateway).status == 503  # nothing is known yet, and nothing is invented
            names.write_text("127.0.0.1\n127.0.0.2")
            expect(gateway, engines, "127.0.0.1", "127.0.0.2")
            names.write_text("127.0.0.2\n127.0.0.3\n127.0.0.2")
            wait_until("followed", lambda: serving(gateway, engines) == {"127.0.0.2", "127.0.0.3"}, 10)
            for trouble in (None, "", "slow"):
                names.unlink() if trouble is None else names.write_text(trouble)
                monkeypatch.undo()
                wait_until("noticed", lambda: any(line["event"] == "discovery_failed" for line in gateway.log()), 10)
                assert serving(gateway, engines) == {"127.0.0.2", "127.0.0.3"}
            config["limits"]["messages"] = 17
            assert reload(gateway, tmp_path, config).startswith("reloaded")
            assert serving(gateway, engines) == {"127.0.0.2", "127.0.0.3"}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[KubernetesApi]:
    authority = Authority(tmp_path, "cluster")
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    with KubernetesApi(authority.issue("api", address)) as running:
        yield running


def in_a_pod(folder: Path, api: KubernetesApi, port: int, **discover: Any) -> Any:
    (folder / "token").write_text(TOKEN + "\n")
    (folder / "namespace").write_text("models")
    upstream = {
        "discover": {
            "kind": "kubernetes",
            "service": "chat",
            "port": "http",
            "api": api.url,
            "token_file": str(folder / "token"),
            "ca_file": str(folder / "cluster.pem"),
            "namespace_file": str(folder / "namespace"),
            **discover,
        }
    }
    return configuration({"m": model([f"http://chat.models.svc:{port}"], upstream=upstream)})


def test_endpoint_slices_are_listed_and_watched(api: KubernetesApi, tmp_path: Path) -> None:
    with engines_on("127.0.0.1", "127.0.0.2", "127.0.0.3") as (port, engines):
        one = endpoint_slice("chat-1", 5, {"127.0.0.1": True, "127.0.0.2": False}, port)
        api.slices = [one]
        with start_gateway(tmp_path, in_a_pod(tmp_path, api, port)) as gateway:
            expect(gateway, engines, "127.0.0.1")
            assert api.path == "/apis/discovery.k8s.io/v1/namespaces/models/endpointslices"
            assert api.selector == "kubernetes.io/service-name=chat"
            wait_until("watched", lambda: api.watching == 1)
            assert api.watches[0]["resourceVersion"] == "1"
            api.send("ADDED", endpoint_slice("chat-2", 6, {"127.0.0.3": None}, port))
            expect(gateway, engines, "127.0.0.1", "127.0.0.3")
            api.send("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
            api.send("MODIFIED", endpoint_slice("chat-1", 10, {"127.0.0.1": True, "127.0.0.2": True}, port))
            expect(gateway, engines, "127.0.0.1", "127.0.0.2", "127.0.0.3")
            ending = endpoint_slice("chat-1", 11, {"127.0.0.1": True, "127.0.0.2": True}, port)
            ending["endpoints"][0]["conditions"]["terminating"] = True
            api.send("MODIFIED", ending)
            expect(gateway, engines, "127.0.0.2", "127.0.0.3")
            api.send("DELETED", endpoint_slice("chat-2", 12, {}, port))
            expect(gateway, engines, "127.0.0.2")
            assert api.lists == 1
            assert TOKEN not in gateway.log_file.read_text()


def test_a_place_without_an_engine_counts_who_comes_and_has_nobody_wait(api: KubernetesApi, tmp_path: Path) -> None:
    """An autoscaler sees them, asks gateways that are ready alone, and starts the first one."""
    config = in_a_pod(tmp_path, api, 8443)
    demand = config["models"]["m"]["demand"] = {"slice_seconds": 1, "mean_seconds": 60, "kept_percent": 95.0}
    with start_gateway(tmp_path, config) as gateway:
        wait_until("listed", lambda: api.lists == 1)
        assert not ready(gateway)
        demand["wakes"] = True
        assert reload(gateway, tmp_path, config).startswith("reloaded")
        assert ready(gateway)
        assert {ask(gateway).error["code"] for _ in range(3)} == {"no_replica_ready"}
        wait_until("it looked", lambda: scaling(gateway, "m")["arriving_per_second"] > 0)
        assert scaling(gateway, "m")["total"] == 0
        # One that is there and does not answer is no sleeper.
        api.send("ADDED", endpoint_slice("chat-1", 5, {"127.0.0.1": True}, free_port()))
        wait_until("no longer ready", lambda: sum(replicas(gateway).values()) == 1 and not ready(gateway), 10)


def test_a_lost_watch_and_a_version_too_old_end_in_a_new_list(api: KubernetesApi, tmp_path: Path) -> None:
    with engines_on("127.0.0.1", "127.0.0.2") as (port, engines):
        first = [endpoint_slice("chat-1", 5, {"127.0.0.1": True}, port)]
        second = [endpoint_slice("chat-1", 6, {"127.0.0.2": True}, port)]
        api.slices = first
        with start_gateway(tmp_path, in_a_pod(tmp_path, api, port)) as gateway:
            expect(gateway, engines, "127.0.0.1")

            def turn(slices: Any, fault: Any, address: str) -> None:
                wait_until("watched", lambda: api.watching == 1, 10)
                api.slices = slices
                fault()
                wait_until("followed", lambda: serving(gateway, engines) == {address}, 10)

            turn(second, lambda: api.send("ERROR", {"kind": "Status", "code": 410}), "127.0.0.2")
            turn(first, api.drop, "127.0.0.1")
            turn(second, lambda: api.send_raw(b"{broken\n"), "127.0.0.2")
            api.gone = True  # this time the watch itself is answered 410
            turn(first, lambda: api.send("ERROR", {"kind": "Status", "code": 500}), "127.0.0.1")
            assert api.lists >= 5


def test_without_the_api_the_known_replicas_serve(api: KubernetesApi, tmp_path: Path) -> None:
    with engines_on("127.0.0.1", "127.0.0.2") as (port, engines):
        api.slices = [endpoint_slice("chat-1", 5, {"127.0.0.1": True, "127.0.0.2": True}, port)]
        with start_gateway(tmp_path, in_a_pod(tmp_path, api, port)) as gateway:
            expect(gateway, engines, "127.0.0.1", "127.0.0.2")
            api.down = True
            api.drop()
            wait_until("noticed", lambda: any(line["event"] == "discovery_failed" for line in gateway.log()), 10)
            assert serving(gateway, engines) == {"127.0.0.1", "127.0.0.2"}
            api.slices = [endpoint_slice("chat-1", 6, {"127.0.0.2": True}, port)]
            api.down = False
            expect(gateway, engines, "127.0.0.2")


def test_a_renewed_token_is_read(api: KubernetesApi, tmp_path: Path) -> None:
    with engines_on("127.0.0.1") as (port, engines):
        api.slices = [endpoint_slice("chat-1", 5, {"127.0.0.1": True}, port)]
        config = in_a_pod(tmp_path, api, port)
        (tmp_path / "token").write_text("expired")
        with start_gateway(tmp_path, config) as gateway:
            wait_until("refused", lambda: api.refused > 0)
            assert ask(gateway).status == 503
            (tmp_path / "token").write_text(TOKEN)
            expect(gateway, engines, "127.0.0.1")


def test_a_stranger_is_not_taken_for_the_api(api: KubernetesApi, tmp_path: Path) -> None:
    with engines_on("127.0.0.1") as (port, _):
        api.slices = [endpoint_slice("chat-1", 5, {"127.0.0.1": True}, port)]
        config = in_a_pod(tmp_path, api, port, ca_file=str(Authority(tmp_path, "another").file))
        with start_gateway(tmp_path, config) as gateway:
            wait_until("noticed", lambda: any(line["event"] == "discovery_failed" for line in gateway.log()), 10)
            assert ask(gateway).status == 503
            assert api.lists == 0
            assert api.refused == 0  # the token was not shown to it either
