"""Gateway: whose certificates. Own ones, those of clients, and those that cannot be used."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.serving.certificates import Authority, ask_over_tls, trusting
from tests.serving.gateway_process import KEY, chat, configuration, start_gateway
from tests.serving.test_gateway_life import run_to_end
from tests.serving.test_gateway_tls import secured, shown
from tests.serving.upstream import FakeEngine


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_an_own_certificate_is_made_kept_and_renewed(engine: FakeEngine, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    config = configuration(engine.url, tmp_path)
    config["tls"] = {"self_signed": True, "self_signed_folder": str(folder)}
    pair = folder / "gateway.crt", folder / "gateway.key"
    with start_gateway(tmp_path, config) as gateway:
        assert (pair[1].stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
        context = trusting(pair[0])
        assert ask_over_tls(gateway.port, context, chat("ok")).status == 200
        first = shown(gateway, context)
        assert [line["name"] for line in gateway.log() if line["event"] == "weakening"] == ["tls_self_signed"]
        assert sorted(path.name for path in folder.iterdir()) == ["gateway.crt", "gateway.key"]
    with start_gateway(tmp_path, config) as gateway:
        assert shown(gateway, context) == first  # clients that trust it need not be told again
    config["tls"]["self_signed_names"] = ["gateway.example.com", "127.0.0.1"]
    with start_gateway(tmp_path, config) as gateway:
        names = x509.load_pem_x509_certificate(pair[0].read_bytes()).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        assert names.value.get_values_for_type(x509.DNSName) == ["gateway.example.com"]
        assert ask_over_tls(gateway.port, trusting(pair[0]), chat("ok")).status == 200


def test_an_own_certificate_is_made_anew_before_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime

    from serving.gateway.tls import self_signed
    from serving.gateway.tls.certificates import load_certificates
    from serving.gateway.tls.config import TlsConfig

    config = TlsConfig(self_signed=True, self_signed_folder=str(tmp_path))
    monkeypatch.setattr(self_signed, "_LIFETIME", datetime.timedelta(days=29))
    ending = load_certificates("tls", config)
    assert ending.is_stale()
    monkeypatch.undo()
    renewed = load_certificates("tls", config)
    assert renewed.expires_at > ending.expires_at
    assert not renewed.is_stale()
    assert not load_certificates("tls", config).is_stale()


def test_client_certificates_say_who_is_asking(engine: FakeEngine, authority: Authority, tmp_path: Path) -> None:
    config = secured(engine, tmp_path, authority.server(), client_ca_file=str(authority.file))
    config["clients"]["dev"]["certificates"] = ["uri:spiffe://corp/team-a", "cn:batch"]
    config["clients"]["narrow"]["certificates"] = ["dns:edge.example.com"]
    team = authority.issue("team", x509.UniformResourceIdentifier("spiffe://corp/team-a"))
    batch = authority.issue("batch", common="batch")
    edge = authority.issue("edge", x509.DNSName("Edge.example.com"))
    guest = authority.issue("guest", x509.UniformResourceIdentifier("spiffe://corp/team-ab"))
    # The subject is what the applicant wrote; with alternative names in it only those count.
    pretender = authority.issue("pretender", x509.DNSName("other.example.com"), common="batch")
    both = authority.issue(
        "both", x509.UniformResourceIdentifier("spiffe://corp/team-a"), x509.DNSName("edge.example.com")
    )
    with start_gateway(tmp_path, config) as gateway:

        def status(pair: tuple[Path, Path] | None, key: str | None = None, model: str = "ok") -> int:
            return ask_over_tls(gateway.port, trusting(authority.file, pair), chat(model), key).status

        assert [status(pair) for pair in (team, batch, edge)] == [200, 200, 200]
        assert [status(pair, model="e400") for pair in (batch, edge)] == [400, 404]
        assert [status(pair) for pair in (None, guest, pretender, both)] == [401] * 4
        assert status(None, KEY) == 200
        assert status(team, "wrong") == 401  # a bad credential is not made good by a certificate
        stranger = Authority(tmp_path, "stranger")
        forged = stranger.issue("forged", x509.UniformResourceIdentifier("spiffe://corp/team-a"))
        with pytest.raises(OSError, match=r"(?i)alert|unknown|reset|ended|closed|eof"):
            status(forged)
        text = gateway.log_file.read_text()
        assert "spiffe" not in text


def test_required_client_certificates(engine: FakeEngine, authority: Authority, tmp_path: Path) -> None:
    config = secured(
        engine, tmp_path, authority.server(), client_ca_file=str(authority.file), client_certificates="required"
    )
    pair = authority.issue("any", common="any")
    with start_gateway(tmp_path, config) as gateway:
        assert ask_over_tls(gateway.port, trusting(authority.file, pair), chat("ok")).status == 200
        with pytest.raises((OSError, http.client.HTTPException)):
            ask_over_tls(gateway.port, trusting(authority.file), chat("ok"))


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        ({}, "tls: found no certificate"),
        ({"certificate_file": "/x"}, "tls: found no certificate"),
        ({"certificate_file": "/no/such", "key_file": "/no/such"}, "tls.certificate_file: found No such file"),
        ({"self_signed": True}, "tls: found self_signed without a folder"),
        ({"self_signed": True, "self_signed_folder": "/proc/no"}, "tls.self_signed_folder: found "),
        ({"self_signed": True, "self_signed_folder": "/x", "key_file": "/y"}, "self_signed with certificate files"),
        ({"minimum_version": "1.1"}, "minimum_version"),
    ],
    ids=str,
)
def test_every_problem_of_tls_is_clear(tmp_path: Path, tls: dict[str, Any], expected: str) -> None:
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps({**configuration("http://127.0.0.1:1", tmp_path), "tls": tls}))
    ended = run_to_end("--config", str(file), "--listen", "127.0.0.1:0", "--operations", "127.0.0.1:0")
    assert ended.returncode == 2
    assert expected in ended.stderr
    assert "allowed is " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_certificates_that_cannot_serve_are_refused(authority: Authority, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    from serving.gateway.tls.certificates import TlsProblem, load_certificates
    from serving.gateway.tls.config import TlsConfig

    good = authority.server("good")
    ended = authority.server("ended", days=-1)
    other = authority.server("other")
    locked = tmp_path / "locked.key"
    key: Any = serialization.load_pem_private_key(good[1].read_bytes(), None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    locked.write_bytes(key.private_bytes(*form, serialization.BestAvailableEncryption(b"secret")))
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for certificate, key_file, authority_file, expected in (
        (ended[0], ended[1], None, "a certificate that ended on "),
        (good[0], other[1], None, "key values mismatch"),
        (good[0], locked, None, "cannot be used"),
        (good[1], good[1], None, "tls.certificate_file: found "),
        (good[0], good[1], empty, "tls.client_ca_file: found "),
    ):
        config = TlsConfig(
            certificate_file=str(certificate),
            key_file=str(key_file),
            client_ca_file=None if authority_file is None else str(authority_file),
        )
        with pytest.raises(TlsProblem, match=expected) as caught:
            load_certificates("tls", config)
        assert "secret" not in str(caught.value)
        assert "allowed is " in str(caught.value)
