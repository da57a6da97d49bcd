"""Certificates of engines: what gateways check of them, and when another one is issued."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from infra.components.engine_certificates import (
    AuthorityProvider,
    ServerCertificateProvider,
)
from serving.gateway.engine_trust import load_trust
from serving.gateway.routing.config import UpstreamTls

NAMES = ["engine-chat", "engine-chat.slipway.svc"]


def authority(site: str = "here") -> dict[str, Any]:
    return AuthorityProvider().create({"site": site}).outs or {}


def inputs(by: dict[str, Any], names: list[str] | None = None) -> dict[str, Any]:
    return {"names": names or NAMES, "authority_certificate": by["certificate"], "authority_key": by["key"]}


def issued(by: dict[str, Any]) -> dict[str, Any]:
    return ServerCertificateProvider().create(inputs(by)).outs or {}


def shown(folder: Path, server: dict[str, Any], by: dict[str, Any], name: str) -> None:
    """A handshake as a gateway and an engine's door do it, without a network."""
    files = {field: folder / field for field in ("ca", "certificate", "key")}
    for field, text in (("ca", by["certificate"]), ("certificate", server["certificate"]), ("key", server["key"])):
        files[field].write_text(text)
    door = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    door.load_cert_chain(files["certificate"], files["key"])
    trust = load_trust(UpstreamTls(ca_file=str(files["ca"]), server_name=name))
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trust.context.wrap_bio(back, there, server_hostname=name)
    engine = door.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for side in (client, engine):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.version() == "TLSv1.3"


@pytest.mark.parametrize("name", NAMES)
def test_gateways_accept_it_for_its_names(tmp_path: Path, name: str) -> None:
    by = authority()
    shown(tmp_path, issued(by), by, name)


def test_gateways_accept_it_for_no_other_name_and_of_no_other_site(tmp_path: Path) -> None:
    by = authority()
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shown(tmp_path, issued(by), by, "engine-code")
    with pytest.raises(ssl.SSLCertVerificationError):
        shown(tmp_path, issued(by), authority(), NAMES[0])


def test_what_it_may_be_used_for() -> None:
    by = authority()
    root = x509.load_pem_x509_certificate(by["certificate"].encode())
    leaf = x509.load_pem_x509_certificate(issued(by)["certificate"].encode())
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(False, None)
    assert not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    now = datetime.now(UTC)
    assert timedelta(days=364) < leaf.not_valid_after_utc - now < timedelta(days=366)
    assert root.not_valid_after_utc - now > timedelta(days=19 * 365)


def changes(state: dict[str, Any], wanted: dict[str, Any]) -> bool | None:
    return ServerCertificateProvider().diff("id", state, wanted).changes


@pytest.mark.parametrize(("days", "renewed"), [(200, False), (61, False), (59, True), (-3, True)])
def test_it_is_renewed_before_it_ends(days: int, renewed: bool) -> None:
    by = authority()
    ends = (datetime.now(UTC) + timedelta(days=days, hours=1)).isoformat()
    state = {**issued(by), "expires": ends}
    assert changes(state, inputs(by)) is renewed


def test_it_is_issued_again_for_other_names_and_by_another_authority() -> None:
    by = authority()
    state = issued(by)
    assert not changes(state, inputs(by))
    assert changes(state, inputs(by, ["engine-code"]))
    assert changes(state, inputs(authority()))


def test_the_next_one_has_another_key() -> None:
    by = authority()
    first = issued(by)
    second = ServerCertificateProvider().update("id", first, inputs(by)).outs or {}
    assert second["key"] != first["key"]
    assert second["certificate"] != first["certificate"]
    assert datetime.fromisoformat(second["expires"]) > datetime.now(UTC) + timedelta(days=300)
