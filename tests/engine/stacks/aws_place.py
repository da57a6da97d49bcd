"""AWS as the example stacks are deployed to it: a cloud in a file, and a real API server as its EKS cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.clouds import eks
from tests.clouds import project as clouds
from tests.clouds.cloud import Cloud
from tests.cluster.control_plane import ControlPlane
from tests.cluster.nodes import GPU_TAINT, Pool
from tests.engine.checkout import ROOT, Checkout
from tests.engine.stacks.places import RealControlPlane, tools_with_a_home_of_their_own

POOL = "slipway/pool"
# Has the name of its stack and site.
CLUSTER = "slipway-prod-main"


def machines(zones: tuple[str, ...]) -> tuple[Pool, Pool]:
    """What Auto Mode would start for the stack's pods."""
    gpu = {**GPU_TAINT, "value": "true"}
    return (
        Pool("gateway", zones, per_zone=2, labels={POOL: "gateway"}),
        Pool("gpu", zones, per_zone=2, gpus=1, labels={POOL: "l40s-1"}, taints=[gpu]),
    )


class StandInAws(RealControlPlane):
    """One region. What is in its cluster is there as long as the cluster is."""

    def __init__(self, plane: ControlPlane, kubernetes_version: str, file: Path, region: str, cluster: str) -> None:
        super().__init__(plane, kubernetes_version)
        self.cloud, self.region = Cloud(file), region
        self.file, self._cluster = file, cluster

    def prepare(self, checkout: Checkout) -> None:
        """A Pulumi home with both plugins, and an `aws` that gives tokens."""
        commands = checkout.folder / "commands"
        home = tools_with_a_home_of_their_own(checkout.folder / ".tools", self.version, commands)
        clouds.install(home, "aws", self.file)
        eks.command_line(commands, self.plane.kubeconfig, self._cluster)
        ours = str(ROOT / ".tools")
        path = [entry for entry in os.environ["PATH"].split(os.pathsep) if not entry.startswith(ours)]
        checkout.more_environment |= {
            eks.KUBECONFIG: str(self.plane.kubeconfig),
            "KUBECONFIG": str(checkout.folder / "no-kubeconfig"),
            "PATH": os.pathsep.join(path),
        }

    def made(self) -> dict[str, dict[str, Any]]:
        """What the region has, by type and id; not the record that several sites own and none takes away."""
        return {
            address: thing
            for address, thing in self.cloud.things().items()
            if thing["place"] == self.region and not thing["inputs"].get("allowOverwrite")
        }

    def things(self, checkout: Checkout) -> set[str]:
        found = self.made()
        if any(thing["type"] == "aws:eks/cluster:Cluster" for thing in found.values()):
            return {*found, *super().things(checkout)}
        return {*found}

    def wrong(self, checkout: Checkout, resources: list[dict[str, Any]]) -> list[str]:
        found = self.made()
        of_aws = [one for one in resources if one["type"].startswith("aws:")]
        missing = [
            f"{one['urn']} is not there"
            for one in of_aws
            if f"{one['type']} {one['id']}" not in found and not one["inputs"].get("allowOverwrite")
        ]
        return [*missing, *super().wrong(checkout, resources)]
