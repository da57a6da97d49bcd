"""Which change is one, which replaces an object, and what counts as drift: the pure part of the plugin."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster import differences
from tests.cluster.differences import Path

MUTABLE = frozenset[str]()


def test_changes_are_the_deepest_paths() -> None:
    before = {"spec": {"replicas": 1, "list": [{"a": 1}, 2]}, "gone": 1}
    after = {"spec": {"replicas": 2, "list": [{"a": 3}]}, "come": None}
    assert list(differences.changes(before, after)) == [
        (("come",), "add"),
        (("gone",), "delete"),
        (("spec", "list", 0, "a"), "update"),
        (("spec", "list", 1), "delete"),
        (("spec", "replicas"), "update"),
    ]


@pytest.mark.parametrize(
    ("of", "path", "mutable", "replaced"),
    [
        ("v1 ConfigMap", ("data", "a"), MUTABLE, True),
        ("v1 ConfigMap", ("data", "a"), frozenset({"ConfigMap"}), False),
        ("v1 Secret", ("stringData", "a"), frozenset({"ConfigMap"}), True),
        ("v1 ConfigMap", ("metadata", "labels", "a"), MUTABLE, False),
        ("v1 ConfigMap", ("metadata", "name"), frozenset({"ConfigMap"}), True),
        ("apps/v1 Deployment", ("spec", "selector", "matchLabels", "a"), MUTABLE, True),
        ("apps/v1 Deployment", ("spec", "template"), MUTABLE, False),
        ("batch/v1 Job", ("spec", "template", "spec"), MUTABLE, True),
        ("rbac.authorization.k8s.io/v1 RoleBinding", ("roleRef", "name"), MUTABLE, True),
        ("keda.sh/v1alpha1 ScaledObject", ("metadata", "namespace"), MUTABLE, True),
    ],
)
def test_what_replaces(of: str, path: Path, mutable: frozenset[str], replaced: bool) -> None:
    api_version, kind = of.split()
    assert differences.replaces({"apiVersion": api_version, "kind": kind}, path, mutable) is replaced


def test_an_immutable_object_is_replaced_whatever_the_provider_may_change() -> None:
    inputs = {"apiVersion": "v1", "kind": "Secret", "immutable": True}
    assert differences.replaces(inputs, ("data", "a"), frozenset({"Secret"}))


def test_paths_are_written_as_pulumi_writes_them() -> None:
    assert differences.written(("metadata", "labels", "a/b", 0, "c")) == 'metadata.labels["a/b"][0].c'


def live(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"uid": "1", "labels": {"a": "b"}}, "spec": spec, "status": {"phase": "x"}}


def test_what_the_server_writes_in_another_way_is_no_drift() -> None:
    inputs = {"metadata": {"name": "n", "labels": {"a": "b"}}, "spec": {"cpu": "1000m"}}
    same = live(cpu="1", filled_in=True)
    assert differences.drifted(inputs, same, same) == inputs


def test_drift_is_where_applying_again_would_change_something() -> None:
    inputs = {"metadata": {"name": "n", "labels": {"a": "b"}}, "spec": {"cpu": "1000m", "list": [{"a": 1}, {"a": 2}]}}
    found = live(cpu="1", list=[{"a": 1, "default": 0}, {"a": 5}])
    applied = live(cpu="1", list=[{"a": 1, "default": 0}, {"a": 2}])
    drifted = differences.drifted(inputs, found, applied)
    assert drifted == inputs | {"spec": {"cpu": "1000m", "list": [{"a": 1}, {"a": 5}]}}


def test_what_was_taken_away_and_what_was_added_to_a_list() -> None:
    inputs = {"metadata": {"name": "n"}, "spec": {"a": 1, "list": [1, 2]}}
    drifted = differences.drifted(inputs, live(list=[1, 2, 3]), live(a=1, list=[1, 2]))
    assert drifted["spec"] == {"list": [1, 2, 3]}
