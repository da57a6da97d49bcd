"""Jobs of a cluster that somebody starts: which there are, what their pods tell, and ends without a record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra import __main__ as command
from infra.jobs.base import Job
from infra.load import load_file
from infra.plan.build import build_plan
from infra.platforms.kubernetes import jobs as started
from infra.platforms.kubernetes.api import Answer, Unanswered
from infra.platforms.kubernetes.job_end import outcome
from infra.platforms.kubernetes.job_pods import state
from infra.platforms.kubernetes.jobs import JOBS
from infra.problems import Refused
from infra.report import FORMATS
from tests.manifests import ROOT
from tools import jobs as tools_jobs

RECORD = '{"passed": true}'
ASKED = Job(name="trial-chat-load", called="chat/load", container="trial")
PLAN = build_plan(load_file(ROOT / "Pulumi.onprem.yaml"), "onprem")


class Server:
    """Answers as an API server would: jobs and pods by path, logs by container; each answer of `away` is none."""

    def __init__(self, *pods: Any, logs: dict[str, list[str]] | None = None, job: Any = None) -> None:
        self.pods, self.logs, self.job = pods, logs or {}, job
        self.removed: list[str] = []
        self.away: Iterator[Unanswered] = iter(())
        self.cron = {
            "metadata": {"uid": "u", "name": ASKED.name},
            "spec": {"jobTemplate": {"spec": {"activeDeadlineSeconds": 60}}},
        }

    def find(self, path: str) -> Any:
        if path.endswith("/cronjobs/trial-chat-load"):
            return self.cron
        if "/jobs/" in path:
            for answer in self.away:
                raise answer
            return self.job
        return {"data": {}}

    def every(self, path: str, **_: str) -> Iterator[Any]:
        yield from self.pods if path.endswith("/pods") else ()

    def lines(self, path: str, **query: str) -> list[str]:
        if query["container"] not in self.logs:
            raise Unanswered(500, f"{path}: no kubelet")
        return self.logs[query["container"]][-int(query["tailLines"]) :]

    def ask(self, method: str, path: str, body: Any = None, query: Any = None) -> Answer:
        if method == "POST":
            self.job = {**body, "metadata": {**body["metadata"], "creationTimestamp": "2020-01-01T00:00:00Z"}}
        elif method == "DELETE":
            self.removed.append(path)
            self.job = None
        return Answer(body=None, seconds_ahead=0.0)


def pod(state: dict[str, Any], name: str = "trial", **more: Any) -> dict[str, Any]:
    status = {"containerStatuses": [{"name": name, "state": state}], **more}
    return {"metadata": {"name": "p", "creationTimestamp": "2026-11-26T12:00:00Z"}, "status": status}


def job(kind: str) -> dict[str, Any]:
    condition = {"type": kind, "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}
    return {
        "metadata": {"name": "j", "creationTimestamp": "2026-11-26T12:00:00Z"},
        "status": {"conditions": [condition]},
    }


def found(server: Server, kind: str = "Complete") -> str:
    return outcome("datacentre", server, "/api/v1/namespaces/n", job(kind), ASKED)  # pyright: ignore[reportArgumentType]


def over(code: int, message: str | None = None) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, **({} if message is None else {"message": message})}}


def test_a_record_is_the_last_words_or_else_in_the_log() -> None:
    assert found(Server(pod(over(1, f"{RECORD}\n"))), "Failed") == RECORD
    cut = Server(pod(over(0, RECORD[:9])), logs={"trial": ["asked 1", RECORD, "the end"]})
    assert found(cut) == RECORD, "4,096 bytes are not enough for every record"
    assert found(Server(pod(over(0, "nothing to do\n")))) == "nothing to do"


def test_a_job_without_a_record_says_what_failed() -> None:
    tool = [{"name": "tool", "state": over(3)}]
    failed = Server(pod({}, initContainerStatuses=tool), logs={"tool": [f"line {number}" for number in range(30)]})
    with pytest.raises(Refused) as refused:
        found(failed, "Failed")
    said = str(refused.value)
    assert "the job has failed: BackoffLimitExceeded too often\ntool ended with status 3\n  line 10\n" in said
    assert said.count("  line ") == 20
    with pytest.raises(Refused, match="the job left no record"):
        found(Server())
    with pytest.raises(Refused, match="a short request is not answered"):
        found(Server(pod(over(2, "a short request is not answered"))), "Failed")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, "waits for its pod"),
        (pod({"running": {}}), "trial runs"),
        (pod({"waiting": {"reason": "ErrImagePull", "message": "no such"}}), "trial: ErrImagePull: no such"),
        (pod({"waiting": {"reason": "PodInitializing"}}), "gets what it needs: images and volumes"),
        (
            pod({}, conditions=[{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]),
            "waits for a machine: 0/3 nodes",
        ),
        (pod(over(0), phase="Succeeded"), "ends"),
        (pod({"running": {}}, initContainerStatuses=[{"name": "engine", "state": {"running": {}}}]), "trial runs"),
    ],
)
def test_how_far_it_is(told: Any, expected: str) -> None:
    assert state(told) == expected


def begin(server: Server, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """What it tells and keeps."""
    monkeypatch.setattr(started, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(started, "reached", lambda *_: (server, "/api/v1/namespaces/n"))
    told: list[str] = []
    kept: list[str] = []
    JOBS.run("datacentre", PLAN.sites["datacentre"], None, ASKED, told=told.append, kept=kept.append)
    return told, kept


def test_a_job_that_nobody_ends_is_left_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    with pytest.raises(Refused, match="it has not ended 60 s after its beginning, and nobody ended it"):
        begin(server, monkeypatch)
    assert server.removed == []
    assert server.job is not None


def test_an_api_server_that_is_away_for_a_moment_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(pod(over(0, RECORD)), job=None)
    posted = server.ask

    def ask(method: str, path: str, body: Any = None, query: Any = None) -> Answer:
        answer = posted(method, path, body, query)
        if method == "POST":
            server.job |= job("Complete")
            server.away = iter([Unanswered(None, "no route"), Unanswered(503, "starting")])
        return answer

    monkeypatch.setattr(server, "ask", ask)
    assert begin(server, monkeypatch)[1] == [RECORD]
    assert server.removed == ["/apis/batch/v1/namespaces/n/jobs/trial-chat-load-by-hand"]


def test_one_that_refuses_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    server.away = iter([Unanswered(403, "jobs is forbidden")])
    with pytest.raises(Refused, match="jobs is forbidden"):
        begin(server, monkeypatch)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("chat/facts", "--stack", "dev"), "no job that a cluster of it runs"),
        (("chat/fact", "--stack", "onprem"), "did you mean `chat/facts`?"),
        (("chat/facts", "--stack", "onprem", "--site", "datacenter"), "did you mean `datacentre`?"),
    ],
)
def test_what_is_not_there_is_named(
    arguments: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["job", *arguments]) == 1
    assert expected in capsys.readouterr().err


def test_the_tools_know_which_jobs_a_cluster_has() -> None:
    plan = json.loads(FORMATS["json"](PLAN))
    known = {name: tools_jobs.pods(plan, name) for name in (*plan["trials"], *plan["makings"], "chat/none")}
    names = {name: {site: pod["name"] for site, pod in there.items()} for name, there in known.items()}
    assert names == {
        "chat/facts": {"datacentre": "trial-chat-facts"},
        "chat/load": {"datacentre": "trial-chat-load"},
        "chat/optimisation": {"datacentre": "making-chat-optimisation"},
        "chat/refresh": {"datacentre": "making-chat-refresh"},
        "chat/none": {},
    }
    dev = json.loads(FORMATS["json"](build_plan(load_file(ROOT / "Pulumi.dev.yaml"), "dev")))
    assert not any(tools_jobs.pods(dev, name) for name in (*dev["trials"], *dev["makings"]))


def test_the_plan_says_what_is_kept_and_jobs_are_told() -> None:
    (optimisation, refresh) = PLAN.sites["datacentre"].details.serving.makings
    for making in (optimisation, refresh):
        assert making.config["keep_versions"] == 3
        # After the longer of both, nobody writes any more.
        assert making.config["abandoned_seconds"] > 86_400
        assert making.claim_gib == 4 * making.weights.size_gib
