"""What the API server serves: its version, every kind of the plan's objects, and the objects that the plan names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from infra.catalog.controllers import controllers
from infra.doctor.finding import Finding, look, missing, ok, unknown
from infra.platforms.kubernetes.api import Cluster, Object, labels_of
from infra.platforms.kubernetes.created import Kind
from infra.platforms.kubernetes.needs import ClusterNeeds, NamedNeed

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")
METRICS = {
    "metrics.k8s.io/v1beta1": "the metrics server, which autoscalers read",
    "custom.metrics.k8s.io/v1beta1": "an adapter of custom metrics, or set `metrics_adapter: false`",
}


def version(found: str, least: tuple[int, int]) -> Finding:
    """The API server's own."""
    wanted = ".".join(map(str, least))
    if parsed(found)[:2] < least:
        return missing(
            "Kubernetes", f"version {found}, {wanted} or newer is needed", f"upgrade the cluster to {wanted}"
        )
    return ok("Kubernetes", f"version {found}")


def kinds(cluster: Cluster, needs: ClusterNeeds) -> Iterator[Finding]:
    """Asks for each kind of other projects by the version that is used; a row for each project."""
    served = {
        kind: _served(cluster, kind) for kind in needs.kinds if kind.controller or "resource.k8s.io" in kind.group
    }
    by_owner: defaultdict[str, list[Kind]] = defaultdict(list)
    for kind in served:
        by_owner[kind.controller or "dynamic resource allocation"].append(kind)
    for owner, found in by_owner.items():
        yield from judged(owner, found, served)
    for api in needs.metrics_apis:
        if cluster.find(f"/apis/{api}") is None:
            yield missing(f"API {api}", "not served", f"install {METRICS[api]}")
        else:
            yield ok(f"API {api}", "served")


def judged(owner: str, found: Sequence[Kind], served: Mapping[Kind, tuple[str, ...] | None]) -> Iterator[Finding]:
    """`served` is None where a kind is served as it is used; else the versions that are served of its group."""
    lacking = [kind for kind in found if served[kind] is not None]
    row = controllers().get(owner)
    if not lacking:
        yield ok(owner, f"{', '.join(kind.kind for kind in found)} of {found[0].api_version}")
        return
    others = sorted({one for kind in lacking for one in served[kind] or ()})
    yield missing(
        owner,
        f"no {', '.join(f'{kind.kind} ({kind.api_version})' for kind in lacking)}"
        + (f"; of this group there is {', '.join(others)}" if others else ""),
        f"install {row.wanted if row else owner}: it {row.does}" if row else "upgrade the cluster to 1.34 or newer",
    )


def named(cluster: Cluster, needs: ClusterNeeds) -> Iterator[Finding]:
    """Asks for each object by its name."""
    for need in needs.named:
        yield object_found(need, cluster.find(f"{need.path}/{need.name}"))


def object_found(need: NamedNeed, found: Object | None) -> Finding:
    """One object, and whether it says that it works."""
    what = f"{need.what} {need.name}"
    if found is None:
        return missing(what, "not there", f"{need.remedy}; or correct `{need.field}`")
    if need.condition is None:
        return ok(what, "there")
    conditions = {one["type"]: one for one in found.get("status", {}).get("conditions") or ()}
    state = conditions.get(need.condition, {})
    if state.get("status") == "True":
        return ok(what, f"there, {need.condition.lower()}")
    why = state.get("message") or "nobody said why"
    return missing(what, f"there, not {need.condition.lower()}: {why}", "mend it, or its controller")


def keda(cluster: Cluster, needs: ClusterNeeds) -> Iterator[Finding]:
    """Which version of KEDA runs: what scales by gateways' own figures came with one."""
    if needs.keda_namespace is None:
        return
    path = f"/apis/apps/v1/namespaces/{needs.keda_namespace}/deployments"
    yield keda_found(needs.keda_namespace, [one for one in cluster.every(path) if _is_keda(one)])
    yield from tested_with("KEDA", cluster.get("/version")["gitVersion"])


def keda_found(namespace: str, operators: Sequence[Object]) -> Finding:
    """By the image of its operator."""
    row = controllers()["KEDA"]
    least = row.least_version or ""
    if not operators:
        return missing(
            "KEDA operator",
            f"no such deployment in the namespace {namespace}",
            f"install {row.wanted}, or correct `keda_namespace`",
        )
    (container, *_) = operators[0]["spec"]["template"]["spec"]["containers"]
    image = container["image"].partition("@")[0]
    tag = image.rpartition(":")[2]
    if not _VERSION.match(tag):
        return unknown(
            "KEDA operator", f"image {image}, which does not tell its version", f"make sure that it is {least} or newer"
        )
    if parsed(tag) < parsed(least):
        return missing("KEDA operator", f"version {tag}, {least} or newer is needed", f"upgrade it to {least}")
    if not operators[0].get("status", {}).get("readyReplicas"):
        return look("KEDA operator", f"version {tag}, no replica is ready", f"`kubectl -n {namespace} get pods`")
    return ok("KEDA operator", f"version {tag}, ready")


def tested_with(controller: str, version: str) -> Iterator[Finding]:
    """Where its makers name a window of versions, and this cluster is beyond it."""
    window = controllers()[controller].kubernetes
    if window is None:
        return
    first, _, last = window.partition(" to ")
    if not parsed(first)[:2] <= parsed(version)[:2] <= parsed(last)[:2]:
        found = f"Kubernetes {version}; {controllers()[controller].wanted} is tested with {window}"
        yield look(f"{controller} for Kubernetes", found, "see in its documentation which version is for yours")


def parsed(text: str) -> tuple[int, int, int]:
    """`v1.35.1+k3s1` as numbers; zeros where it is no version."""
    found = _VERSION.match(text)
    return (int(found.group(1)), int(found.group(2)), int(found.group(3) or 0)) if found else (0, 0, 0)


def _is_keda(deployment: Object) -> bool:
    return "keda-operator" in (labels_of(deployment).get("app.kubernetes.io/name"), deployment["metadata"]["name"])


def _served(cluster: Cluster, kind: Kind) -> tuple[str, ...] | None:
    listed = cluster.find(f"/apis/{kind.api_version}")
    if listed is not None and any(one["kind"] == kind.kind for one in listed["resources"]):
        return None
    group = cluster.find(f"/apis/{kind.group}")
    return tuple(one["groupVersion"] for one in group["versions"]) if group else ()
