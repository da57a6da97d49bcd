"""A pod's volumes as folders: ConfigMaps, Secrets and tokens kept current, disks, claims and images.

A folder with files of objects is replaced at once, as the kubelet does it: files are links through `..data`, which is
one link to a folder with all of them.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.cluster.client import Client

Object = Mapping[str, Any]
DATA = "..data"
DEFAULT_MODE = 0o644


class NotThere(Exception):
    """An object that the pod needs is not in the cluster, or not yet."""


class PodVolumes:
    """`folder` is the pod's own, `claims` holds what outlives it, `images` says where an image's files are."""

    def __init__(self, client: Client, pod: Object, folder: Path, claims: Path, images: Mapping[str, str]) -> None:
        self._client, self._pod, self._folder, self._claims, self._images = client, pod, folder, claims, images
        self._group = pod["spec"].get("securityContext", {}).get("fsGroup", 0)
        self._token: tuple[str, str] | None = None
        self._written: dict[str, dict[str, tuple[bytes, int]]] = {}
        self.paths: dict[str, Path] = {}

    def make(self) -> None:
        """All of them. Raises NotThere."""
        for volume in self._pod["spec"].get("volumes") or []:
            self.paths[volume["name"]] = self._make(volume)

    def follow(self) -> None:
        """Takes over what has changed in ConfigMaps and Secrets; one that has gone is left as it was."""
        for volume in self._pod["spec"].get("volumes") or []:
            if {"configMap", "secret", "projected"} & volume.keys():
                self._write(volume["name"], self._files(volume))

    def sub_path(self, volume: str, path: str) -> Path:
        """A folder (or a file that is there) inside a volume, made where it is missing."""
        found = self.paths[volume] / path
        if not found.exists():
            self._own(found)
        return found

    def _make(self, volume: Object) -> Path:
        name = volume["name"]
        if claim := volume.get("persistentVolumeClaim"):
            live = self._client.get(
                "v1", "PersistentVolumeClaim", claim["claimName"], self._pod["metadata"]["namespace"]
            )
            if live is None or live.get("status", {}).get("phase") != "Bound":
                raise NotThere(f"the claim {claim['claimName']} is not bound")
            return self._own(self._claims / live["metadata"]["uid"])
        if image := volume.get("image"):
            return Path(self._images[image["reference"]])
        if "emptyDir" in volume:
            return self._own(self._folder / name)
        self._write(name, self._files(volume))
        return self._folder / name

    def _own(self, path: Path) -> Path:
        path.mkdir(parents=True, exist_ok=True)
        os.chown(path, 0, self._group)
        path.chmod(0o2777)
        return path

    # -- files of objects ------------------------------------------------------------------------------------------

    def _files(self, volume: Object) -> dict[str, tuple[bytes, int]]:
        projected = volume.get("projected")
        sources = projected["sources"] if projected else [volume]
        mode = (projected or volume.get("secret") or volume.get("configMap")).get("defaultMode", DEFAULT_MODE)
        return {path: (content, mode) for source in sources for path, content in self._source(source)}

    def _source(self, source: Object) -> Iterator[tuple[str, bytes]]:
        if "configMap" in source:
            yield from self._entries("ConfigMap", source["configMap"].get("name"), source["configMap"])
        if "secret" in source:
            named = source["secret"].get("secretName") or source["secret"].get("name")
            yield from self._entries("Secret", named, source["secret"])
        if "downwardAPI" in source:
            for item in source["downwardAPI"]["items"]:
                yield item["path"], field(self._pod, item["fieldRef"]["fieldPath"]).encode()
        if "serviceAccountToken" in source:
            yield source["serviceAccountToken"]["path"], self._account(source["serviceAccountToken"]).encode()

    def _entries(self, kind: str, name: str, wanted: Object) -> Iterator[tuple[str, bytes]]:
        live = self._client.get("v1", kind, name, self._pod["metadata"]["namespace"])
        if live is None:
            if wanted.get("optional"):
                return
            raise NotThere(f"there is no {kind} {name}")
        data = live.get("data") or {}
        content = {key: base64.b64decode(text) if kind == "Secret" else text.encode() for key, text in data.items()}
        for item in wanted.get("items") or [{"key": key, "path": key} for key in content]:
            if item["key"] not in content:
                raise NotThere(f"{kind} {name} has no {item['key']}")
            yield item["path"], content[item["key"]]

    def _account(self, wanted: Object) -> str:
        if self._token is None:
            metadata, spec = self._pod["metadata"], self._pod["spec"]
            path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{spec['serviceAccountName']}/token"
            bound = {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]}
            request = {"expirationSeconds": wanted["expirationSeconds"], "boundObjectRef": bound}
            body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": request}
            self._token = ("token", self._client.request("POST", path, body)["status"]["token"])
        return self._token[1]

    def _write(self, name: str, files: dict[str, tuple[bytes, int]]) -> None:
        if self._written.get(name) == files:
            return
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        before = os.readlink(folder / DATA) if (folder / DATA).is_symlink() else None
        version = folder / f"..{len(list(folder.iterdir()))}_{os.urandom(4).hex()}"
        for path, (content, mode) in files.items():
            target = version / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            os.chown(target, 0, self._group)
            target.chmod(mode)
        version.mkdir(exist_ok=True)
        (folder / "..data_tmp").symlink_to(version.name)
        (folder / "..data_tmp").replace(folder / DATA)
        tops = {path.split("/")[0] for path in files}
        for top in tops:
            if not (folder / top).is_symlink():
                (folder / top).symlink_to(f"{DATA}/{top}")
        for there in folder.iterdir():
            if not there.name.startswith("..") and there.name not in tops:
                there.unlink()
        if before:
            shutil.rmtree(folder / before)
        self._written[name] = files


def field(pod: Object, path: str) -> str:
    """A field of a pod as `fieldRef` names it: `metadata.name`, `metadata.labels['a']`, `status.podIP`."""
    if path.startswith(("metadata.labels['", "metadata.annotations['")):
        of, _, key = path.removesuffix("']").partition("['")
        return pod["metadata"].get(of.split(".")[1], {}).get(key, "")
    at: Any = pod
    for part in path.split("."):
        at = at.get(part, {})
    return at if isinstance(at, str) else json.dumps(at)
