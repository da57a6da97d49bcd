"""Where example stacks are deployed in these tests, and everything that is there: nothing may be left over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

from tests.cluster import awaiting
from tests.cluster.client import Client
from tests.cluster.control_plane import ControlPlane
from tests.cluster.plugin_releases import RELEASE, kept_as
from tests.cluster.pulumi_project import install_plugin
from tests.engine.checkout import ROOT, Checkout

# What a cluster writes about itself, in its own time.
OWN_KINDS = ("Event", "Lease", "APIService", "ComponentStatus")
# What its controllers make for others' objects, and take away after them, or not at all (volumes of kwok's).
MADE_BY_CONTROLLERS = (
    "Pod",
    "ReplicaSet",
    "EndpointSlice",
    "Endpoints",
    "ControllerRevision",
    "IPAddress",
    "PersistentVolume",
)
# The name in the kubeconfig that the stack files give.
CONTEXT = "datacentre"


class Place(Protocol):
    """Somewhere to deploy to."""

    def prepare(self, checkout: Checkout) -> None:
        """What a user has there before: plugins, a kubeconfig."""
        ...

    def things(self, checkout: Checkout) -> set[str]:
        """The name of everything that is there."""
        ...

    def wrong(self, checkout: Checkout, resources: list[dict[str, Any]]) -> list[str]:
        """What of the state's resources is not there, or does not work."""
        ...


class ThisMachine:
    """Real processes and the ports that they listen on."""

    def prepare(self, checkout: Checkout) -> None:
        """Nothing: the local platform needs nothing first."""

    def things(self, checkout: Checkout) -> set[str]:
        ports = (checkout.port, checkout.operations_port, checkout.admin_port)
        processes = {f"process {' '.join(process.cmdline())}" for process in checkout.processes()}
        return processes | {f"port {port}" for port in ports if checkout.listening(port)}

    def wrong(self, checkout: Checkout, resources: list[dict[str, Any]]) -> list[str]:
        groups = [one for one in resources if one["type"].endswith("slipway:ProcessGroup")]
        answers = "Paris" in checkout.ask(checkout.key())
        return [f"{one['urn']} does not answer" for one in groups if not answers] or ([] if groups else ["no group"])


class RealControlPlane:
    """A real API server, reached through our plugin."""

    def __init__(self, plane: ControlPlane, plugin_version: str) -> None:
        self.client: Client = plane.client()
        self.plane, self.version = plane, plugin_version

    def prepare(self, checkout: Checkout) -> None:
        """A kubeconfig with the context that the stack names, and a Pulumi home of its own with the plugin in it."""
        kubeconfig = checkout.folder / "kubeconfig.json"
        kubeconfig.write_text(self.plane.kubeconfig.read_text().replace('"name": "tests"', f'"name": "{CONTEXT}"'))
        kubeconfig.write_text(
            kubeconfig.read_text()
            .replace('"current-context": "tests"', f'"current-context": "{CONTEXT}"')
            .replace('"cluster": "tests"', f'"cluster": "{CONTEXT}"')
        )
        tools_with_a_home_of_their_own(checkout.folder / ".tools", self.version)
        checkout.more_environment |= {"KUBECONFIG": str(kubeconfig), "PATH": path_without_our_tools()}

    def things(self, checkout: Checkout) -> set[str]:
        """Every object that somebody has made: those of controllers follow them."""
        return {
            f"{kind.name} {one['metadata'].get('namespace', '')}/{one['metadata']['name']}"
            for kind in self.client.kinds()
            if kind.name not in (*OWN_KINDS, *MADE_BY_CONTROLLERS)
            for one in self.client.request("GET", kind.path(None))["items"]
        }

    def wrong(self, checkout: Checkout, resources: list[dict[str, Any]]) -> list[str]:
        return [told for one in resources if one["type"].startswith("kubernetes:") for told in self._wrong(one)]

    def _wrong(self, resource: dict[str, Any]) -> list[str]:
        namespace, _, name = resource["id"].rpartition("/")
        if resource["type"] == RELEASE:
            kept = self.client.get("v1", "Secret", kept_as(name), namespace)
            return [] if kept else [f"{resource['urn']} is not there"]
        live = self.client.get(resource["inputs"]["apiVersion"], resource["inputs"]["kind"], name, namespace)
        if live is None:
            return [f"{resource['urn']} is not there"]
        why = awaiting.missing(self.client, live)
        return [f"{resource['urn']}: {why}"] if why else []


def path_without_our_tools() -> str:
    """So that a checkout uses its own."""
    ours = str(ROOT / ".tools")
    return os.pathsep.join(entry for entry in os.environ["PATH"].split(os.pathsep) if not entry.startswith(ours))


def tools_with_a_home_of_their_own(tools: Path, version: str, commands: Path | None = None) -> Path:
    """The shared tools, but for Pulumi's home, which is returned: a plugin there would be everybody's."""
    shared = tools.resolve()
    tools.unlink()
    (tools / "pulumi").mkdir(parents=True)
    for entry in shared.iterdir():
        if entry.name != "pulumi":
            (tools / entry.name).symlink_to(entry)
    for entry in (shared / "pulumi").iterdir():
        if entry.name != "home":
            (tools / "pulumi" / entry.name).symlink_to(entry)
    home = tools / "pulumi" / "home"
    install_plugin(home, version, commands)
    return home
