"""Gateway privacy: when it cannot be done, it is refused. Sizes, times, and the recogniser outside the process."""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.serving.echoing import KEYS, private_configuration
from tests.serving.gateway_process import KEY, Answer, GatewayProcess, start_gateway
from tests.serving.upstream import FakeEngine

EMAIL = "jane.canary@example.com"


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


def ask(gateway: GatewayProcess, mode: str, body: dict[str, Any]) -> Answer:
    return gateway.request(body=body, key=KEYS[mode])


def user(text: str, model: str = "echo") -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}]}


def content(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    return json.loads(answer.body)["choices"][0]["message"]["content"]


def test_size_and_time_limits_refuse(engine: FakeEngine, tmp_path: Path) -> None:
    limits = {"largest_text_bytes": 400_000, "scan_milliseconds": 30, "largest_answer_bytes": 2_000}
    with start_gateway(tmp_path, private_configuration(engine.url, tmp_path, **limits)) as gateway:
        calls = len(engine.calls)
        large = ask(gateway, "tokenise", user("x" * 500_000))
        assert (large.status, large.error["code"]) == (413, "privacy_too_large")
        slow = ask(gateway, "tokenise", user("4111 1111 1111 1112 +1 (212) 555-01 " * 8_000))
        assert (slow.status, slow.error["code"]) == (503, "privacy_scan_too_slow")
        assert len(engine.calls) == calls
        answer = ask(gateway, "tokenise", user(f"{EMAIL} " + "x" * 3_000))
        assert (answer.status, answer.error["code"]) == (502, "privacy_answer_too_large")
        assert EMAIL.encode() not in answer.body


class _Recogniser(http.server.BaseHTTPRequestHandler):
    """Knows one person. The first text's content says how it behaves."""

    asked: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append(body)
        text = json.dumps(body)
        findings = [
            [
                {"start": found.start(), "end": found.end(), "kind": kind}
                for kind, name in (("person", "Ada"), ("other", "Bob"))
                for found in re.finditer(name, entry)
            ]
            for entry in body["texts"]
        ]
        answer: Any = {"findings": findings}
        status = 200
        if "SLOW" in text:
            time.sleep(1)
        if "BRISK" in text:
            time.sleep(0.7)
        if "FAIL" in text:
            status = 500
        if "SHAPE" in text:
            answer = {"findings": findings[:-1]}
        if "RANGE" in text:
            answer["findings"][0] = [{"start": 0, "end": 10**6, "kind": "person"}]
        if "HUGE" in text:
            answer["x"] = "y" * 300_000
        data = b"nonsense" if "NONSENSE" in text else json.dumps(answer).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def recogniser() -> Iterator[str]:
    _Recogniser.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Recogniser) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/find"
        server.shutdown()
        thread.join(5)


def test_a_recogniser_outside_is_asked_and_fails_closed(engine: FakeEngine, tmp_path: Path, recogniser: str) -> None:
    outside = {
        "url": recogniser,
        "kinds": ["person"],
        "seconds": 0.4,
        "largest_text_bytes": 5_000,
        "largest_answer_bytes": 200_000,
        "concurrent_requests": 2,
    }
    config = private_configuration(engine.url, tmp_path, recogniser=outside)
    config["clients"]["mixed"]["privacy"] = {"mode": "tokenise", "kinds": {"person": "off"}}
    with start_gateway(tmp_path, config) as gateway:
        text = f"Zoë 🙂 Ada and Bob, {EMAIL}"
        assert content(ask(gateway, "tokenise", user(text))) == text
        seen = engine.of("echo")[-1].body["messages"][0]["content"]
        assert "Ada" not in seen
        assert "<PERSON_" in seen
        assert "Bob" in seen
        assert EMAIL not in seen
        assert content(ask(gateway, "mask", user("Ada"))) == "[PERSON]"
        call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"to": "\\u0041da"}'}}
        assert (
            ask(gateway, "mask", {"model": "ok", "messages": [{"role": "assistant", "tool_calls": [call]}]}).status
            == 200
        )
        assert "[PERSON]" in engine.of("ok")[-1].body["messages"][0]["tool_calls"][0]["function"]["arguments"]
        asked = len(_Recogniser.asked)
        assert ask(gateway, "mixed", user("Ada")).status == 200
        assert len(_Recogniser.asked) == asked
        calls = len(engine.calls)
        for behaviour in ("SLOW", "FAIL", "SHAPE", "RANGE", "HUGE", "NONSENSE"):
            answer = ask(gateway, "tokenise", user(f"Ada {behaviour}"))
            assert (answer.status, answer.error["code"]) == (503, "privacy_recogniser_unavailable"), behaviour
        large = ask(gateway, "tokenise", user("x" * 6_000))
        assert (large.status, large.error["code"]) == (413, "privacy_too_large")
        slow = [threading.Thread(target=ask, args=(gateway, "tokenise", user("SLOW"))) for _ in range(2)]
        for thread in slow:
            thread.start()
        time.sleep(0.15)
        started = time.monotonic()
        busy = ask(gateway, "tokenise", user("hello"))
        assert busy.status == 503
        assert time.monotonic() - started < 0.3
        for thread in slow:
            thread.join(10)
        assert len(engine.calls) == calls
        assert content(ask(gateway, "tokenise", user("Ada"))) == "Ada"
    nobody = private_configuration(engine.url, tmp_path, recogniser={**outside, "url": "http://127.0.0.1:9/"})
    with start_gateway(tmp_path, nobody) as gateway:
        assert ask(gateway, "tokenise", user("Ada")).error["code"] == "privacy_recogniser_unavailable"
        assert gateway.request(body=user("Ada", "ok"), key=KEY).status == 200


def test_a_recogniser_may_take_longer_than_a_body(engine: FakeEngine, tmp_path: Path, recogniser: str) -> None:
    config = private_configuration(
        engine.url, tmp_path, recogniser={"url": recogniser, "kinds": ["person"], "seconds": 5}
    )
    config["limits"]["body_seconds"] = 0.3
    with start_gateway(tmp_path, config) as gateway:
        assert ask(gateway, "tokenise", user("Ada BRISK")).status == 200
