"""Jobs of a cluster that somebody starts now: made from their CronJob, followed, their record read, and removed.

There is one such job of each CronJob at a time, by its name. Whoever follows it writes that down in it: a job that a
killed command has left is known by that mark's age, and taken up.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import platform
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from time import sleep, time
from typing import Any

from infra.jobs.base import Job
from infra.plan.types import SitePlan
from infra.platforms.kubernetes.api import Cluster, Object, Unanswered, annotations_of
from infra.platforms.kubernetes.job_end import outcome
from infra.platforms.kubernetes.job_pods import ended, newest_pod, part, parts, progress, state
from infra.platforms.kubernetes.run_time_object import reached
from infra.problems import Problem, Refused

# Of a CronJob's name 52 characters are allowed, of a job's 63.
SUFFIX = "-by-hand"
FOLLOWED_AT, FOLLOWED_BY, MADE_OF = (f"slipway.dev/{word}" for word in ("followed-at", "followed-by", "made-of"))
POLL_SECONDS = 2.0
# Whoever follows says so that often; who has not for longer is gone.
SAYS_SECONDS, GONE_SECONDS = 15.0, 60.0
# An API server that restarts is away for seconds.
AWAY_SECONDS = 90.0
# To be ended by its controller when its time is over.
LATER_SECONDS = 120.0
CONFLICT = 409


class KubernetesJobs:
    """Implements `Jobs`."""

    def run(
        self,
        site: str,
        plan: SitePlan,
        context: str | None,
        job: Job,
        *,
        told: Callable[[str], None],
        kept: Callable[[str], None],
    ) -> None:
        cluster, folder = reached(site, plan, context)
        try:
            _Started(site, cluster, folder.removeprefix("/api/v1/namespaces/"), job, told).run(kept)
        except Unanswered as answer:
            raise Refused("the command", [_unanswered(site, answer)]) from None


class _Started:
    """One job, from its beginning to its end."""

    def __init__(self, site: str, cluster: Cluster, namespace: str, job: Job, told: Callable[[str], None]) -> None:
        self._site, self._cluster, self._namespace, self._job, self._told = site, cluster, namespace, job, told
        self._batch = f"/apis/batch/v1/namespaces/{namespace}"
        self._core = f"/api/v1/namespaces/{namespace}"
        self._path = f"{self._batch}/jobs/{job.name}{SUFFIX}"
        self._by = f"{getpass.getuser()} on {platform.node()}, process {os.getpid()}"
        self._ahead = 0.0

    def run(self, kept: Callable[[str], None]) -> None:
        self._begin()
        try:
            live = self._followed()
        except BaseException:
            with suppress(Unanswered):  # whoever comes next need not wait until the mark is old
                self._mark({FOLLOWED_AT: None, FOLLOWED_BY: None})
            raise
        try:
            record = outcome(self._site, self._cluster, self._core, live, self._job)
        except Refused:
            self._remove()
            raise
        kept(record)
        self._remove()

    # -- its beginning ---------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Makes it, or takes up what is there. Raises Refused where somebody else follows it, or another one runs."""
        cron = self._cron()
        made_of = self._made_of(cron)
        # Also for the server's clock, by which marks are written.
        live = self._cluster.find(self._path)
        self._ahead = self._cluster.ask("GET", self._core).seconds_ahead or 0.0
        if live is not None:
            self._not_followed(live)
            since = live["metadata"]["creationTimestamp"]
            if annotations_of(live).get(MADE_OF) == made_of:
                self._told(f"{self._job.called}: takes up the job that a command began at {since}")
                with self._alone():
                    self._mark(self._now(), live["metadata"]["resourceVersion"])
                return
            self._told(f"{self._job.called}: what is deployed has changed since {since}: the job of then is removed")
            self._remove()
        self._no_other(cron["metadata"]["uid"])
        with self._alone():
            self._cluster.ask("POST", f"{self._batch}/jobs", self._manifest(cron, made_of))
        self._told(f"{self._job.called}: started as job {self._job.name}{SUFFIX} in namespace {self._namespace}")

    def _cron(self) -> Any:
        found = self._cluster.find(f"{self._batch}/cronjobs/{self._job.name}")
        if found is None:
            there = self._cluster.find(self._core) is not None
            raise self._problem(
                found=f"no CronJob {self._job.name} in namespace {self._namespace}"
                if there
                else f"no namespace {self._namespace}",
                allowed="a stack that is up, as its file is now",
                remedy="deploy it first: `make up`" if there else "deploy it first: `make up`; or name another context",
            )
        return found

    def _made_of(self, cron: Object) -> str:
        """Tells jobs of what is deployed now from those of before."""
        told: Object | None = self._cluster.find(f"{self._core}/configmaps/{self._job.name}")
        content = json.dumps([cron["spec"]["jobTemplate"], told and told.get("data")], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def _manifest(self, cron: Object, made_of: str) -> dict[str, Any]:
        """As `kubectl create job --from` makes it: it goes with its CronJob."""
        template = cron["spec"]["jobTemplate"]
        before = part(template, "metadata")
        owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": self._job.name, "controller": True}
        metadata = {
            "name": f"{self._job.name}{SUFFIX}",
            "labels": {**part(before, "labels"), "app.kubernetes.io/managed-by": "slipway-job"},
            "annotations": {
                **part(before, "annotations"),
                "cronjob.kubernetes.io/instantiate": "manual",
                MADE_OF: made_of,
                **self._now(),
            },
            "ownerReferences": [{**owner, "uid": cron["metadata"]["uid"]}],
        }
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}

    def _not_followed(self, live: Object) -> None:
        marks = annotations_of(live)
        if FOLLOWED_AT not in marks:
            return
        age = time() + self._ahead - datetime.fromisoformat(marks[FOLLOWED_AT]).timestamp()
        if age < GONE_SECONDS:
            raise self._problem(
                found=f"followed by {marks.get(FOLLOWED_BY, 'somebody')} {max(0.0, age):.0f} s ago",
                allowed="one command at a time: two loads at once would measure each other",
                remedy=f"wait for it; if that command is gone, this one takes the job up in {GONE_SECONDS - age:.0f} s",
            )

    def _no_other(self, uid: str) -> None:
        for one in self._cluster.every(f"{self._batch}/jobs"):
            owners = parts(one["metadata"], "ownerReferences")
            if any(owner["uid"] == uid for owner in owners) and ended(one) is None:
                raise self._problem(
                    found=f"job {one['metadata']['name']} runs since {one['metadata']['creationTimestamp']}",
                    allowed="one at a time: two loads at once would measure each other",
                    remedy="run this again when it has ended",
                )

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Of two commands that begin at the same moment, one is refused."""
        try:
            yield
        except Unanswered as answer:
            if answer.status != CONFLICT:
                raise
            raise self._problem(
                found="another command began it at the same moment",
                allowed="one command at a time",
                remedy="wait for it",
            ) from None

    # -- its course ------------------------------------------------------------------------------------------------

    def _followed(self) -> Any:
        """The job once it has ended. Raises Refused."""
        said, last, marked, answered = "", "", time(), time()
        while True:
            try:
                live = self._live()
                answered = time()
                if ended(live) is not None:
                    return live
                pod = newest_pod(self._cluster, self._core, live)
                if (now := state(pod)) != said:
                    said = now
                    self._told(f"{self._job.called}: {said}")
                if (line := progress(self._cluster, self._core, pod)) not in ("", last):
                    last = line
                    self._told(f"  {line}")
                if time() - marked > SAYS_SECONDS:
                    self._mark(self._now())
                    marked = time()
                self._in_time(live, said)
            except Unanswered as answer:
                if answer.status in range(400, 500) or time() - answered > AWAY_SECONDS:
                    raise
            sleep(POLL_SECONDS)

    def _live(self) -> Any:
        live = self._cluster.find(self._path)
        if live is None:
            raise self._problem(
                found="somebody removed the job",
                allowed="a job that runs to its end",
                remedy="run this again",
            )
        return live

    def _in_time(self, live: Object, said: str) -> None:
        seconds = live["spec"].get("activeDeadlineSeconds")
        since = datetime.fromisoformat(live["metadata"]["creationTimestamp"])
        if seconds and time() + self._ahead > (since + timedelta(seconds=seconds + LATER_SECONDS)).timestamp():
            raise self._problem(
                found=f"it has not ended {seconds} s after its beginning, and nobody ended it: {said}",
                allowed=f"a cluster whose controllers run: they end it after {seconds} s",
                remedy=f"`kubectl -n {self._namespace} describe job {self._job.name}{SUFFIX}`; it is left as it is",
            )

    def _mark(self, marks: Mapping[str, str | None], version: str | None = None) -> None:
        metadata: dict[str, Any] = {"annotations": marks, **({"resourceVersion": version} if version else {})}
        self._cluster.ask("PATCH", self._path, {"metadata": metadata})

    def _now(self) -> dict[str, str]:
        now = datetime.fromtimestamp(time() + self._ahead, UTC)
        return {FOLLOWED_AT: now.isoformat(timespec="seconds"), FOLLOWED_BY: self._by}

    def _remove(self) -> None:
        """With its pods; not before it is gone another one can have its name."""
        with suppress(Unanswered):
            self._cluster.ask("DELETE", self._path, query={"propagationPolicy": "Background"})
        until = time() + AWAY_SECONDS
        while self._cluster.find(self._path) is not None and time() < until:
            sleep(POLL_SECONDS)

    def _problem(self, *, found: str, allowed: str, remedy: str) -> Refused:
        where = f"{self._job.called} in the cluster of site `{self._site}`"
        return Refused("the command", [Problem(where=where, found=found, allowed=allowed, remedy=remedy)])


def _unanswered(site: str, answer: Unanswered) -> Problem:
    return Problem(
        where=f"the cluster of site `{site}`",
        found=f"{answer}",
        allowed="an API server that answers, and lets you read CronJobs, ConfigMaps, pods and their logs, and make, "
        "change and delete jobs, in the namespace",
        remedy="correct context or rights; `make doctor` says whether the cluster answers",
    )


JOBS = KubernetesJobs()
