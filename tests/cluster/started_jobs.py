"""A cluster whose jobs somebody starts by a command, and whose kubelet the test is: it says how their pods are."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster.client import eventually
from tests.cluster.control_plane import ControlPlane
from tests.engine.checkout import Checkout
from tests.manifests import ROOT, objects, recorded

NAMESPACE, SITE = "started", "datacentre"
KINDS = ("Namespace", "ServiceAccount", "ConfigMap", "CronJob")
JOB = "trial-chat-facts-by-hand"
NOWHERE = {"tests/nowhere": "true"}


class Started:
    """The stack `onprem` of a checkout of its own, of which only what jobs need is there."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.client, self.folder = plane.client(), folder
        self._checkout = Checkout(folder, "onprem")
        self._kubeconfig = str(plane.kubeconfig)
        self._checkout.change(self._own)
        every = objects(recorded(ROOT / "Pulumi.onprem.yaml", self._own))
        for one in sorted((one for one in every if one["kind"] in KINDS), key=lambda one: KINDS.index(one["kind"])):
            if one["kind"] == "CronJob":
                # No node of another test takes its pods: their kubelet is the test.
                one["spec"]["jobTemplate"]["spec"]["template"]["spec"]["nodeSelector"] = NOWHERE
            self.client.apply(one)

    def _own(self, deployment: dict[str, Any]) -> None:
        platform = deployment["sites"][SITE]["platform"]
        platform |= {"namespace": NAMESPACE, "kubeconfig_path": self._kubeconfig, "context": "tests"}

    def begin(self, *command: str) -> Command:
        """A command of a person, which goes on."""
        return Command(self._checkout, command)

    # -- what is in the cluster ------------------------------------------------------------------------------------

    def job(self, name: str = JOB) -> Any:
        return self.client.get("batch/v1", "Job", name, NAMESPACE)

    def pod(self, job: str = JOB) -> Any:
        """The job's, once its controller has made it."""
        return eventually(lambda: next(iter(self.client.pods(NAMESPACE, f"job-name={job}")), None), f"a pod of {job}")

    def says(self, pod: Any, state: Mapping[str, Any], phase: str, container: str = "trial") -> None:
        """As a kubelet would."""
        status = {"name": container, "image": "x", "imageID": "x", "ready": False, "restartCount": 0, "state": state}
        shown = {"phase": phase, "containerStatuses": [status]}
        self.client.patch_status("v1", "Pod", pod["metadata"]["name"], shown, NAMESPACE)

    def runs(self, job: str = JOB, container: str = "trial") -> Any:
        pod = self.pod(job)
        self.says(pod, {"running": {"startedAt": "2026-11-26T12:00:00Z"}}, "Running", container)
        return pod

    def ends(self, pod: Any, code: int, message: str, container: str = "trial") -> None:
        over = {"exitCode": code, "message": message, "reason": "Error" if code else "Completed"}
        self.says(pod, {"terminated": over}, "Failed" if code else "Succeeded", container)

    def records(self, name: str) -> list[Any]:
        found = sorted((self.folder / ".slipway" / "records" / "onprem" / name).glob("*.json"))
        return [json.loads(file.read_text()) for file in found]


class Command:
    """One that runs, with what it has said so far."""

    def __init__(self, checkout: Checkout, command: tuple[str, ...]) -> None:
        self._file = tempfile.NamedTemporaryFile("w+b")  # noqa: SIM115 - as long as the command
        self.process = subprocess.Popen(
            command,
            cwd=checkout.folder,
            env=checkout.environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
        )

    @property
    def said(self) -> str:
        return Path(self._file.name).read_text()

    def saying(self, text: str) -> None:
        """Waits for it."""
        eventually(lambda: text in self.said, lambda: f"`{text}` in:\n{self.said}", within=120)

    def ended(self) -> tuple[int, str]:
        """Its status, and all that it said."""
        status = self.process.wait(180)
        return status, self.said
