"""One measurement: one kind of load on one target for some seconds, from what the load saw and the CPU time used."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.gateway.features import KEY, request_body
from bench.gateway.processes import Running, program
from tools.problem import Problem

STREAMS_FOR_TIME = 128
STREAMS_FOR_CPU = 512
_POST = Path(__file__).with_name("post.lua")


@dataclass(frozen=True, kw_only=True)
class Load:
    """What every cell needs: request bodies, the streaming client, the core to run on, and how long."""

    folder: Path
    stream_load: Path
    core: int
    seconds: float

    def prepare(self) -> None:
        """Write the request bodies."""
        bodies = {
            "2k": request_body(1900),
            "2k_personal": request_body(1900, personal=True),
            "64k": request_body(65_000),
            "stream": request_body(1900, stream=True),
        }
        for name, body in bodies.items():
            (self.folder / f"{name}.json").write_bytes(body)

    def json_requests(self, target: Running, connections: int, body: str) -> dict[str, float]:
        """Whole answers by wrk: requests per second, latency, CPU per request."""
        before = target.cpu_seconds()
        command = [program("wrk"), "-t1", f"-c{connections}", f"-d{max(1, round(self.seconds))}", "-s", str(_POST)]
        output = self._run([*command, f"http://127.0.0.1:{target.port}/v1/chat/completions"], body)
        used = target.cpu_seconds() - before
        seen = _good(target, output)
        return {
            "requests_per_second": seen["requests"] / seen["seconds"],
            "p50_ms": seen["p50_us"] / 1000,
            "p99_ms": seen["p99_us"] / 1000,
            "cpu_us_per_request": used * 1e6 / max(1, seen["requests"]),
        }

    def streams(self, target: Running, count: int) -> dict[str, float]:
        """`count` streams at a time: time to the first token, CPU per event."""
        before = target.cpu_seconds()
        command = [self.stream_load, target.port, count, self.seconds, self.folder / "stream.json", KEY]
        output = self._run([str(part) for part in command], "stream")
        used = target.cpu_seconds() - before
        seen = _good(target, output)
        return {
            "first_token_p50_ms": seen["first_token_p50_us"] / 1000,
            "first_token_p99_ms": seen["first_token_p99_us"] / 1000,
            "events_per_second": seen["events"] / seen["seconds"],
            "cpu_us_per_event": used * 1e6 / max(1, seen["events"]),
        }

    def idle_streams(self, target: Running, count: int) -> tuple[int, float]:
        """Opens `count` streams that then say nothing: how many are open, and how many bytes each one takes."""
        before = target.resident_bytes()
        command = [self.stream_load, target.port, count, "hold", self.folder / "stream.json", KEY]
        with subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=self._pin
        ) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            seen = _good(target, process.stdout.readline())
            grown = target.resident_bytes() - before
            process.stdin.close()
        return int(seen["open"]), grown / max(1, seen["open"])

    def _run(self, command: list[str], body: str) -> bytes:
        environment = {**os.environ, "BENCH_BODY": str(self.folder / f"{body}.json"), "BENCH_KEY": KEY}
        return subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, check=True, preexec_fn=self._pin, timeout=600
        ).stdout

    def _pin(self) -> None:
        os.sched_setaffinity(0, {self.core})


def check_answers(target: Running) -> None:
    """One whole answer and one whole stream, before anything is measured. Raises Problem."""
    for stream, end in ((False, b'"usage"'), (True, b"data: [DONE]\n\n")):
        connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=30)
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", request_body(1900, stream=stream), headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200 or end not in body:
            raise _bad(target, f"status {answer.status}: {body[:300]!r}")


def _good(target: Running, output: bytes) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    if seen["failed"]:
        raise _bad(target, f"{seen['failed']} failed requests among {seen}")
    return seen


def _bad(target: Running, found: str) -> Problem:
    return Problem(
        f"bench/gateway: {target.name}",
        found,
        "good answers only: a refusal is faster than an answer",
        "See .bench/run for its log and configuration.",
    )
