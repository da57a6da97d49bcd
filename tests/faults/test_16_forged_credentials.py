"""Experiment 16: expired, forged and unsigned tokens, SQL in the bearer, forged Host values. Pass: all 401 with one
constant body, and neither the credential nor its hash in it."""

from __future__ import annotations

from pathlib import Path

from tests.faults.conftest import Times
from tests.serving.gateway_process import KEY, Answer, chat, configuration, sha, start_gateway
from tests.serving.test_gateway_identity import CORP, bad_tokens
from tests.serving.tokens import KeyServer, SigningKey, claims, issuer, key_set
from tests.serving.upstream import FakeEngine

WRONG = "sk-wrong-canary-16"


def test_forged_credentials_get_one_constant_401(engine: FakeEngine, tmp_path: Path, times: Times) -> None:
    number = times(10, 1)
    key = SigningKey("k1")
    config = configuration(engine.url, tmp_path)
    with KeyServer(key_set(key)) as server:
        source = {"jwks_url": server.url}
        config["identity"] = {"issuers": {"corp": issuer(CORP, source, required_claims=["azp"], leeway_seconds=5)}}
        with start_gateway(tmp_path, config) as gateway:
            assert gateway.request(body=chat("ok"), key=key.sign(claims(CORP))).status == 200
            before = len(engine.calls)
            answers: dict[str, Answer] = {}
            for turn in range(number):
                bearers = {
                    "wrong key": WRONG,
                    "hash of a key": sha(KEY),
                    "sql": "' OR '1'='1' --",
                    "sql with dots": "a'.b'.c' OR 1=1",
                    **bad_tokens(key),
                }
                for name, bearer in bearers.items():
                    answers[f"{turn} {name}"] = gateway.request(body=chat("ok"), key=bearer)
                for host in ("foo?", "localhost:1/../", "a b"):
                    answers[f"{turn} host {host}"] = gateway.request(body=chat("ok"), key=None, headers={"Host": host})
                answers[f"{turn} no key"] = gateway.request(body=chat("ok"), key=None)
            assert {name: answer.status for name, answer in answers.items() if answer.status != 401} == {}
            bodies = {answer.body for answer in answers.values()}
            assert len(bodies) == 1
            body = bodies.pop().decode()
            assert WRONG not in body
            assert sha(WRONG) not in body
            assert len(engine.calls) == before
