"""Admission and clocks: whether Pod Security refuses what it must, asked with dry runs only."""

from __future__ import annotations

from collections.abc import Iterator

from infra.doctor.finding import Finding, look, missing, ok, unknown
from infra.platforms.kubernetes.api import Cluster, Object, Unanswered, labels_of
from infra.platforms.kubernetes.needs import ClusterNeeds

ENFORCE = "pod-security.kubernetes.io/enforce"
NO_LEVEL = "neither-privileged-nor-restricted"
# Tokens and certificates are young for minutes; schedules are kept by the minute.
MOST_SECONDS_APART = 30
WHAT = "Pod Security"


def check(cluster: Cluster, needs: ClusterNeeds) -> Iterator[Finding]:
    """In the stack's namespace where it enforces already; else whether the API server knows such labels at all."""
    namespace = cluster.find(f"/api/v1/namespaces/{needs.namespace}")
    if namespace is not None and labels_of(namespace).get(ENFORCE) in ("restricted", "baseline"):
        yield _refused(
            cluster,
            f"/api/v1/namespaces/{needs.namespace}/pods",
            privileged_pod(),
            f"a privileged pod in {needs.namespace}",
        )
        return
    probe = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": f"{needs.namespace}-dry-run", "labels": {ENFORCE: NO_LEVEL}},
    }
    # Who enforces such labels refuses a level that does not exist.
    yield _refused(cluster, "/api/v1/namespaces", probe, "a namespace with a level that there is not")


def _refused(cluster: Cluster, path: str, manifest: Object, told: str) -> Finding:
    try:
        cluster.would_create(path, manifest)
    except Unanswered as answer:
        if answer.status in (403, 422) and any(word in str(answer) for word in ("PodSecurity", ENFORCE)):
            return ok(WHAT, f"refuses {told} (dry run)")
        return unknown(WHAT, f"cannot be told: {answer}", "ask with the right to create it: it is a dry run")
    return missing(
        WHAT,
        f"takes {told} (dry run)",
        "start the API server with the admission plugin PodSecurity, which is on by default",
    )


def privileged_pod() -> Object:
    """Breaks every rule but those of syntax."""
    container = {"name": "dry-run", "image": "dry-run.invalid/none", "securityContext": {"privileged": True}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "dry-run-"},
        "spec": {"containers": [container], "automountServiceAccountToken": False},
    }


def clock(seconds_ahead: float | None) -> Finding:
    """The server's against this machine's."""
    if seconds_ahead is None:
        return unknown("clocks", "the API server does not tell its time", "compare them yourself")
    # An answer's time has no parts of seconds, and is a moment old.
    apart = abs(seconds_ahead)
    if apart > MOST_SECONDS_APART:
        direction = "ahead of" if seconds_ahead > 0 else "behind"
        return look(
            "clocks",
            f"the API server is {apart:.0f} s {direction} this machine",
            "set both by NTP: tokens, certificates and schedules depend on it",
        )
    return ok("clocks", f"API server and this machine agree within {MOST_SECONDS_APART} s")
