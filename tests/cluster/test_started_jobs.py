"""`make trial`, `make optimise` and `make refresh` of a cluster on a real API server with its real controllers: a job
is made from its CronJob, followed, its record kept and compared, and nothing of it is left; nor of killed commands."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import msgspec
import psutil
import pytest

from serving.making.__main__ import MakingRecord
from serving.trials.record import Record, Verdict
from tests.cluster.client import eventually
from tests.cluster.conftest import discard
from tests.cluster.control_plane import ControlPlane
from tests.cluster.started_jobs import JOB, NAMESPACE, Started

pytest.importorskip("kubernetes", reason="no client of Kubernetes: tools/python/install kubernetes installs it")
pytestmark = pytest.mark.timeout(400)
FACTS = ("tools/trials/trial", "--stack", "onprem", "--only", "chat/facts")
REFRESH = "making-chat-refresh-by-hand"


@pytest.fixture(scope="module")
def started(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    yield Started(control_plane, tmp_path_factory.mktemp("checkout"))
    discard(control_plane.client(), NAMESPACE)


def record(version: str, right: float, at: str) -> str:
    """As its container writes it."""
    verdict = Verdict(what="right answers, percent", measured=right, allowed=100.0, kept=right == 100)
    about = {"stack": "onprem", "trial": "chat/facts", "engine": "vllm", "version": version}
    found = Record(
        kind="evaluation",
        figures={"right_percent": right},
        verdicts=[verdict],
        model="chat",
        at=at,
        about=about,
        passed=verdict.kept,
    )
    return msgspec.json.encode(found).decode()


def test_a_trial_is_started_followed_kept_and_compared(started: Started) -> None:
    command = started.begin(*FACTS)
    pod = started.runs()
    command.saying("chat/facts: trial runs")
    owner = started.job()["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"]) == ("CronJob", "trial-chat-facts")
    started.ends(pod, 0, record("before", 100.0, "2026-11-26T10:00:00+00:00"))
    status, said = command.ended()
    assert status == 0, said
    assert "chat/facts: passed" in said
    assert started.job() is None
    eventually(lambda: not started.client.pods(NAMESPACE, f"job-name={JOB}"), "its pod is gone too")

    # One that is not passed is an answer too, and stands beside what served before.
    command = started.begin(*FACTS)
    started.ends(started.runs(), 1, record("now", 50.0, "2026-11-26T11:00:00+00:00"))
    status, said = command.ended()
    assert status == 1, said
    assert "chat/facts: NOT PASSED" in said
    assert "against version before: right answers, percent 100 → 50" in said
    assert started.job() is None
    assert [one["about"]["version"] for one in started.records("chat/facts")] == ["before", "now"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_command_leaves_a_job_that_the_next_takes_up(started: Started, how: signal.Signals) -> None:
    kept = len(started.records("chat/facts"))
    command = started.begin(*FACTS)
    pod = started.runs()
    command.saying("chat/facts: trial runs")
    uid = started.job()["metadata"]["uid"]
    command.process.send_signal(how)
    status, said = command.ended()
    assert status == 128 + how, said
    assert "the same command takes it up" in said

    command = started.begin(*FACTS)
    command.saying("takes up the job that a command began at")
    assert started.job()["metadata"]["uid"] == uid
    # Meanwhile a second one is told who follows it.
    second = started.begin(*FACTS)
    status, said = second.ended()
    assert status == 1
    assert f"process {_followed_by(started)}" in said
    assert "one command at a time" in said
    started.ends(pod, 0, record("now", 100.0, f"2026-11-26T1{how:02}:00:00+00:00"))
    status, said = command.ended()
    assert status == 0, said
    assert started.job() is None
    assert len(started.records("chat/facts")) == kept + 1


def _followed_by(started: Started) -> str:
    return started.job()["metadata"]["annotations"]["slipway.dev/followed-by"].rpartition(" ")[2]


def test_a_killed_command_leaves_a_job_that_the_next_takes_up_when_it_is_old(started: Started) -> None:
    command = started.begin(*FACTS)
    pod = started.runs()
    command.saying("chat/facts: trial runs")
    command.process.kill()
    command.ended()
    # The command below it goes on alone: as if the whole machine were gone.
    _kill_below(started)
    started.ends(pod, 0, record("now", 100.0, "2026-11-26T20:00:00+00:00"))
    status, said = started.begin(*FACTS).ended()
    assert status == 1
    assert "this one takes the job up in" in said
    old = {"metadata": {"annotations": {"slipway.dev/followed-at": "2026-11-26T12:00:00+00:00"}}}
    started.client.patch("batch/v1", "Job", JOB, old, NAMESPACE)
    status, said = started.begin(*FACTS).ended()
    assert status == 0, said
    assert started.records("chat/facts")[-1]["at"] == "2026-11-26T20:00:00+00:00"
    assert started.job() is None


def _kill_below(started: Started) -> None:

    number = int(_followed_by(started))
    with_it = psutil.Process(number)
    assert "infra" in with_it.cmdline()
    with_it.kill()
    eventually(lambda: not psutil.pid_exists(number), "it is gone")


def test_a_job_of_what_was_deployed_before_is_removed(started: Started) -> None:
    command = started.begin(*FACTS)
    started.runs()
    command.saying("chat/facts: trial runs")
    uid = started.job()["metadata"]["uid"]
    command.process.terminate()
    command.ended()
    found: Any = started.client.get("v1", "ConfigMap", "trial-chat-facts", NAMESPACE)
    told = {**json.loads(found["data"]["trial.json"]), "seed": 1}
    started.client.patch("v1", "ConfigMap", "trial-chat-facts", {"data": {"trial.json": json.dumps(told)}}, NAMESPACE)
    command = started.begin(*FACTS)
    command.saying("the job of then is removed")
    command.saying("started as job")
    assert started.job()["metadata"]["uid"] != uid
    started.ends(started.runs(), 0, record("now", 100.0, "2026-11-26T21:00:00+00:00"))
    assert command.ended()[0] == 0


def test_a_job_at_its_hour_is_told(started: Started) -> None:
    cron: Any = started.client.get("batch/v1", "CronJob", "trial-chat-facts", NAMESPACE)
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "controller": True}
    owner |= {"name": "trial-chat-facts", "uid": cron["metadata"]["uid"]}
    metadata = {"name": "trial-chat-facts-29400000", "namespace": NAMESPACE, "ownerReferences": [owner]}
    spec = cron["spec"]["jobTemplate"]["spec"]
    started.client.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})
    status, said = started.begin(*FACTS).ended()
    assert status == 1
    assert "job trial-chat-facts-29400000 runs since" in said
    assert "two loads at once" in said
    started.client.request(
        "DELETE",
        started.client.kind("batch/v1", "Job").path(NAMESPACE, "trial-chat-facts-29400000"),
        {"propagationPolicy": "Background"},
    )


def test_a_job_that_fails_says_why_and_is_removed(started: Started) -> None:
    kept = len(started.records("chat/facts"))
    command = started.begin(*FACTS)
    started.ends(started.runs(), 2, "")
    status, said = command.ended()
    assert status == 1
    assert "the job has failed: BackoffLimitExceeded" in said
    assert "trial ended with status 2" in said
    assert started.job() is None
    assert len(started.records("chat/facts")) == kept


def test_what_is_not_there_is_named(started: Started) -> None:
    cases = {
        ("--only", "chat/fact"): "none that chat/fact names",
        ("--only", "chat/facts", "--context", "elsewhere"): "elsewhere",
        ("--only", "chat/facts", "--site", "other"): "`datacentre`",
    }
    for arguments, expected in cases.items():
        status, said = started.begin("tools/trials/trial", "--stack", "onprem", *arguments).ended()
        assert status == 1
        assert expected in said
        assert "Traceback" not in said


def test_a_version_is_made_there(started: Started) -> None:
    command = started.begin("tools/making/refresh", "--stack", "onprem")
    pod = started.runs(REFRESH, "making")
    command.saying("chat/refresh: making runs")
    verdict = Verdict(what="right answers, of a hundred, at least", measured=90.0, allowed=80.0, kept=True)
    figures = {"right_percent_original": 60.0, "right_percent_result": 90.0, "same_percent": 70.0}
    figures |= {"bytes_original": 16e9, "bytes_result": 16e9, "size_percent": 100.0}
    made = MakingRecord(
        making="chat/refresh",
        model="chat",
        version="answers-12345678",
        at="2026-11-26T12:00:00+00:00",
        registered=True,
        figures=figures,
        verdicts=[verdict],
        original={},
        result={},
        taught={"data_digest": "12345678" + "0" * 56},
    )
    started.ends(pod, 0, msgspec.json.encode(made).decode(), "making")
    status, said = command.ended()
    assert status == 0, said
    assert "registered as /models/chat/answers-12345678 on the volume versions-chat" in said
    assert 'license: "Apache-2.0"' in said
    assert "(SHA-256 12345678" in said
    assert [one["version"] for one in started.records("chat/refresh")] == ["answers-12345678"]
    # With unchanged data there is nothing to make, and no record.
    command = started.begin("tools/making/refresh", "--stack", "onprem")
    started.ends(started.runs(REFRESH, "making"), 0, "the data is that of /models/x: nothing to do\n", "making")
    status, said = command.ended()
    assert status == 0, said
    assert "chat/refresh: the data is that of /models/x: nothing to do" in said
    assert len(started.records("chat/refresh")) == 1


def test_no_stack_is_up(started: Started) -> None:
    """After all others: what they need is gone."""
    started.client.request("DELETE", started.client.kind("batch/v1", "CronJob").path(NAMESPACE, "trial-chat-facts"))
    status, said = started.begin(*FACTS).ended()
    assert status == 1
    assert "no CronJob trial-chat-facts in namespace started" in said
    assert "deploy it first" in said
