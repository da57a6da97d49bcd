"""Quotas that somebody else has put on the namespace: whether the plan's pods keep within them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.doctor.finding import Finding, missing, ok
from infra.plan.in_cluster import PART_OF
from infra.platforms.kubernetes.api import Cluster, Object, labels_of
from infra.platforms.kubernetes.needs import ClusterNeeds
from infra.platforms.kubernetes.quantity import quantity

OURS = ("app.kubernetes.io/part-of", PART_OF)


def check(cluster: Cluster, needs: ClusterNeeds) -> Iterator[Finding]:
    """Asks for those of the namespace; none is well."""
    quotas = list(cluster.every(f"/api/v1/namespaces/{needs.namespace}/resourcequotas"))
    others = [one for one in quotas if OURS not in labels_of(one).items()]
    if not others:
        yield ok("quotas", f"none of others on the namespace {needs.namespace}")
    for one in others:
        yield from judged(one, needs.quota)


def judged(found: Object, wanted: Mapping[str, float]) -> Iterator[Finding]:
    """One quota, by the resources that it names and the plan uses."""
    # `cpu` and `memory` are short for requests of them.
    names = {
        name if "." in name or f"requests.{name}" not in wanted else f"requests.{name}": name
        for name in found["spec"].get("hard", {})
    }
    hard = {name: quantity(found["spec"]["hard"][written]) for name, written in names.items() if name in wanted}
    over = {name: amount for name, amount in hard.items() if amount < wanted[name]}
    what = f"quota {found['metadata']['name']}"
    if over:
        told = ", ".join(
            f"{name} {_shown(name, amount)}, {_shown(name, wanted[name])} needed" for name, amount in over.items()
        )
        yield missing(what, told, "raise it: pods beyond it are refused")
    else:
        yield ok(what, f"room for this site: {', '.join(hard) or 'nothing that it uses is limited'}")


def _shown(resource: str, amount: float) -> str:
    return f"{amount / 2**30:.0f}Gi" if resource.endswith("memory") else f"{amount:g}"
