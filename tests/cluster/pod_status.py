"""A pod's status as the kubelet writes it: phase, conditions, its address, and how each container does."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]


def status_of(
    pod: Object, inits: Sequence[Any], runs: Sequence[Any], address: str, host: str, initialised: bool, final: bool
) -> dict[str, Any]:
    """The whole status; the same as before while nothing has changed. `final`: no container runs any more."""
    ready = bool(runs) and all(run.running and run.probes and run.probes.ready for run in runs)
    before = {entry["type"]: entry for entry in pod.get("status", {}).get("conditions") or []}
    conditions = [
        _condition(before, "PodReadyToStartContainers", not final),
        _condition(before, "Initialized", initialised),
        _condition(before, "ContainersReady", ready),
        _condition(before, "Ready", ready),
    ]
    if "PodScheduled" in before:
        conditions.append(dict(before["PodScheduled"]))
    return {
        "phase": _phase(pod, runs, initialised, final),
        "conditions": conditions,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "startTime": pod["metadata"]["creationTimestamp"],
        "containerStatuses": [_container(run, final) for run in runs],
        **({"initContainerStatuses": [_container(run, final) for run in inits]} if inits else {}),
    }


def _phase(pod: Object, runs: Sequence[Any], initialised: bool, final: bool) -> str:
    ended = [run.code for run in runs if run.code is not None]
    never_again = final or pod["spec"].get("restartPolicy") != "Always"
    if runs and len(ended) == len(runs) and never_again:
        if not any(ended):
            return "Succeeded"
        if final or pod["spec"].get("restartPolicy") == "Never":
            return "Failed"
    if final:
        return "Failed"
    return "Running" if initialised and any(run.container or run.restarts for run in runs) else "Pending"


def _condition(before: Mapping[str, Object], name: str, holds: bool) -> dict[str, Any]:
    status = "True" if holds else "False"
    known = before.get(name, {})
    changed = known.get("lastTransitionTime") if known.get("status") == status else None
    return {"type": name, "status": status, "lastTransitionTime": changed or _now()}


def _container(run: Any, final: bool) -> dict[str, Any]:
    started = _time(run.started_at) if run.started_at else None
    if run.running and not final:
        state: dict[str, Any] = {"running": {"startedAt": started}}
    elif run.code is not None:
        state = {"terminated": {"exitCode": run.code, "reason": "Completed" if run.code == 0 else "Error"}}
    else:
        state = {"waiting": {"reason": "CrashLoopBackOff" if run.restarts else "ContainerCreating"}}
    last = {"terminated": {"exitCode": run.last_code, "reason": "Error"}} if run.last_code is not None else {}
    return {
        "name": run.spec["name"],
        "image": run.spec["image"],
        "imageID": run.spec["image"],
        "state": state,
        "lastState": last,
        "restartCount": run.restarts,
        "ready": bool(run.running and run.probes and run.probes.ready) or run.code == 0,
        "started": bool(run.running and run.probes and run.probes.started),
    }


def _now() -> str:
    return _time(datetime.datetime.now(datetime.UTC).timestamp())


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
