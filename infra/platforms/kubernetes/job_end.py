"""How a job has ended: the record that its container leaves as last words, or why there is none."""

from __future__ import annotations

import json

from infra.jobs.base import Job
from infra.platforms.kubernetes.api import Cluster, Object
from infra.platforms.kubernetes.job_pods import LAST_LINES, ended, log, newest_pod, statuses, terminated
from infra.problems import Problem, Refused

# Of a log that has the record too: a termination message may have 4,096 bytes.
_LOOKED_AT = 50


def outcome(site: str, cluster: Cluster, folder: str, job: Object, asked: Job) -> str:
    """The record, or where the job has ended well without one, what it said instead. Raises Refused."""
    pod = newest_pod(cluster, folder, job)
    message = "" if pod is None else _message(pod, asked.container)
    if _is_record(message):
        return message
    said = [] if pod is None else log(cluster, folder, pod, asked.container, _LOOKED_AT)
    if (longer := next((line for line in reversed(said) if _is_record(line)), None)) is not None:
        return longer
    condition = ended(job) or {}
    if condition.get("type") == "Complete" and message:
        return message
    raise Refused("the command", [_failed(site, asked, condition, message, _last(cluster, folder, pod))])


def _message(pod: Object, container: str) -> str:
    for one in statuses(pod):
        if one["name"] == container:
            return str(terminated(one).get("message") or "").strip()
    return ""


def _is_record(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _last(cluster: Cluster, folder: str, pod: Object | None) -> list[str]:
    """The end of the log of whatever failed, and of what ran last."""
    found: list[str] = []
    for one in statuses(pod) if pod else ():
        code = terminated(one).get("exitCode")
        if code not in (None, 0):
            found.append(f"{one['name']} ended with status {code}")
            found += (f"  {line}" for line in log(cluster, folder, pod or {}, one["name"], LAST_LINES))
    return found


def _failed(site: str, asked: Job, condition: Object, message: str, last: list[str]) -> Problem:
    why = " ".join(part for part in (condition.get("reason"), condition.get("message")) if part)
    found = [f"the job has failed: {why}" if condition.get("type") == "Failed" else "the job left no record"]
    found += [message[:1000]] if message else []
    return Problem(
        where=f"{asked.called} in the cluster of site `{site}`",
        found="\n".join([*found, *last]),
        allowed="a job that leaves its record",
        remedy="mend what it says and run this again; a job that took too long may have waited for a machine or an "
        "image",
    )
