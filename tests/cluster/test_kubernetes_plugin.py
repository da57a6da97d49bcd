"""A small program's life with the real CLI and the plugin on a real API server: preview, up, change, drift, destroy."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.client import Client
from tests.cluster.conftest import discard
from tests.cluster.plugin_objects import BREAK
from tests.cluster.pulumi_project import Project

PROGRAM = (Path(__file__).parent / "programs" / "small.py").read_text()
SECRET = "a-canary-that-no-state-may-show"

pytestmark = pytest.mark.timeout(400)


def objects(cluster: Client) -> set[tuple[str, str, str]]:
    """Everything in the cluster but what the cluster writes about itself."""
    found: set[tuple[str, str, str]] = set()
    for kind in cluster.kinds():
        if kind.name in ("Event", "Lease", "APIService", "ComponentStatus"):
            continue
        for one in cluster.request("GET", kind.path(None))["items"]:
            found.add((kind.name, one["metadata"].get("namespace", ""), one["metadata"]["name"]))
    return found


@pytest.fixture
def stack(project: Project, cluster: Client) -> Iterator[Project]:
    """The small program; what it has made is discarded whatever happened."""
    project.write(PROGRAM)
    yield project
    for namespace in cluster.list("v1", "Namespace", labels="app.kubernetes.io/managed-by=pulumi"):
        discard(cluster, namespace["metadata"]["name"])


def test_a_life(stack: Project, cluster: Client) -> None:
    before = objects(cluster)
    stack.configure(greeting="hello", secret=SECRET)

    printed = stack.preview()
    assert "+ 7 to create" in printed
    assert not objects(cluster) - before

    assert "+ 7 created" in stack.up()
    namespace = stack.outputs()["namespace"]
    assert namespace.startswith("small-")
    live = cluster.get("apps/v1", "Deployment", "gateway", namespace)
    assert live is not None
    assert live["status"]["availableReplicas"] == 3  # it was waited for
    assert live["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "pulumi"
    assert stack.outputs()["available"] == 3
    for written in (SECRET, base64.b64encode(SECRET.encode()).decode()):  # as it was given, and as the server keeps it
        assert written not in stack.state()

    assert "7 unchanged" in stack.up("--expect-no-changes")

    stack.configure(greeting="good day", secret=SECRET, replicas=4)
    printed = stack.preview()
    assert "~ 2 to update" in printed
    assert "greeting" in printed
    assert "replicas" in printed
    printed = stack.up()
    assert "~ 2 updated" in printed
    changed = cluster.get("v1", "ConfigMap", "gateway", namespace)
    assert changed is not None
    assert changed["data"] == {"greeting": "good day"}
    assert stack.outputs()["available"] == 4

    # What others did, and nothing else, is drift; a label that the program does not set is theirs.
    cluster.patch("v1", "ConfigMap", "gateway", {"data": {"greeting": "boo"}}, namespace)
    cluster.patch("apps/v1", "Deployment", "gateway", {"metadata": {"labels": {"theirs": "yes"}}}, namespace)
    cluster.delete("policy/v1", "PodDisruptionBudget", "gateway", namespace)
    printed = stack.run("refresh", "--preview-only", "--diff")
    assert "~ 1 to update" in printed
    assert "- 1 to delete" in printed
    assert "boo" in printed
    stack.refresh()
    printed = stack.up()
    assert "+ 1 created" in printed
    assert "~ 1 updated" in printed
    repaired = cluster.get("v1", "ConfigMap", "gateway", namespace)
    assert repaired is not None
    assert repaired["data"] == {"greeting": "good day"}
    assert cluster.get("policy/v1", "PodDisruptionBudget", "gateway", namespace)
    assert "theirs" in (cluster.get("apps/v1", "Deployment", "gateway", namespace) or {})["metadata"]["labels"]

    assert "- 7 deleted" in stack.destroy()
    assert not objects(cluster) - before


def test_what_is_refused_is_told_in_one_message(stack: Project, cluster: Client) -> None:
    stack.configure(greeting="hello", secret=SECRET)
    stack.up()
    namespace = stack.outputs()["namespace"]
    stack.configure(greeting="hello", secret=SECRET, too_many_rights=True)
    for printed in (stack.preview(check=False), stack.up(check=False)):
        assert f"the API server refused Pod {namespace}/rights: " in printed
        assert 'violates PodSecurity "restricted' in printed
        assert "Traceback" not in printed
    assert cluster.get("v1", "Pod", "rights", namespace) is None


def test_a_deployment_whose_pods_are_refused_is_kept_and_told(stack: Project, cluster: Client) -> None:
    stack.configure(greeting="hello", secret=SECRET, non_root=False, seconds=6)
    printed = stack.up(check=False)
    assert "0 of 3 replicas are of the new version" in printed
    assert "runAsNonRoot != true" in printed
    assert "Traceback" not in printed
    stack.configure(greeting="hello", secret=SECRET)
    assert "~ 1 updated" in stack.up()  # it was in the state, so it is changed and not made again


def test_a_selector_is_replaced_and_a_map_too_unless_the_provider_may_change_it(stack: Project) -> None:
    stack.configure(greeting="hello", secret=SECRET)
    stack.up()
    stack.configure(greeting="hello", secret=SECRET, label="other")
    printed = stack.up()
    assert "+-1 replaced" in printed
    stack.configure(greeting="good day", secret=SECRET, label="other", mutable=False)
    printed = stack.preview()
    assert "+-1 to replace" in printed


def test_an_object_of_somebody_else_is_not_taken(stack: Project, cluster: Client, namespace: str) -> None:
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "theirs", "namespace": namespace},
            "data": {"of": "others"},
        }
    )
    stack.configure(greeting="hello", secret=SECRET, taken=namespace)
    printed = stack.up(check=False)
    assert f"ConfigMap {namespace}/theirs already exists in the cluster" in printed
    theirs = cluster.get("v1", "ConfigMap", "theirs", namespace)
    assert theirs is not None
    assert theirs["data"] == {"of": "others"}


def test_a_kind_without_definition_is_named(stack: Project) -> None:
    stack.configure(greeting="hello", secret=SECRET, unknown_kind=True)
    printed = stack.up(check=False)
    assert "NodePool" in printed
    assert "its custom resource definition is missing" in printed
    assert "Traceback" not in printed


def test_a_failure_at_every_create_in_turn_leaves_a_state_that_is_true(
    stack: Project, cluster: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run creates one object and fails at the next, so every k is met; no run creates one twice."""
    before = objects(cluster)
    stack.configure(greeting="hello", secret=SECRET)
    monkeypatch.setenv(BREAK, "1")
    stack.up("--parallel=1", check=False)
    assert not objects(cluster) - before
    monkeypatch.setenv(BREAK, "2")
    for created in range(1, 5):
        printed = stack.up("--parallel=1", check=False)
        assert f"as {BREAK} says" in printed
        assert "+ 1 created" in printed
        resources = json.loads(stack.state())["checkpoint"]["latest"]["resources"]
        held = {(one["inputs"]["kind"], one["id"]) for one in resources if one["type"].startswith("kubernetes:")}
        made = {(kind, f"{namespace}/{name}".strip("/")) for kind, namespace, name in objects(cluster) - before}
        assert held <= made
        assert len(held) == created
        # Every namespace has the first two; a Deployment, which may come early or late, makes the others itself.
        of_others = {"ConfigMap", "ServiceAccount"} | ({"ReplicaSet", "Pod"} if _has_deployment(held) else set())
        assert {kind for kind, _ in made - held} <= of_others
    assert "+ 1 created" in stack.up()
    assert "7 unchanged" in stack.up("--expect-no-changes")


def _has_deployment(held: set[tuple[str, str]]) -> bool:
    return any(kind == "Deployment" for kind, _ in held)
