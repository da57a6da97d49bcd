"""Doctor of the platform `kubernetes`: everything that its plan needs, asked of the cluster that a context names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from infra.doctor.finding import Finding, guarded, missing, ok, unknown
from infra.plan.types import SitePlan
from infra.platforms.kubernetes.api import Answer, Cluster, Unanswered
from infra.platforms.kubernetes.checks import access, admission, apis, images, network, nodes, quotas, storage
from infra.platforms.kubernetes.needs import ClusterNeeds, cluster_needs
from infra.platforms.kubernetes.plan import KubernetesSitePlan
from infra.problems import Refused

# By what a reader calls them; each asks for itself, so that one that may not ask hides no other.
CHECKS: tuple[tuple[str, Callable[[Cluster, ClusterNeeds], Iterator[Finding]]], ...] = (
    ("rights", access.check),
    ("kinds", apis.kinds),
    ("named objects", apis.named),
    ("KEDA operator", apis.keda),
    ("nodes", nodes.check),
    ("storage", storage.check),
    ("quotas", quotas.check),
    ("names inside", network.names),
    ("network policies", network.policies),
    ("Pod Security", admission.check),
)


class KubernetesDoctor:
    """Implements `Doctor`. Reads, reviews and dry runs only."""

    def findings(self, site: str, plan: SitePlan) -> Iterator[Finding]:
        del site
        details: KubernetesSitePlan = plan.details
        needs, context = cluster_needs(details), details.context
        try:
            cluster = Cluster.of(details.kubeconfig_path, context)
            answer = cluster.ask("GET", "/version")
        except Unanswered as error:
            yield missing(
                "cluster",
                f"context `{context}`: {error}",
                "correct `context` or `kubeconfig_path`; `kubectl config get-contexts` shows what there is",
            )
            yield unknown("the rest", "nothing of the cluster was looked at", "run this again when it is reached")
        else:
            yield from self._of_cluster(cluster, needs, context, answer)
        yield from images.check(needs)
        yield from network.domain(needs)

    def before(self, site: str, plan: SitePlan) -> Iterator[Finding]:
        del site
        details: KubernetesSitePlan = plan.details
        # A cluster that is away, and a machine without the client: Pulumi says so itself.
        with suppress(Unanswered, Refused):
            # An autoscaler without metrics can be made all the same.
            needs = replace(cluster_needs(details), metrics_apis=())
            yield from apis.kinds(Cluster.of(details.kubeconfig_path, details.context), needs)

    def _of_cluster(self, cluster: Cluster, needs: ClusterNeeds, context: str, answer: Answer) -> Iterator[Finding]:
        yield ok("cluster", f"context {context} is reached")
        yield apis.version(answer.body["gitVersion"], needs.least_version)
        yield admission.clock(answer.seconds_ahead)
        for what, check in CHECKS:
            yield from guarded(what, lambda check=check: check(cluster, needs), Unanswered)


DOCTOR = KubernetesDoctor()
