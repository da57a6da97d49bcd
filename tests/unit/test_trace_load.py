"""Recorded loads: what a CSV file says, which part of it is planned, and that a cluster can hold it."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.catalog.traces import MOST_BYTES, Request, Trace, Unreadable, published, read
from infra.load import load_file
from infra.plan.build import build_plan
from infra.report import FORMATS
from infra.trials import trace
from infra.trials.base import Tried
from infra.trials.trace import TRACE, TraceSettings
from serving.trials.config import Trace as Told
from tests.manifests import ROOT

MODEL = Tried(name="chat", objective=None, context_tokens=100_000, longest_answer_tokens=50_000)
CONVERSATION = "azure_2023_conversation"


def asked(**fields: Any) -> TraceSettings:
    return TraceSettings.model_validate({"kind": "trace", **fields})


def told(settings: TraceSettings, model: Tried = MODEL) -> Told:
    found = msgspec.convert(dict(TRACE.trial(settings, model)), Told)
    assert isinstance(found, Told)
    return found


@pytest.mark.parametrize(
    "content",
    [
        "seconds,input_tokens,output_tokens\n3.5,10,1\n3,20,2\n",
        "output_tokens,seconds,other,input_tokens\n1,1700000000.5,x,10\n2,1700000000,y,20\n",
        # As Azure publishes it.
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-10-29 02:30:00.5000000,10,1\n2023-10-29 02:30:00,20,2\n",
        "after_ms,context_tokens,generated_tokens\n7,20,2\n500,10,1\n",
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_is_read_in_the_order_in_which_requests_came(content: str, packed: bool, tmp_path: Path) -> None:
    file = tmp_path / ("a.csv.gz" if packed else "a.csv")
    file.write_bytes(gzip.compress(content.encode()) if packed else content.encode())
    found = read(file)
    assert isinstance(found, Trace), found
    assert found.requests == (Request(0.0, 20, 2), Request(0.5, 10, 1))
    assert len(found.sha256) == 64


def test_no_hour_comes_twice_wherever_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-10-29 02:59:59,1,1\n2023-10-29 03:00:00,1,1\n"
    (file := tmp_path / "a.csv").write_text(content)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Europe/Berlin")
        time.tzset()
        found = read(file)
    time.tzset()
    assert isinstance(found, Trace)
    assert found.requests[-1].at == 1.0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no column of time, input tokens, output tokens"),
        (b"seconds,input_tokens,output_tokens\n", "without a request"),
        (b"seconds,input_tokens\n1,2\n", "no column of output tokens"),
        (b"seconds,input_tokens,output_tokens\n1,2,3\n1,x,3\n", "line 3"),
        (b"seconds,input_tokens,output_tokens\n1,2\n", "line 2"),
        (b"seconds,input_tokens,output_tokens\nnan,2,3\n", "line 2"),
        (b"seconds,input_tokens,output_tokens\n1,-2,3\n", "line 2"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_what_is_no_trace_is_said(content: bytes, says: str, tmp_path: Path) -> None:
    (file := tmp_path / "a.csv").write_bytes(content)
    found = read(file)
    assert isinstance(found, Unreadable)
    assert says in found.found


def test_a_file_that_is_huge_or_broken_is_not_read(tmp_path: Path) -> None:
    (packed := tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"\n" * (MOST_BYTES + 1)))
    found = read(packed)
    assert isinstance(found, Unreadable)
    assert "64 MiB" in found.found
    packed.write_bytes(b"no gzip")
    assert isinstance(read(packed), Unreadable)
    assert isinstance(read(tmp_path), Unreadable)


def test_a_part_is_replayed_at_the_pace_that_is_asked() -> None:
    rows = [one for one in published(CONVERSATION).requests if 600 <= one.at < 640]
    window = asked(recorded=CONVERSATION, seconds=20, offset_seconds=600, load_factor=2).window
    assert [one[1:] for one in window] == [one[1:] for one in rows]
    assert [one.at for one in window] == pytest.approx([(one.at - 600) / 2 for one in rows])
    sent = [*told(asked(recorded=CONVERSATION, seconds=20, offset_seconds=600, load_factor=2)).sent]
    assert [one.at for one in sent] == pytest.approx([one.at for one in window], abs=0.001)
    assert [one.input_tokens for one in sent] == [one.input_tokens for one in rows]
    # At most so many a minute as ever come within one.
    slow = asked(recorded=CONVERSATION, seconds=20, offset_seconds=600, load_factor=0.5)
    assert TRACE.requests_per_minute(slow, MODEL) == len(slow.window)


def test_the_busiest_minute_is_what_a_client_must_be_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "ROOT", tmp_path)
    rows = "".join(f"{at},1,1\n" for at in (0, 50, 59, 60, 70, 80, 90, 300))
    (tmp_path / "a.csv").write_text("seconds,input_tokens,output_tokens\n" + rows)
    assert TRACE.requests_per_minute(asked(file="a.csv", seconds=600), MODEL) == 6


def test_what_a_cluster_is_told_fits_and_what_is_cut_off_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "ROOT", tmp_path)
    rows = "".join(f"{86_000 + at / 1000},9999999,9999999\n" for at in range(trace.MOST_REQUESTS + 5))
    (tmp_path / "a.csv").write_text("seconds,input_tokens,output_tokens\n0,1,1\n" + rows)
    plan = TRACE.trial(asked(file="a.csv", seconds=86_400), MODEL)
    # Kubernetes: 1 MiB for all that is in one.
    assert len(json.dumps(plan, indent=2)) < 2**20 / 2
    assert len([*told(asked(file="a.csv", seconds=86_400)).sent]) == trace.MOST_REQUESTS
    assert "cut off after 10000 of 10006, at 86010 of 86400 s" in plan["recorded"]
    assert plan["seconds"] == pytest.approx(86_009.998)
    whole = TRACE.trial(asked(file="a.csv", seconds=60), MODEL)
    assert (whole["seconds"], "cut off" in whole["recorded"]) == (60, False)


def test_requests_are_shortened_to_what_the_model_takes() -> None:
    small = Tried(name="chat", objective=None, context_tokens=1000, longest_answer_tokens=100)
    settings = asked(recorded=CONVERSATION, seconds=60)
    sent = [*told(settings, small).sent]
    assert max(one.output_tokens for one in sent) == 100
    assert max(one.input_tokens + one.output_tokens for one in sent) <= 960
    kept = [(one[1:], was[1:]) for one, was in zip(sent, settings.window, strict=True)]
    shortened = sum(one != was for one, was in kept)
    assert 0 < shortened < len(kept)
    assert f"{shortened} of them shortened" in told(settings, small).recorded


def test_a_reader_of_the_plan_sees_what_is_replayed() -> None:
    plan = build_plan(load_file(ROOT / "tests" / "config" / "trials.happy.yaml"), "case")
    said = "replayed/load replays 774 requests of azure_2023_conversation (sha256 "
    assert said in FORMATS["text"](plan)
    assert plan.trials["replayed/load"].about["recorded"].startswith("774 requests")
    assert "recorded" not in plan.trials["chat/load"].about
