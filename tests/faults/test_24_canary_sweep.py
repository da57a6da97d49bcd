"""Experiment 24: after a round of all that can go wrong, all that was written or answered is searched for keys and
prompts. Pass: 0 of them in every log, metric, trace, audit file, error body and what the admin listener tells."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
from pathlib import Path

import pytest

from tests.faults.conftest import Times
from tests.serving.certificates import Authority, ask_over_tls, trusting
from tests.serving.gateway_process import (
    ENGINE_KEY,
    KEY,
    OLD_KEY,
    PROMPT,
    Answer,
    chat,
    configuration,
    free_port,
    raw_request,
    read_to_end,
    sha,
    start_gateway,
)
from tests.serving.test_gateway_traces import Collector
from tests.serving.tokens import KeyServer, SigningKey, claims, issuer, key_set
from tests.serving.upstream import MODELS, FakeEngine

WRONG = "sk-wrong-canary-24"
CORP = "https://login.example.com/"
SUBJECT = "subject-canary@example.com"
COLLECTOR_KEY = "collector-canary-24"
QUICK = [name for name in MODELS if name not in ("flood", "long", "big", "bigcut", "endless", "embed")]


class Gathered:
    """Everything that was written or answered, by where it was found."""

    def __init__(self) -> None:
        self.texts: dict[str, bytes] = {}

    def add(self, where: str, text: bytes) -> None:
        self.texts[where] = self.texts.get(where, b"") + text + b"\n"

    def answer(self, answer: Answer) -> None:
        """An error's body and head: an answer may hold what the engine said about the prompt, an error may not."""
        self.add("heads of answers", str(answer.headers).encode())
        if answer.status != 200 or b"event: error" in answer.body:
            self.add("error bodies", answer.body)

    def count(self, canary: str) -> dict[str, int]:
        """How often `canary` is in what, plain, in base64, or escaped."""
        plain = canary.encode()
        forms = {plain, base64.b64encode(plain), json.dumps(canary)[1:-1].encode(), plain.upper(), plain.lower()}
        return {
            where: number for where, text in self.texts.items() if (number := sum(text.count(form) for form in forms))
        }


@pytest.mark.timeout(300)
def test_no_key_and_no_prompt_is_found_anywhere(engine: FakeEngine, tmp_path: Path, times: Times) -> None:
    rounds = times(10, 1, "rounds")
    signing = SigningKey("k1")
    authority = Authority(tmp_path)
    token_file = tmp_path / "collector.key"
    token_file.write_text(f"Bearer {COLLECTOR_KEY}")
    audit, admin = tmp_path / "audit", free_port()
    certificate, certificate_key = authority.server()
    config = configuration(engine.url, tmp_path)
    for model in config["models"].values():
        model["longest_generation_seconds"] = 1.5
    gathered = Gathered()
    tokens: list[str] = []
    with Collector() as collector, KeyServer(key_set(signing)) as server:
        config |= {
            "identity": {"issuers": {"corp": issuer(CORP, {"jwks_url": server.url})}},
            "tls": {"certificate_file": str(certificate), "key_file": str(certificate_key)},
            "telemetry": {"traces": {"url": collector.url, "ratio": 1.0, "authorization_file": str(token_file)}},
            "audit": {"folder": str(audit)},
        }
        options = ("--admin", f"127.0.0.1:{admin}", "--accept-seconds", "0", "--drain-seconds", "5")
        with start_gateway(tmp_path, config, *options) as gateway:
            context = trusting(authority.file)

            def ask(body: object, key: str | None = KEY, path: str = "/v1/chat/completions") -> None:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    gathered.answer(ask_over_tls(gateway.port, context, body, key, path))

            for turn in range(rounds):
                for model in QUICK:
                    for stream in (False, True):
                        ask(chat(model, stream=stream, user=PROMPT))
                good = signing.sign(claims(CORP, sub=SUBJECT, jti=f"jti-{turn}"))
                bad = SigningKey("k1").sign(claims(CORP, sub=SUBJECT))
                tokens += [good, bad]
                for key in (good, bad, WRONG, sha(KEY), f"{KEY} ", None):
                    ask(chat("ok"), key)
                ask(chat("ok", n=10**9))
                ask(chat("ok", stop=7))
                ask(chat(PROMPT))
                ask({"model": "ok", "messages": PROMPT})
                ask(json.dumps(chat("ok")).encode()[:-3])
                ask(PROMPT.encode())
                ask(chat("ok"), path=f"/v1/{PROMPT}?key={KEY}")
                ask(b"x" * 200_000)
                with contextlib.suppress(OSError), gateway.connect() as plain:
                    plain.sendall(raw_request(chat("ok")))
                    gathered.add("answers to broken HTTP", read_to_end(plain, 3))
                # The mistakes to expect: the key itself where its hash belongs, and in the place of a name.
                mistaken = {**config["clients"]["dev"], "key_sha256": [KEY], "keys": [{"sha256": KEY}]}
                named = {**config["clients"]["dev"], KEY: PROMPT, "models": [KEY], "data_class": KEY}
                clients = {**config["clients"], "dev": mistaken, "web": named, f"{KEY} ": named}
                broken = [{**config, "clients": clients}, {**config, KEY: 1}, {**config, "limits_store": {"kind": KEY}}]
                broken.append({**config, "clients": {**config["clients"], "web": {**named, "requests_per_minute": 1}}})
                del broken[-1]["clients"]["web"][KEY]
                for wrong in broken:
                    (tmp_path / "gateway.json").write_text(json.dumps(wrong))
                    gateway.hang_up()
                    notice = gateway.notified()
                    assert notice.startswith("refused ")
                    gathered.add("notices", notice.encode())
                (tmp_path / "gateway.json").write_text(json.dumps(config))
                gateway.hang_up()
                gathered.add("notices", gateway.notified().encode())
            for path in ("/metrics", "/ready", "/health"):
                gathered.add("operations", gateway.request("GET", path, key=None, port=gateway.operations).body)
            for key in (KEY, WRONG):
                own = {"Origin": f"http://127.0.0.1:{admin}", "Content-Type": "application/json"}
                for body in (chat("ok", stream=True), chat(PROMPT), chat("e400", user=PROMPT)):
                    path = "/try/v1/chat/completions"
                    gathered.answer(gateway.request("POST", path, body, key=key, headers=own, port=admin))
                for path in ("/status.json", f"/{PROMPT}?key={KEY}"):
                    gathered.add("error bodies", gateway.request("POST", path, PROMPT.encode(), key, own, admin).body)
            for path in ("/", "/status.json", "/figures.json", "/refusals.json"):
                told = gateway.request("GET", path, key=None, port=admin)
                assert told.status == 200
                gathered.add(f"admin {path}", told.body)
            gateway.terminate()
            assert gateway.exit_status() == 0
            log = gateway.log_file.read_bytes()
        gathered.add("log", log)
        gathered.add("traces", b"".join(collector.bodies))
        for file in sorted(audit.rglob("*")):
            if file.is_file():
                gathered.add("audit", file.read_bytes())
    # What is searched is there, or nothing would be found in it either.
    assert gathered.texts["log"].count(b'"event":"request"') >= rounds * len(QUICK)
    assert gathered.texts["traces"].count(b'"spanId"') >= rounds * len(QUICK)
    assert b"slipway_gateway_requests_total" in gathered.texts["operations"]
    assert gathered.texts["error bodies"].count(b'"error"') > rounds * 10
    assert len(gathered.texts["audit"]) > 1000
    assert gathered.texts["admin /refusals.json"].count(b'"request_id"') > 40
    assert b'"points":[[' in gathered.texts["admin /figures.json"]
    secrets = [KEY, OLD_KEY, ENGINE_KEY, WRONG, sha(KEY), sha(WRONG), COLLECTOR_KEY, PROMPT, "4111111111111111"]
    secrets += [token.rpartition(".")[2] for token in tokens]
    secrets += [certificate_key.read_text().splitlines()[1]]
    found = {secret: places for secret in secrets if (places := gathered.count(secret))}
    assert found == {}
    # Who a token belongs to is the audit's business, and nobody else's.
    assert set(gathered.count(SUBJECT)) <= {"audit"}
