"""What the pods of a job tell: how far they are, the last line that they said, and the last words of a container."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from infra.platforms.kubernetes.api import Cluster, Object, Unanswered

# Of a log, for who reads why a job has failed.
LAST_LINES = 20
_LONGEST_LINE = 200


def part(of: Object, name: str) -> Object:
    """An object's part, empty where it has none."""
    found: Object | None = of.get(name)
    return {} if found is None else found


def parts(of: Object, name: str) -> Sequence[Object]:
    """Several of them."""
    found: Sequence[Object] | None = of.get(name)
    return () if found is None else found


def ended(job: Object) -> Object | None:
    """The condition by which a job has ended, well or not; None while it goes on."""
    conditions = parts(part(job, "status"), "conditions")
    over = (one for one in conditions if one["type"] in ("Complete", "Failed") and one["status"] == "True")
    return next(over, None)


def newest_pod(cluster: Cluster, folder: str, job: Object) -> Any:
    """Of a job, which may have tried several times; None where there is none yet, or none any more."""
    name = job["metadata"]["name"]
    found = list(cluster.every(f"{folder}/pods", labelSelector=f"batch.kubernetes.io/job-name={name}"))
    return max(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)


def state(pod: Object | None) -> str:
    """In words."""
    if pod is None:
        return "waits for its pod"
    status = part(pod, "status")
    for one in statuses(pod):
        waiting = part(part(one, "state"), "waiting")
        if waiting and waiting.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
            return f"{one['name']}: {waiting['reason']}: {waiting.get('message', '')}"[:_LONGEST_LINE].rstrip(": ")
    if (running := _running(pod)) is not None:
        return f"{running} runs"
    for one in parts(status, "conditions"):
        if one["type"] == "PodScheduled" and one["status"] == "False":
            return f"waits for a machine: {one.get('message', '')}"[:_LONGEST_LINE].rstrip(": ")
    return "ends" if status.get("phase") in ("Succeeded", "Failed") else "gets what it needs: images and volumes"


def progress(cluster: Cluster, folder: str, pod: Object | None) -> str:
    """The last line of the container that runs; empty where there is none, or none that can be read."""
    if pod is None or (container := _running(pod)) is None:
        return ""
    said = log(cluster, folder, pod, container, 1)
    # A record is for who asked, and comes when all has ended.
    return said[-1][:_LONGEST_LINE] if said and not said[-1].startswith("{") else ""


def log(cluster: Cluster, folder: str, pod: Object, container: str, lines: int) -> list[str]:
    """The last lines of a container; none where they cannot be read."""
    path = f"{folder}/pods/{pod['metadata']['name']}/log"
    try:
        return cluster.lines(path, container=container, tailLines=str(lines), limitBytes="65536")
    except Unanswered:
        return []


def statuses(pod: Object) -> Sequence[Object]:
    """Of its containers, in the order in which they begin."""
    status = part(pod, "status")
    return [*parts(status, "initContainerStatuses"), *parts(status, "containerStatuses")]


def terminated(container: Object) -> Object:
    """What is known of its end, empty before."""
    return part(part(container, "state"), "terminated")


def _running(pod: Object) -> str | None:
    """The last one that was started: what began before it only stays beside it."""
    found = [one["name"] for one in statuses(pod) if "running" in part(one, "state")]
    return found[-1] if found else None
