"""Gateway: the verifier of tokens by itself. Algorithms, key sets, what is remembered, and the clock."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from serving.gateway.identity.config import IdentityConfig
from serving.gateway.identity.tokens import BadToken, TokenVerifier, UnknownKey
from tests.serving.gateway_process import KEY, configuration, sha
from tests.serving.test_gateway_identity import CORP
from tests.serving.tokens import SigningKey, claims, issuer, key_set


@pytest.mark.parametrize("expires", ["2026-01-01T00:00:00", "tomorrow", 7])
def test_an_expiry_without_zone_is_refused(tmp_path: Path, expires: Any) -> None:
    assert "clients.dev" in problems(
        tmp_path, lambda config: config["clients"]["dev"].update(keys=[{"sha256": sha("x"), "expires": expires}])
    )


def problems(folder: Path, change: Any) -> str:
    from serving.gateway.config import ConfigProblem, load_config

    config = configuration("http://127.0.0.1:1", folder)
    change(config)
    file = folder / "gateway.json"
    file.write_text(json.dumps(config))
    with pytest.raises(ConfigProblem) as caught:
        load_config(file)
    assert all("allowed is " in line for line in caught.value.problems)
    return "\n".join(caught.value.problems)


def one(**changes: Any) -> Any:
    source = {} if {"jwks_url", "jwks_file"} & set(changes) else {"jwks_url": "https://x.example.com/keys"}
    return lambda config: config.update(identity={"issuers": {"corp": issuer(CORP, source, **changes)}})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (one(algorithms=["none"]), "algorithms[0]`"),
        (one(algorithms=["HS256"]), "algorithms[0]`"),
        (one(algorithms=[]), "$.identity.issuers"),
        (one(jwks_url="http://x.example.com/keys"), "identity.issuers.corp.jwks_url: found something else"),
        (one(jwks_url="https://u:p@x.example.com/"), "identity.issuers.corp.jwks_url: found something else"),
        (one(jwks_url=None), "neither jwks_url nor jwks_file"),
        (one(jwks_url="https://x/", jwks_file="/x"), "both jwks_url and jwks_file"),
        (one(jwks_file="/no/such/file"), "FileNotFoundError reading /no/such/file"),
        (one(jwks_file="/proc/self/status"), "no such keys in /proc/self/status"),
        (one(leeway_seconds=301), "leeway_seconds"),
        (one(audience=[]), "audience"),
        (one(clients=[{"claim": "azp", "matches": "*", "client": "nobody"}]), "clients[0].client: found another name"),
        (one(clients=[{"claim": "azp", "matches": "*a*", "client": "dev"}]), "more than one *"),
        (lambda config: config["clients"]["narrow"].update(keys=[{"sha256": sha(KEY)}]), "also belongs to dev"),
        (
            lambda config: [client.update(certificates=["cn:x"]) for client in config["clients"].values()],
            "clients.narrow.certificates: found a key that also belongs to dev",
        ),
    ],
)
def test_every_problem_of_identity_is_clear(tmp_path: Path, change: Any, expected: str) -> None:
    assert expected in problems(tmp_path, change)


def verifier(*keys: SigningKey, folder: Path, **changes: Any) -> TokenVerifier[str]:
    import msgspec

    file = folder / "jwks"
    file.write_bytes(key_set(*keys))
    raw = {"issuers": {"corp": issuer(CORP, {"jwks_file": str(file)}, **changes)}}
    return TokenVerifier(msgspec.convert(raw, IdentityConfig), {"dev": "dev", "narrow": "narrow"})


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "ES256", "EdDSA"])
def test_every_allowed_algorithm_verifies_and_no_other(tmp_path: Path, algorithm: str) -> None:
    key = SigningKey("k", algorithm)
    tokens = verifier(key, folder=tmp_path, algorithms=[algorithm])
    token = key.sign(claims(CORP)).encode()
    assert tokens.known(token) is None
    assert tokens.verify(token).client == "dev"
    known = tokens.known(token)
    assert known is not None
    assert (known.client, known.subject, known.id) == ("dev", "someone@example.com", "token:corp")
    if algorithm == "RS256":
        key.algorithm = "RS512"
        with pytest.raises(BadToken):
            tokens.verify(key.sign(claims(CORP)).encode())


def test_a_token_without_key_id_fits_a_set_of_one_key_only(tmp_path: Path) -> None:
    first, second = SigningKey("a"), SigningKey("b")
    token = jwt.encode(claims(CORP), first.private, "RS256").encode()
    assert verifier(first, folder=tmp_path).verify(token).client == "dev"
    with pytest.raises(UnknownKey):
        verifier(first, second, folder=tmp_path).verify(token)


def test_short_and_encryption_keys_are_not_used(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from jwt.algorithms import RSAAlgorithm

    from serving.gateway.identity.jwks import read_set

    short: Any = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True)
    good = SigningKey("good")
    entries = [{**short, "kid": "short"}, {**good.jwk, "kid": "enc", "use": "enc"}, {"kty": "oct", "k": "AA"}, 7, {}]
    with pytest.raises(ValueError, match="no usable key"):
        read_set(json.dumps({"keys": entries}).encode(), ["RS256", "ES256"])
    assert set(read_set(json.dumps({"keys": [*entries, good.jwk]}).encode(), ["RS256"])) == {"good"}


def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.gateway.identity.tokens._MOST_REMEMBERED", 16)
    key = SigningKey("k", "ES256")
    tokens = verifier(key, folder=tmp_path, algorithms=["ES256"])
    signed = [key.sign(claims(CORP, sub=f"s{number}")).encode() for number in range(40)]
    for token in signed:
        tokens.verify(token)
    assert len(tokens._remembered) <= 16
    assert tokens.known(signed[-1]) is not None


def test_clock_moved_back_or_on_changes_only_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = SigningKey("k")
    tokens = verifier(key, folder=tmp_path)
    token = key.sign(claims(CORP, nbf=int(time.time()) - 10)).encode()
    tokens.verify(token)
    real = time.time
    for moved, good in ((300, True), (700, False), (-300, False)):
        if tokens.known(token) is None:
            tokens.verify(token)
        monkeypatch.setattr("serving.gateway.identity.tokens.time.time", lambda moved=moved: real() + moved)
        assert (tokens.known(token) is not None) == good, moved
        monkeypatch.undo()
