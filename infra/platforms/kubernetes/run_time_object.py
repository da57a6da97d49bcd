"""A ConfigMap that gateways mount and no deployment writes: read, and written by whoever saw it last."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from infra.plan.in_cluster import GATEWAY
from infra.plan.types import SitePlan
from infra.platforms.kubernetes.api import Cluster, Object, Unanswered
from infra.problems import Problem, Refused
from infra.report.words import count


class RunTimeObject:
    """One entry of one ConfigMap. `stamp` is the annotation that makes a kubelet look, `manager` who writes it."""

    def __init__(self, name: str, entry: str, stamp: str, manager: str) -> None:
        self._name, self._entry, self._stamp, self._manager = name, entry, stamp, manager

    def read(self, site: str, plan: SitePlan, context: str | None) -> str | None:
        """None where there is no such object. Raises Refused."""
        cluster, folder = reached(site, plan, context)
        try:
            return self._text(cluster.find(f"{folder}/configmaps/{self._name}"))
        except Unanswered as answer:
            raise _refused(site, answer) from None

    def change(self, site: str, plan: SitePlan, context: str | None, to: Callable[[str | None], str]) -> str:
        """Writes another text, and says when gateways know. Raises Refused."""
        cluster, folder = reached(site, plan, context)
        path = f"{folder}/configmaps"
        try:
            live = cluster.find(f"{path}/{self._name}")
            data = {self._entry: to(self._text(live))}
            if live is None:
                labels = {"app.kubernetes.io/managed-by": self._manager}
                metadata = {"name": self._name, "labels": labels}
                cluster.ask("POST", path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
            else:
                # Refused where somebody else has written it since.
                version = {"resourceVersion": live["metadata"]["resourceVersion"]}
                cluster.ask("PATCH", f"{path}/{self._name}", {"metadata": version, "data": data})
        except Unanswered as answer:
            raise _refused(site, answer) from None
        return self._hurry(cluster, folder)

    def place(self) -> str:
        """Of the text, for a message."""
        return f"the ConfigMap `{self._name}`, `{self._entry}`"

    def _text(self, live: Object | None) -> str | None:
        if live is None:
            return None
        data: dict[str, str] = live.get("data") or {}
        return data.get(self._entry, "")

    def _hurry(self, cluster: Cluster, folder: str) -> str:
        """A kubelet looks at what a pod mounts when the pod changes, and otherwise about once a minute."""
        pods, touched = f"{folder}/pods", 0
        stamp = {"metadata": {"annotations": {self._stamp: datetime.now(UTC).isoformat(timespec="seconds")}}}
        with suppress(Unanswered):
            for pod in cluster.every(pods, labelSelector=f"app.kubernetes.io/name={GATEWAY}"):
                cluster.ask("PATCH", f"{pods}/{pod['metadata']['name']}", stamp)
                touched += 1
        if touched:
            return f"{count(touched, 'gateway')} told: they know within seconds"
        return "gateways know within two minutes"


def reached(site: str, plan: SitePlan, context: str | None) -> tuple[Cluster, str]:
    """The API server of a site, and the path of its namespace there. Raises Refused."""
    known: str | None = context or getattr(plan.details, "context", None)
    if known is None:
        problem = Problem(
            where="--context",
            found=f"nothing, and the plan of site `{site}` names no context: its cluster is made by the stack",
            allowed="the context of a kubeconfig that reaches the cluster",
            remedy="write a kubeconfig with the cloud's own command, then name its context; `kubectl config "
            "get-contexts` shows it",
        )
        raise Refused("the command", [problem])
    try:
        cluster = Cluster.of(getattr(plan.details, "kubeconfig_path", None), known)
    except Unanswered as answer:
        problem = Problem(
            where=f"the cluster of site `{site}`",
            found=f"{answer}",
            allowed="a kubeconfig whose context leads to the cluster",
            remedy="correct it, or name another context",
        )
        raise Refused("the command", [problem]) from None
    return cluster, f"/api/v1/namespaces/{plan.details.serving.namespace}"


def _refused(site: str, answer: Unanswered) -> Refused:
    problem = Problem(
        where=f"the cluster of site `{site}`",
        found=f"{answer}",
        allowed="an API server that lets you read and write ConfigMaps of the namespace",
        remedy="correct context or rights; if somebody else wrote at the same time, run this again",
    )
    return Refused("the command", [problem])
