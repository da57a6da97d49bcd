"""What becomes of creations that a killed pulumi has left open in the state."""

from typing import Any

import pytest

from tools.stack.pending import settled

PREFIX = "urn:pulumi:s::slipway::"


def _resource(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"urn": f"{PREFIX}{kind}::{name}", "type": kind, "custom": True, **fields}


def _object(name: str, logical: str = "a", **fields: Any) -> dict[str, Any]:
    inputs = {"metadata": {"name": name, "namespace": "slipway"}}
    return _resource("kubernetes:core/v1:ConfigMap", logical, inputs=inputs, **fields)


def _open(kind: str, *resources: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": kind, "resource": one} for one in resources]


@pytest.mark.parametrize(
    ("metadata", "identity"),
    [({"name": "a", "namespace": "slipway"}, "slipway/a"), ({"name": "slipway"}, "slipway")],
)
def test_an_object_with_a_name_is_entered_as_created(metadata: dict[str, str], identity: str) -> None:
    one = _resource("kubernetes:core/v1:ConfigMap", "a", inputs={"metadata": metadata})
    deployment = {"resources": [], "pending_operations": _open("creating", one)}
    assert settled(deployment) == ([one["urn"]], [])
    assert deployment == {"resources": [one | {"id": identity, "outputs": one["inputs"]}]}


def test_what_has_no_name_of_its_own_is_dropped() -> None:
    key = _resource("pulumi-python:dynamic/slipway:ClientKey", "a", inputs={"metadata": {"name": "a"}})
    nameless = _resource("kubernetes:core/v1:ConfigMap", "b", inputs={"metadata": {"generateName": "b-"}})
    deployment: dict[str, Any] = {"pending_operations": _open("creating", key, nameless)}
    assert settled(deployment) == ([], [key["urn"], nameless["urn"]])
    assert deployment == {"resources": []}


def test_what_it_was_to_replace_is_deleted_by_the_next_up() -> None:
    old, new = _object("old", id="slipway/old"), _object("new")
    deployment = {"resources": [old], "pending_operations": _open("creating", new)}
    settled(deployment)
    assert [(one["id"], one.get("delete")) for one in deployment["resources"]] == [
        ("slipway/old", True),
        ("slipway/new", None),
    ]


def test_what_is_in_the_state_already_is_not_entered_again() -> None:
    one = _object("a", id="slipway/a")
    deployment = {"resources": [one], "pending_operations": _open("creating", _object("a")) + _open("updating", one)}
    settled(deployment)
    assert deployment == {"resources": [one]}
