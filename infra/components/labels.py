"""Labels of everything in a site's namespace: network policies, disruption budgets and monitors select by them."""

from __future__ import annotations

from infra.plan.in_cluster import PART_OF


def labels(component: str, name: str) -> dict[str, str]:
    """Of an object of a workload. `component` is its kind (`gateway`, `engine`), `name` the workload's own."""
    return {**selector(component, name), "app.kubernetes.io/part-of": PART_OF, "app.kubernetes.io/managed-by": "pulumi"}


def selector(component: str, name: str) -> dict[str, str]:
    """What selects the pods of one workload. Immutable in a Deployment, so that it holds nothing that may change."""
    return {"app.kubernetes.io/component": component, "app.kubernetes.io/name": name}
