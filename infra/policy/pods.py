"""Pods as rules see them: from every workload, also from those inside custom resources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.policy.rule import Broken, Resource
from infra.render.kubernetes import PREFIX, pod_templates

ENDS = ("Job", "CronJob")
Container = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Pod:
    """What makes the pods, and their specification."""

    owner: Mapping[str, Any]
    spec: Mapping[str, Any]

    @property
    def stays(self) -> bool:
        """Whether it serves until it is told to end."""
        return self.owner["kind"] not in ENDS

    @property
    def containers(self) -> list[Container]:
        """All of them."""
        return [*self.spec["containers"], *self.spec.get("initContainers", ())]

    @property
    def sidecars(self) -> list[Container]:
        """Those that start before the others and end after them."""
        return [one for one in self.spec.get("initContainers", ()) if one.get("restartPolicy") == "Always"]

    @property
    def volumes(self) -> list[Mapping[str, Any]]:
        """Its own; what a set claims is not among them."""
        return [*self.spec.get("volumes", ())]

    def effective(self, container: Container) -> dict[str, Any]:
        """The security context of a container: its own fields before those of the pod."""
        return {**self.spec.get("securityContext", {}), **container.get("securityContext", {})}


def manifest(one: Resource) -> Mapping[str, Any] | None:
    """An object of Kubernetes, or None."""
    return one.props if one.type.startswith(PREFIX) and "kind" in one.props else None


def of_kind(one: Resource, *kinds: str) -> Mapping[str, Any] | None:
    """The object where it is of one of these kinds."""
    found = manifest(one)
    return found if found is not None and found["kind"] in kinds else None


def pods(one: Resource) -> Iterator[Pod]:
    """Those that a resource makes."""
    found = manifest(one)
    if found is None:
        return
    if "containers" in found.get("spec", {}):
        yield Pod(owner=found, spec=found["spec"])
    else:
        yield from (Pod(owner=found, spec=template["spec"]) for _, template, _ in pod_templates([dict(found)]))


def for_pods(check: Callable[[Pod], Broken]) -> Callable[[Resource], Broken]:
    """A check of each pod, for each resource."""
    return lambda one: (found for pod in pods(one) for found in check(pod))


def for_containers(check: Callable[[Pod, Container], Broken]) -> Callable[[Resource], Broken]:
    """A check of each container, for each resource; what is broken is said with the container's name."""
    return for_pods(lambda pod: _of_each(pod, pod.containers, check))


def for_serving(check: Callable[[Pod, Container], Broken]) -> Callable[[Resource], Broken]:
    """A check of each container that runs until it is told to end."""
    return for_pods(lambda pod: _of_each(pod, (*pod.spec["containers"], *pod.sidecars) if pod.stays else (), check))


def _of_each(pod: Pod, containers: Iterable[Container], check: Callable[[Pod, Container], Broken]) -> Broken:
    return (f"{one['name']}: {found}" for one in containers for found in check(pod, one))
