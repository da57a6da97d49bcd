"""Who we are to the cluster, and whether we may do everything that a deployment does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from infra.doctor.finding import Finding, missing, ok
from infra.platforms.kubernetes.api import Cluster, Unanswered
from infra.platforms.kubernetes.created import READ_TOO, Kind
from infra.platforms.kubernetes.needs import ClusterNeeds

AUTHORIZATION = "authorization.k8s.io/v1"
ALL = "*"


def check(cluster: Cluster, needs: ClusterNeeds) -> Iterator[Finding]:
    """Asks the server for each kind and verb."""
    user = _who(cluster)
    kinds = (*needs.kinds, *READ_TOO)
    denied = {kind: verbs for kind in kinds if (verbs := _denied(cluster, kind, needs.namespace))}
    yield from judged(user, needs.namespace, kinds, denied)


def judged(
    user: str, namespace: str, kinds: Sequence[Kind], denied: Mapping[Kind, tuple[str, ...]]
) -> Iterator[Finding]:
    """A row for each set of verbs that is denied, with the kinds that it is denied for."""
    by_verbs: defaultdict[tuple[tuple[str, ...], bool], list[str]] = defaultdict(list)
    for kind, verbs in denied.items():
        by_verbs[verbs, kind.namespaced].append(kind.shown)
    for (verbs, namespaced), resources in by_verbs.items():
        role = f"Role in {namespace}" if namespaced else "ClusterRole"
        yield missing(
            "rights",
            f"{user} may not {', '.join(verbs)}: {', '.join(resources)}",
            f"have an administrator bind {user} to a {role} with these verbs on these resources",
        )
    if not denied:
        verbs = sum(len(kind.verbs) for kind in kinds)
        yield ok("rights", f"{user} may do all that a deployment does: {len(kinds)} kinds, {verbs} verbs")


def _who(cluster: Cluster) -> str:
    try:
        info = cluster.review("SelfSubjectReview", "authentication.k8s.io/v1", {}).get("userInfo", {})
    except Unanswered:
        return "this user"
    return info.get("username") or "this user"


def _denied(cluster: Cluster, kind: Kind, namespace: str) -> tuple[str, ...]:
    # Who may do everything is asked once. Not every authorizer knows the wildcard: then each verb is asked.
    if _may(cluster, kind, ALL, namespace):
        return ()
    return tuple(verb for verb in kind.verbs if not _may(cluster, kind, verb, namespace))


def _may(cluster: Cluster, kind: Kind, verb: str, namespace: str) -> bool:
    attributes = {"verb": verb, "group": kind.group, "resource": kind.resource}
    inside = {"namespace": namespace} if kind.namespaced else {}
    asked = {"resourceAttributes": {**attributes, **inside}}
    return bool(cluster.review("SelfSubjectAccessReview", AUTHORIZATION, asked).get("allowed"))
