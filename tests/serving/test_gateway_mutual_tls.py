"""Two gateways that know each other by certificates: the first shows one to the second, which asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509

from infra.plan.gateway_fallback import FallbackSite, OwnEngine, with_fallback
from infra.topologies.edge import EdgeSettings, EdgeSiteSettings, FallbackSettings
from serving.gateway.engine_trust import load_trust
from serving.gateway.metrics import Metrics
from serving.gateway.routing.config import UpstreamConfig, UpstreamTls
from serving.gateway.routing.pool import Pool, Source
from serving.gateway.tls.certificates import TlsProblem
from serving.gateway.upstream_certificates import UpstreamCertificates
from tests.serving.certificates import Authority
from tests.serving.gateway_process import GatewayProcess, free_port, start_gateway, wait_until
from tests.serving.routed import ask, configuration, model, reload, settle
from tests.serving.two_sites import SITE_KEY, cloud_configuration
from tests.serving.upstream import FakeEngine

Pair = tuple[Path, Path]


@dataclass
class Sites:
    """The first gateway, the engine behind the second, and whose certificates they are."""

    folder: Path
    first: GatewayProcess
    second: GatewayProcess
    engine: FakeEngine
    clients: Authority
    servers: Authority

    def changed(self, pair: Pair | None, authority: Authority | None = None) -> str:
        """The first shows another certificate now (None: none), or believes another authority; what it says to it."""
        config = first_configuration(self.second.port, self.folder, authority or self.servers, pair)
        return reload(self.first, self.folder / "first", config)


def first_configuration(port: int, folder: Path, servers: Authority, pair: Pair | None) -> dict[str, Any]:
    """Of a gateway without an engine of its own."""
    key_file = folder / "site.key"
    key_file.write_text(SITE_KEY + "\n")
    tls: dict[str, Any] = {"ca_file": str(servers.file)}
    if pair is not None:
        tls |= {"certificate_file": str(pair[0]), "key_file": str(pair[1])}
    upstream = {"kind": "slipway", "boundary": "cloud", "key_file": str(key_file), "tls": tls}
    return configuration({"m": model([f"https://127.0.0.1:{port}"], upstream=upstream)}, first_byte_seconds=10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sites")


@contextmanager
def two(folder: Path, clients: Authority, servers: Authority, pair: Pair) -> Iterator[Sites]:
    for name in ("first", "second"):
        (folder / name).mkdir()
    with FakeEngine() as engine:
        certificate, key = servers.server("second")
        config = cloud_configuration(engine)
        config["tls"] = {
            "certificate_file": str(certificate),
            "key_file": str(key),
            "client_ca_file": str(clients.file),
            "client_certificates": "required",
        }
        with start_gateway(folder / "second", config) as second:
            written = first_configuration(second.port, folder, servers, pair)
            with start_gateway(folder / "first", written) as first:
                yield Sites(folder, first, second, engine, clients, servers)


@pytest.fixture(scope="module")
def sites(folder: Path) -> Iterator[Sites]:
    clients, servers = Authority(folder, "clients"), Authority(folder, "servers")
    with two(folder, clients, servers, clients.issue("good", common="first site")) as running:
        yield running


@pytest.fixture(scope="module")
def good(sites: Sites) -> Pair:
    return sites.folder / "good.crt", sites.folder / "good.key"


def serves(sites: Sites) -> None:
    settle(sites.first, 1)
    before = len(sites.engine.calls)
    answers = [ask(sites.first, "m") for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert answers[0].headers["x-slipway-boundary"] == "cloud"
    stream = ask(sites.first, "m", stream=True)
    assert stream.body.endswith(b"data: [DONE]\n\n")
    assert len(sites.engine.calls) == before + 4


def test_requests_go_through_with_the_certificate(sites: Sites, good: Pair) -> None:
    assert sites.changed(good).startswith("reloaded")
    serves(sites)


@pytest.mark.parametrize("shown", ["nothing", "another authority's", "one that has ended"])
def test_whoever_cannot_show_it_is_refused_and_asked_no_more(sites: Sites, good: Pair, shown: str) -> None:
    before = len(sites.engine.calls)
    pair = {
        "nothing": lambda: None,
        "another authority's": lambda: Authority(sites.folder, "strangers").issue("forged", common="first site"),
        "one that has ended": lambda: sites.clients.issue("ended", common="first site", days=-1),
    }[shown]()
    assert sites.changed(pair).startswith("reloaded")
    # What was connected before the change is not used with another certificate.
    wait_until("nobody answers", lambda: ask(sites.first, "m").status in (502, 503), 20)
    assert ask(sites.first, "m").status in (502, 503)
    assert len(sites.engine.calls) == before
    assert sites.changed(good).startswith("reloaded")
    serves(sites)


@pytest.mark.parametrize("shows", [True, False])
def test_a_small_site_shows_its_own_to_the_central_one(sites: Sites, tmp_path: Path, shows: bool) -> None:
    """As the plan writes its file: the box's own engine is down, and the central gateway asks for a certificate."""
    certificate, key = sites.clients.issue("small", common="small site")
    (tmp_path / "central.key").write_text(SITE_KEY + "\n")
    pair = {"certificate": {"file": str(certificate)}, "key": {"file": str(key)}}
    fallback = FallbackSettings.model_validate(
        {
            "url": f"https://127.0.0.1:{sites.second.port}",
            "key": {"file": str(tmp_path / "central.key")},
            "authority": {"file": str(sites.servers.file)},
            "certificate": pair if shows else None,
            "wait_seconds": 0.5,
        }
    )
    small = EdgeSettings(kind="edge", central="centre", sites={"small": EdgeSiteSettings()}, fallback=fallback)
    way = small.way_to("centre", None)
    assert way is not None
    there = FallbackSite(boundary="cloud", models=("m",), way=way)
    own = OwnEngine(concurrent_requests=4, metrics_path="/metrics", kv_usage_metric=None)
    models = with_fallback({"m": model([f"http://127.0.0.1:{free_port()}"])}, {"m": own}, there)
    before = len(sites.engine.calls)
    with start_gateway(tmp_path, configuration(models, first_byte_seconds=10)) as gateway:
        if shows:
            settle(gateway, 1, "m@central")
            answer = ask(gateway)
            assert (answer.status, answer.headers["x-slipway-boundary"]) == (200, "cloud")
            assert len(sites.engine.calls) == before + 1
        else:
            assert ask(gateway).status in (502, 503)
            assert len(sites.engine.calls) == before


def test_the_other_side_must_be_who_its_authority_says(sites: Sites, good: Pair) -> None:
    """Nothing is sent, the key least of all, to a gateway of another authority's."""
    before = len(sites.engine.calls)
    assert sites.changed(good, sites.clients).startswith("reloaded")
    wait_until("nobody is believed", lambda: ask(sites.first, "m").status in (502, 503), 20)
    assert len(sites.engine.calls) == before
    assert sites.changed(good).startswith("reloaded")
    serves(sites)


def test_renewed_files_are_shown_without_a_reload_and_bad_ones_are_not(sites: Sites, good: Pair) -> None:
    """With the second gateway's eyes: it lets the first in only by what the files say now."""
    first = sites.first
    pair = sites.clients.issue("rotated", common="first site", days=-1)
    assert sites.changed(pair).startswith("reloaded")
    wait_until("nobody answers", lambda: ask(first, "m").status in (502, 503), 20)
    before, reloads = reloaded(first, "done"), first.metric('slipway_gateway_config_reloads_total{result="done"}')
    assert shown_until(sites) == ends(pair)
    sites.clients.issue("rotated", common="first site", days=30)
    wait_until("the new one is shown", lambda: ask(first, "m").status == 200, 30)
    assert shown_until(sites) == ends(pair)
    assert reloaded(first, "done") == before + 1
    # A key that does not fit: what was read before is shown still.
    refused = reloaded(first, "refused")
    pair[1].write_bytes(sites.clients.issue("stranger", common="stranger")[1].read_bytes())
    wait_until("it is refused", lambda: reloaded(first, "refused") == refused + 1, 30)
    serves(sites)
    (problem,) = [line for line in first.log() if line["event"] == "upstream_certificate_refused"][-1]["problems"]
    assert "found key values mismatch in " in problem
    assert first.metric('slipway_gateway_config_reloads_total{result="done"}') == reloads
    assert sites.changed(good).startswith("reloaded")
    serves(sites)


def test_another_authority_in_the_same_file_is_believed_without_a_reload(sites: Sites, good: Pair) -> None:
    believed = sites.folder / "believed.pem"
    believed.write_bytes(sites.clients.file.read_bytes())
    config = first_configuration(sites.second.port, sites.folder, sites.servers, good)
    config["models"]["m"]["upstreams"][0]["tls"]["ca_file"] = str(believed)
    assert reload(sites.first, sites.folder / "first", config).startswith("reloaded")
    wait_until("nobody is believed", lambda: ask(sites.first, "m").status in (502, 503), 20)
    believed.write_bytes(sites.servers.file.read_bytes())
    wait_until("it is believed", lambda: ask(sites.first, "m").status == 200, 30)
    assert sites.changed(good).startswith("reloaded")
    serves(sites)


def reloaded(gateway: GatewayProcess, result: str) -> float:
    return gateway.metric(f'slipway_gateway_certificate_reloads_total{{result="{result}"}}')


def shown_until(sites: Sites) -> float:
    labels = f'{{model="m",upstream="127.0.0.1:{sites.second.port}"}}'
    return sites.first.metric(f"slipway_gateway_upstream_certificate_expires_timestamp_seconds{labels}")


def ends(pair: Pair) -> float:
    return x509.load_pem_x509_certificate(pair[0].read_bytes()).not_valid_after_utc.timestamp()


def test_a_pair_that_does_not_fit_changes_nothing(sites: Sites, good: Pair) -> None:
    other = sites.clients.issue("other", common="other")
    assert not sites.changed((good[0], other[1])).startswith("reloaded")
    refused = [line for line in sites.first.log() if line["event"] == "reload_refused"][-1]
    (problem,) = refused["problems"]
    assert "models.m.upstreams[0].tls.certificate_file: found key values mismatch in " in problem
    assert "allowed is a certificate and its key in PEM" in problem
    text = sites.first.log_file.read_text()
    assert "PRIVATE KEY" not in text
    for file in (*good, *other):
        assert not [line for line in file.read_text().splitlines() if "-----" not in line and line in text]
    serves(sites)


def test_files_that_stay_bad_are_told_of_once(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("site")
    tls = UpstreamTls(certificate_file=str(pair[0]), key_file=str(pair[1]))
    pool = Pool("m")
    pool.sources = [Source(UpstreamConfig("https://127.0.0.1", None, tls=tls), "here", None, trust := load_trust(tls))]
    noted: list[str] = []
    journal: Any = SimpleNamespace(note=lambda event, *_, **__: noted.append(event))
    certificates = UpstreamCertificates(lambda: {"m": pool}, Metrics(), journal)
    pair[1].write_text("no key")
    for _ in range(3):
        asyncio.run(certificates.look_once())
    assert noted == ["upstream_certificate_refused"]
    assert pool.sources[0].trust is trust
    Authority(tmp_path).issue("site")
    for _ in range(3):
        asyncio.run(certificates.look_once())
    assert noted[1:] == ["upstream_certificate_renewed"]
    pair[1].write_text("no key")
    asyncio.run(certificates.look_once())
    assert noted[2:] == ["upstream_certificate_refused"]


def test_a_renewed_pair_in_the_same_files_is_another_trust_and_the_same_one_is_not(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    pair = ours.issue("site")
    config = UpstreamTls(certificate_file=str(pair[0]), key_file=str(pair[1]))
    first = load_trust(config)
    assert load_trust(config) is first
    assert first.server_name is None
    ours.issue("site")
    assert load_trust(config) is not first


def test_a_pair_that_cannot_be_used_is_named_by_its_files_alone(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    certificate, key = Authority(tmp_path).issue("site")
    locked = tmp_path / "locked.key"
    plain: Any = serialization.load_pem_private_key(key.read_bytes(), None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    locked.write_bytes(plain.private_bytes(*form, serialization.BestAvailableEncryption(b"secret")))
    for pair in ((certificate, locked), (key, key), (certificate, tmp_path / "nowhere"), (certificate, Path("abc"))):
        with pytest.raises(TlsProblem, match=r"certificate_file: found .*; allowed is a certificate") as refused:
            load_trust(UpstreamTls(certificate_file=str(pair[0]), key_file=str(pair[1])))
        assert "secret" not in str(refused.value)
        assert "abc" not in str(refused.value)
