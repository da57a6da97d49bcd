"""The controllers of others' custom resources that a program waits for, as little as that takes: one condition each.

cert-manager issues a Certificate, a cloud gives a claim its volume, a gateway's implementation programs a Gateway, EKS
looks at classes and pools of machines. None of them runs here: a thread says that they have done it, a moment after the
object is there.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

from tests.cluster.client import Client, NoSuchKind, Refused

POLL_SECONDS = 0.5
CONDITIONS = (
    ("cert-manager.io/v1", "Certificate", "Ready"),
    ("gateway.networking.k8s.io/v1", "Gateway", "Programmed"),
    ("eks.amazonaws.com/v1", "NodeClass", "Ready"),
    ("karpenter.sh/v1", "NodePool", "Ready"),
)
# Whose claims get a volume.
PROVISIONERS = ("efs.csi.aws.com", "pd.csi.storage.gke.io")


class Controllers:
    """Runs between `with` and its end."""

    def __init__(self, client: Client) -> None:
        self._client, self._stop = client, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Controllers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            for version, kind, condition in CONDITIONS:
                # An object may be deleted, or changed by somebody else, meanwhile; the cluster may not know the kind.
                with suppress(Refused, NoSuchKind, OSError):
                    for one in self._client.list(version, kind):
                        self._say(version, kind, one, condition)
            with suppress(Refused, NoSuchKind, OSError):
                self._give_volumes()

    def _say(self, version: str, kind: str, one: dict[str, Any], condition: str) -> None:
        found = {entry["type"]: entry["status"] for entry in one.get("status", {}).get("conditions") or []}
        if found.get(condition) == "True":
            return
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        entry = {"type": condition, "status": "True", "reason": "Tests", "message": "", "lastTransitionTime": now}
        name, namespace = one["metadata"]["name"], one["metadata"].get("namespace", "")
        self._client.patch_status(version, kind, name, {"conditions": [entry]}, namespace)

    def _give_volumes(self) -> None:
        classes = {
            one["metadata"]["name"]: one["provisioner"]
            for one in self._client.list("storage.k8s.io/v1", "StorageClass")
            if one["provisioner"] in PROVISIONERS
        }
        for claim in self._client.list("v1", "PersistentVolumeClaim") if classes else ():
            spec, metadata = claim["spec"], claim["metadata"]
            if spec.get("storageClassName") in classes and not spec.get("volumeName"):
                claimed = {"namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}
                volume = {
                    "accessModes": spec["accessModes"],
                    "capacity": spec["resources"]["requests"],
                    "storageClassName": spec["storageClassName"],
                    "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claimed},
                    "csi": {"driver": classes[spec["storageClassName"]], "volumeHandle": metadata["uid"]},
                }
                name = {"name": f"pvc-{metadata['uid']}"}
                self._client.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": name, "spec": volume})
