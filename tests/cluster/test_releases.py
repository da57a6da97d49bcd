"""The judge on a real API server: it may change its one object and no other, and no `up` or `refresh` undoes it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from serving.release.state import ReleaseState, decoded
from serving.release.stores import ConfigMapStore, Unkept
from tests.cluster.client import Client
from tests.cluster.control_plane import ControlPlane
from tests.cluster.pulumi_project import Project

PROGRAM = (Path(__file__).parent / "programs" / "releases.py").read_text()
NAME = "gateway-released"
PROMOTED = {"chat": ReleaseState(release="next", step=1, percent=10)}

pytestmark = pytest.mark.timeout(400)


def account(folder: Path, cluster: Client, plane: ControlPlane, namespace: str) -> Path:
    """What the judge's pod has mounted: a token of its account, the server's authority and the namespace."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/release/token"
    spec = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    token: Any = cluster.request("POST", path, spec)
    kubeconfig = json.loads(plane.kubeconfig.read_text())
    authority = base64.b64decode(kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"])
    (folder / "token").write_text(token["status"]["token"])
    (folder / "ca.crt").write_bytes(authority)
    (folder / "namespace").write_text(namespace)
    return folder


def test_no_deployment_undoes_a_promotion_and_the_judge_may_do_nothing_else(
    project: Project, cluster: Client, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    project.write(PROGRAM)
    project.configure(note="first", namespace=namespace)
    project.up()
    mounted = account(tmp_path, cluster, control_plane, namespace)
    store = ConfigMapStore(NAME, mounted, control_plane.server)
    assert store.change(lambda states: states) == {}, "it begins empty"
    store.change(lambda _: PROMOTED)

    def live() -> Any:
        found = cluster.get("v1", "ConfigMap", NAME, namespace)
        assert found is not None
        return found

    def kept() -> bool:
        return decoded(live()["data"]["released.json"]) == PROMOTED

    assert kept()
    project.up("--expect-no-changes")
    assert kept()
    # The state of Pulumi learns of it, and something else changes: the promotion stays.
    project.refresh()
    project.configure(note="second", namespace=namespace)
    assert "~ 1 updated" in project.up()
    assert kept()
    project.up("--refresh", "--expect-no-changes")
    assert kept()

    # Whoever wrote meanwhile is not written over.
    def meanwhile(states: dict[str, ReleaseState]) -> dict[str, ReleaseState]:
        cluster.patch("v1", "ConfigMap", NAME, {"data": {"theirs": "yes"}}, namespace)
        return {**states, "other": ReleaseState(release="x")}

    with pytest.raises(Unkept, match="409"):
        store.change(meanwhile)
    assert kept()
    with pytest.raises(Unkept, match="403"):
        ConfigMapStore("gateway", mounted, control_plane.server).change(lambda states: states)
    assert cluster.delete("v1", "ConfigMap", NAME, namespace)
    with pytest.raises(Unkept, match="404"):
        store.change(lambda _: PROMOTED)
    project.destroy()
