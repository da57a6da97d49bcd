"""Gateway: who is asking. Keys that expire, tokens of issuers, key sets that rotate and fail."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from tests.serving.gateway_process import (
    KEY,
    GatewayProcess,
    chat,
    configuration,
    sha,
    start_gateway,
    wait_until,
)
from tests.serving.tokens import KeyServer, SigningKey, claims, issuer, key_set
from tests.serving.upstream import FakeEngine

CORP = "https://login.example.com/"
EDGE = "https://edge.example.com/"


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey("k1")


@pytest.fixture(scope="module")
def edge_key() -> SigningKey:
    return SigningKey("e1", "ES256")


@pytest.fixture(scope="module")
def gateway(
    engine: FakeEngine, key: SigningKey, edge_key: SigningKey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    file = folder / "edge.jwks"
    file.write_bytes(key_set(edge_key))
    config = configuration(engine.url, folder)
    with KeyServer(key_set(key)) as server:
        config["identity"] = {
            "issuers": {
                "corp": issuer(CORP, {"jwks_url": server.url}, required_claims=["azp"], leeway_seconds=5),
                "edge": issuer(EDGE, {"jwks_file": str(file)}, algorithms=["ES256"]),
            }
        }
        with start_gateway(folder, config) as running:
            yield running


def status(gateway: GatewayProcess, token: str, model: str = "ok") -> int:
    return gateway.request(body=chat(model), key=token).status


def test_a_good_token_gets_an_answer_as_its_client(gateway: GatewayProcess, key: SigningKey) -> None:
    token = key.sign(claims(CORP))
    assert [status(gateway, token) for _ in range(3)] == [200, 200, 200]
    listed = json.loads(gateway.request("GET", "/v1/models", key=token).body)
    assert len(listed["data"]) > 5
    narrow = key.sign(claims(CORP, groups=["other", "narrow"]))
    assert status(gateway, narrow) == 200
    assert status(gateway, narrow, "cut") == 404  # it is the client `narrow`, which has one model
    assert status(gateway, KEY) == 200  # keys go on working beside tokens


def test_two_issuers_do_not_vouch_for_each_other(
    gateway: GatewayProcess, key: SigningKey, edge_key: SigningKey
) -> None:
    assert status(gateway, edge_key.sign(claims(EDGE))) == 200
    assert status(gateway, edge_key.sign(claims(CORP))) == 401
    assert status(gateway, key.sign(claims(EDGE))) == 401
    assert status(gateway, edge_key.sign(claims(CORP), kid="k1")) == 401


def unsigned(body: dict[str, Any], **header: Any) -> str:
    parts = [{"alg": "none", "typ": "JWT", "kid": "k1", **header}, body]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


def mac(text: str, secret: bytes) -> str:
    digest = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def public_pem(key: SigningKey) -> bytes:
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return key.private.public_key().public_bytes(*form)


def bad_tokens(key: SigningKey) -> dict[str, str]:
    now = int(time.time())
    good = key.sign(claims(CORP))
    head, body, signature = good.split(".")
    confused = unsigned(claims(CORP), alg="HS256").rstrip(".")
    other = SigningKey("k1")
    return {
        "expired": key.sign(claims(CORP, exp=now - 6)),
        "not yet": key.sign(claims(CORP, nbf=now + 60)),
        "of the future": key.sign(claims(CORP, iat=now + 60)),
        "no expiry": key.sign(claims(CORP, exp=None)),
        "endless expiry": key.sign(claims(CORP, exp="never")),
        "infinite expiry": unsigned(claims(CORP, exp=float("inf")), alg="RS256"),
        "wrong audience": key.sign(claims(CORP, aud="another")),
        "no audience": key.sign(claims(CORP, aud=None)),
        "unknown issuer": key.sign(claims("https://evil.example.com/")),
        "no issuer": key.sign(claims(CORP, iss=None)),
        "issuer in a list": key.sign(claims(CORP, iss=None) | {"x": [CORP]}),
        "no subject": key.sign(claims(CORP, sub=None)),
        "no required claim": key.sign(claims(CORP, azp=None, groups=["narrow"])),
        "no client": key.sign(claims(CORP, azp="guests")),
        "another's key": other.sign(claims(CORP)),
        "none": unsigned(claims(CORP)),
        "None": unsigned(claims(CORP), alg="None"),
        "hs256 with the public key": f"{confused}.{mac(confused, public_pem(key))}",
        "hs256 unsigned": unsigned(claims(CORP), alg="HS256"),
        "allowed elsewhere": SigningKey("k1", "ES256").sign(claims(CORP)),
        "critical extension": key.sign(claims(CORP), crit=["exp"]),
        "own key in the header": other.sign(claims(CORP), jwk=other.jwk),
        "key by url": other.sign(claims(CORP), jku="http://127.0.0.1:1/keys"),
        "key id of another kind": unsigned(claims(CORP), alg="RS256", kid=["k1"]),
        "cut signature": good[:-10],
        "no signature": f"{head}.{body}.",
        "other body": f"{head}.{unsigned(claims(CORP, azp='team-b')).split('.')[1]}.{signature}",
        "not base64": "a!.b!.c!",
        "not json": "YWJj.YWJj.YWJj",
        "two dots": "..",
        "too long": key.sign(claims(CORP, groups=["x" * 100] * 100)),
    }


def test_every_bad_token_gets_the_same_401_as_a_bad_key(
    gateway: GatewayProcess, engine: FakeEngine, key: SigningKey
) -> None:
    before = len(engine.calls)
    expected = gateway.request(body=chat("ok"), key="wrong")
    for name, token in bad_tokens(key).items():
        answer = gateway.request(body=chat("ok"), key=token)
        assert (answer.status, answer.body) == (401, expected.body), name
        assert answer.headers["www-authenticate"] == "Bearer"
    assert len(engine.calls) == before
    text = gateway.request("GET", "/metrics", port=gateway.operations).body.decode()
    for verdict in ("expired", "not_yet_valid", "bad_signature", "wrong_audience", "claim_missing", "no_client"):
        assert f'slipway_gateway_token_verdicts_total{{issuer="corp",verdict="{verdict}"}}' in text, verdict
    assert "evil.example.com" not in text


def test_leeway_is_what_the_configuration_says(gateway: GatewayProcess, key: SigningKey) -> None:
    now = int(time.time())
    assert status(gateway, key.sign(claims(CORP, exp=now - 2))) == 200
    assert status(gateway, key.sign(claims(CORP, nbf=now + 3))) == 200


def test_a_remembered_token_ends_with_its_expiry(gateway: GatewayProcess, key: SigningKey) -> None:
    token = key.sign(claims(CORP, exp=int(time.time()) - 3))  # good for 2 more seconds of leeway
    assert status(gateway, token) == 200
    wait_until("expired", lambda: status(gateway, token) == 401)


def test_no_personal_datum_of_a_token_is_logged(gateway: GatewayProcess, key: SigningKey) -> None:
    token = key.sign(claims(CORP, sub="canary-subject@example.com"))
    assert status(gateway, token) == 200
    assert gateway.log()[-1]["client"] == "dev"
    text = gateway.log_file.read_text()
    assert "canary-subject" not in text
    assert token.rpartition(".")[2] not in text


def test_an_expired_key_is_nobodys(engine: FakeEngine, tmp_path: Path) -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=4)
    config = configuration(engine.url, tmp_path)
    config["clients"]["dev"]["keys"] = [
        {"sha256": sha("sk-ends"), "expires": soon.isoformat()},
        {"sha256": sha("sk-ended"), "expires": "2026-01-01T00:00:00Z"},
        {"sha256": sha("sk-endless")},
        {"sha256": sha("sk-null"), "expires": None},
    ]
    with start_gateway(tmp_path, config) as gateway:
        statuses = {name: status(gateway, f"sk-{name}") for name in ("ends", "ended", "endless", "null")}
        assert statuses == {"ends": 200, "ended": 401, "endless": 200, "null": 200}
        wait_until("it ended", lambda: status(gateway, "sk-ends") == 401, 10)
        assert status(gateway, "sk-endless") == 200
        expected = gateway.request(body=chat("ok"), key="wrong").body
        assert gateway.request(body=chat("ok"), key="sk-ends").body == expected


def test_a_new_key_of_the_issuer_is_found_at_once_and_by_one_reading(engine: FakeEngine, tmp_path: Path) -> None:
    first, second = SigningKey("first"), SigningKey("second")
    config = configuration(engine.url, tmp_path)
    with KeyServer(key_set(first)) as server:
        config["identity"] = {"issuers": {"corp": issuer(CORP, {"jwks_url": server.url}, refetch_seconds=0.5)}}
        with start_gateway(tmp_path, config) as gateway:
            assert status(gateway, first.sign(claims(CORP))) == 200
            assert server.asked <= 2
            time.sleep(0.6)
            server.body = key_set(first, second)
            server.delay = 0.3
            before = server.asked
            with ThreadPoolExecutor(8) as pool:
                tokens = [second.sign(claims(CORP, sub=f"s{number}")) for number in range(8)]
                assert list(pool.map(lambda token: status(gateway, token), tokens)) == [200] * 8
            assert server.asked == before + 1


def test_unknown_keys_are_no_lever_against_the_issuer(engine: FakeEngine, tmp_path: Path) -> None:
    good = SigningKey("good")
    config = configuration(engine.url, tmp_path)
    with KeyServer(key_set(good)) as server:
        config["identity"] = {"issuers": {"corp": issuer(CORP, {"jwks_url": server.url}, refetch_seconds=1)}}
        with start_gateway(tmp_path, config) as gateway:
            assert status(gateway, good.sign(claims(CORP))) == 200
            started = time.monotonic()
            before = server.asked
            for number in range(60):
                assert status(gateway, unsigned(claims(CORP), alg="RS256", kid=f"made-up-{number}")) == 401
            assert server.asked - before <= 2 + (time.monotonic() - started)
            time.sleep(1.1)
            before = server.asked
            assert status(gateway, unsigned(claims(CORP), alg="RS256", kid="stuck")) == 401
            assert server.asked == before + 1
            time.sleep(1.1)
            assert status(gateway, unsigned(claims(CORP), alg="RS256", kid="stuck")) == 401  # remembered as unknown
            assert server.asked == before + 1
            assert status(gateway, good.sign(claims(CORP))) == 200


def test_without_any_key_of_the_issuer_it_is_a_503_and_then_it_works(engine: FakeEngine, tmp_path: Path) -> None:
    key = SigningKey("k")
    config = configuration(engine.url, tmp_path)
    with KeyServer(key_set(key)) as server:
        server.status = 500
        config["identity"] = {"issuers": {"corp": issuer(CORP, {"jwks_url": server.url}, refetch_seconds=0.5)}}
        with start_gateway(tmp_path, config) as gateway:
            answer = gateway.request(body=chat("ok"), key=key.sign(claims(CORP)))
            assert (answer.status, answer.error["code"]) == (503, "issuer_keys_unavailable")
            assert int(answer.headers["retry-after"]) >= 1
            assert status(gateway, KEY) == 200
            server.status = 200
            wait_until("the keys are there", lambda: status(gateway, key.sign(claims(CORP))) == 200)
            server.status = 500  # an issuer that is away does not lock out those it vouched for
            time.sleep(1)
            assert status(gateway, key.sign(claims(CORP, sub="other"))) == 200
            server.status, server.body = 200, b'{"keys": []}'  # nor one that publishes nonsense
            time.sleep(1)
            assert status(gateway, key.sign(claims(CORP, sub="third"))) == 200


def test_a_withdrawn_key_ends_its_remembered_tokens(engine: FakeEngine, tmp_path: Path) -> None:
    old, new = SigningKey("old"), SigningKey("new")
    config = configuration(engine.url, tmp_path)
    with KeyServer(key_set(old, new)) as server:
        config["identity"] = {"issuers": {"corp": issuer(CORP, {"jwks_url": server.url}, refresh_seconds=0.5)}}
        with start_gateway(tmp_path, config) as gateway:
            tokens = old.sign(claims(CORP)), new.sign(claims(CORP))
            assert [status(gateway, token) for token in tokens] == [200, 200]
            server.body = key_set(new)
            wait_until("the old one is out", lambda: status(gateway, tokens[0]) == 401)
            assert status(gateway, tokens[1]) == 200


def test_a_reload_revokes_remembered_tokens_and_asks_for_no_keys(engine: FakeEngine, tmp_path: Path) -> None:
    key = SigningKey("k")
    config = configuration(engine.url, tmp_path)
    with KeyServer(key_set(key)) as server:
        corp = issuer(CORP, {"jwks_url": server.url})
        config["identity"] = {"issuers": {"corp": corp}}
        with start_gateway(tmp_path, config) as gateway:
            by_id = key.sign(claims(CORP, jti="t-1"))
            by_subject = key.sign(claims(CORP, sub="left@example.com"))
            stays = key.sign(claims(CORP, sub="stays@example.com", jti="t-2"))
            assert [status(gateway, token) for token in (by_id, by_subject, stays)] == [200] * 3
            server.status = 500
            corp |= {"revoked_token_ids": ["t-1"], "revoked_subjects": ["left@example.com"]}
            (tmp_path / "gateway.json").write_text(json.dumps(config))
            gateway.hang_up()
            assert gateway.notified().startswith("reloaded ")
            assert [status(gateway, token) for token in (by_id, by_subject, stays)] == [401, 401, 200]
