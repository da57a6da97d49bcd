"""Versions of EKS add-ons that a user names: of add-ons that are there, and none that is ahead of its cluster."""

from __future__ import annotations

from collections.abc import Iterator

from infra.explain import dotted
from infra.platforms.aws.cluster_plan import ClusterPlan, addon_names
from infra.platforms.aws.config import AwsSettings
from infra.problems import Problem, did_you_mean, listing

# Of these the version is the cluster's own; it may be behind by three, and never ahead (kubernetes.io, version skew
# policy, kube-proxy, read 2026-11).
OF_THE_CLUSTER, MOST_BEHIND = ("kube-proxy",), 3


def addon_problems(where: str, settings: AwsSettings) -> Iterator[Problem]:
    """Each by its name, of which doctor says whether EKS has it."""
    there = addon_names(settings)
    for name, version in settings.addon_versions.items():
        place = dotted(where, ("addon_versions", name))
        if name not in there:
            yield Problem(
                where=place,
                found=f"`{name}`, which is no add-on of a site with such nodes",
                allowed=listing(there),
                remedy=did_you_mean(name, there, "remove it"),
            )
        elif name in OF_THE_CLUSTER and not 0 <= _behind(version, settings.kubernetes_version) <= MOST_BEHIND:
            yield Problem(
                where=place,
                found=f"`{version}`, on a cluster of Kubernetes {settings.kubernetes_version}",
                allowed=f"the cluster's own version, or one of the {MOST_BEHIND} before it",
                remedy="change it together with `kubernetes_version`, or remove it: what EKS has for the cluster's "
                "version is taken then",
            )


def addons_text(cluster: ClusterPlan) -> str:
    """For a reader of the plan."""
    asked = [addon.name for addon in cluster.addons.values() if addon.version is None]
    named = [f"{addon.name} {addon.version}" for addon in cluster.addons.values() if addon.version]
    by_default = f"{', '.join(asked)} as EKS has them for {cluster.kubernetes_version} on the day of a deployment"
    return "; ".join([*named, *([by_default] if asked else [])])


def _behind(version: str, kubernetes_version: str) -> int:
    """In minor versions; less than 0 is ahead."""
    return int(kubernetes_version.partition(".")[2]) - int(version.split(".")[1])
