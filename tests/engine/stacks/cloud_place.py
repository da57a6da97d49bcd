"""Clouds as the example stacks are deployed to them: each in a file, and a real API server as its cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.clouds import managed_cluster
from tests.clouds import project as clouds
from tests.clouds.cloud import Cloud
from tests.clouds.managed_cluster import ManagedCluster
from tests.cluster.client import eventually
from tests.cluster.control_plane import ControlPlane
from tests.cluster.nodes import GPU_TAINT, Pool
from tests.engine.checkout import Checkout
from tests.engine.stacks.places import (
    MADE_BY_CONTROLLERS,
    OWN_KINDS,
    RealControlPlane,
    path_without_our_tools,
    tools_with_a_home_of_their_own,
)

POOL, CLASS = "slipway/pool", "cloud.google.com/compute-class"
# How long a gateway is waited for until the load balancer has it: nobody balances here, and each of them would take it.
SETTLES = "infra/platforms/aws/front_door_plan.py", "SETTLE_SECONDS = 15 + HEALTH_SECONDS * HEALTH_TIMES"
Stays = Callable[[dict[str, Any]], bool]


def machines_of_aws(zones: tuple[str, ...]) -> tuple[Pool, Pool]:
    """What Auto Mode would start for the stack's pods."""
    gpu = {**GPU_TAINT, "value": "true"}
    return (
        Pool("gateway", zones, per_zone=2, labels={POOL: "gateway"}),
        Pool("gpu", zones, per_zone=2, gpus=1, labels={POOL: "l40s-1"}, taints=[gpu]),
    )


def machines_of_google(zones: tuple[str, ...]) -> tuple[Pool, Pool]:
    """What node pools would start. Whatever asks for GPUs is let to them by GKE itself: their taint is left out."""
    of_class = {"key": CLASS, "value": "l4-1", "effect": "NoSchedule"}
    return (
        Pool("gateway", zones, per_zone=2, labels={POOL: "gateway"}),
        Pool("gpu", zones, per_zone=2, gpus=1, labels={CLASS: "l4-1"}, taints=[of_class]),
    )


class StandInCloud:
    """A region of AWS, or a project of Google's, by its name. What `stays` by its inputs is left by a stack that goes:
    nobody counts it."""

    def __init__(self, package: str, plugin_version: str, file: Path, where: str, stays: Stays) -> None:
        self.package, self.version = package, plugin_version
        self.cloud, self.file, self.where, self._stays = Cloud(file), file, where, stays

    def prepare(self, checkout: Checkout) -> None:
        """A Pulumi home with the plugin."""
        self.prepare_home(checkout, None)
        checkout.more_environment |= {"PATH": path_without_our_tools()}

    def prepare_home(self, checkout: Checkout, commands: Path | None) -> None:
        home = tools_with_a_home_of_their_own(checkout.folder / ".tools", self.version, commands)
        clouds.install(home, self.package, self.file)

    def made(self) -> dict[str, dict[str, Any]]:
        """What is there, by type and id."""
        return {
            address: thing
            for address, thing in self.cloud.things().items()
            if thing["place"] == self.where and not self._stays(thing["inputs"])
        }

    def held(self, resources: list[dict[str, Any]]) -> set[str]:
        """The same, as a state says it."""
        own = [one for one in resources if one["type"].startswith(f"{self.package}:")]
        return {f"{one['type']} {one['id']}" for one in own if not self._stays(one["inputs"])}

    def renew(self) -> None:
        """There is no cluster that the next one would have to differ from."""

    def things(self, checkout: Checkout) -> set[str]:
        del checkout
        return {*self.made()}

    def wrong(self, checkout: Checkout, resources: list[dict[str, Any]]) -> list[str]:
        del checkout
        return [f"{one} is not there" for one in sorted(self.held(resources) - {*self.made()})]


class CloudWithCluster(RealControlPlane):
    """A cloud and the API server of its one cluster. What is in the cluster is there as long as the cluster is."""

    def __init__(self, plane: ControlPlane, around: StandInCloud, reached: ManagedCluster, cluster: str) -> None:
        super().__init__(plane, around.version)
        self.around, self.cloud, self.made, self.held = around, around.cloud, around.made, around.held
        self._reached, self._cluster = reached, cluster
        self._empty = self._objects()

    def prepare(self, checkout: Checkout) -> None:
        """A Pulumi home with both plugins, and a program that gives tokens."""
        commands = checkout.folder / "commands"
        self.around.prepare_home(checkout, commands)
        file, settles = checkout.folder / SETTLES[0], SETTLES[1]
        assert settles in file.read_text()
        file.write_text(file.read_text().replace(settles, "SETTLE_SECONDS = 1"))
        self._reached.command_line(commands, self.plane.kubeconfig, self._cluster)
        checkout.more_environment |= {
            managed_cluster.KUBECONFIG: str(self.plane.kubeconfig),
            "KUBECONFIG": str(checkout.folder / "no-kubeconfig"),
            "PATH": path_without_our_tools(),
        }

    def things(self, checkout: Checkout) -> set[str]:
        found = self.made()
        if any(thing["type"] == self._reached.token for thing in found.values()):
            return {*found, *super().things(checkout)}
        return {*found}

    def renew(self) -> None:
        """The next cluster is a new one, with nothing in it of the one that has gone."""
        for kind, namespace, name in self._objects() - self._empty:
            self.client.delete(*kind, name, namespace)
        eventually(lambda: self._objects() <= self._empty, lambda: f"gone: {self._objects() - self._empty}")

    def _objects(self) -> set[tuple[tuple[str, str], str, str]]:
        """By kind, namespace and name; not what the cluster makes by itself."""
        return {
            ((kind.api_version, kind.name), one["metadata"].get("namespace", ""), one["metadata"]["name"])
            for kind in self.client.kinds()
            if kind.name not in (*OWN_KINDS, *MADE_BY_CONTROLLERS)
            for one in self.client.request("GET", kind.path(None))["items"]
        }

    def wrong(self, checkout: Checkout, resources: list[dict[str, Any]]) -> list[str]:
        return [*self.around.wrong(checkout, resources), *super().wrong(checkout, resources)]
