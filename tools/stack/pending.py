"""What a killed pulumi was just creating: taken into the state where its name says which object it is, else dropped.

Pulumi does not know whether such a resource exists, and does not ask: `--clear-pending-creates` forgets it, and the
next `up` meets an object that is "not this stack's"; `--import-pending-creates` forgets it too (seen with 3.259). A
Kubernetes object is known by namespace and name, which were chosen before it was created. So it is entered as created:
the refresh that follows finds it, or finds that it is not there and takes it out.
"""

import json
from typing import Any

from tools.checkout import LOCAL, private_folder, write_private
from tools.stack.engine import Engine

_FILE = LOCAL / "state-without-open-questions.json"

Resource = dict[str, Any]


def settle(engine: Engine, stack: str) -> tuple[list[str], list[str]]:
    """Answer every open question of the stack's state. Returns the URNs taken in, and those dropped."""
    exported = engine.ask("stack", "export", "--stack", stack)
    deployment = exported.get("deployment") or {}
    known, unknown = settled(deployment)
    if known or unknown:
        private_folder(LOCAL)
        write_private(_FILE, json.dumps(exported))
        try:
            engine.run("stack", "import", "--file", str(_FILE), "--stack", stack, where=f"the state of stack {stack}")
        finally:
            _FILE.unlink(missing_ok=True)
    return known, unknown


def settled(deployment: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The same for a deployment as it is exported, which is changed."""
    known: list[str] = []
    unknown: list[str] = []
    resources: list[Resource] = deployment.setdefault("resources", [])
    for operation in deployment.pop("pending_operations", None) or []:
        if operation["type"] != "creating":
            continue  # whatever else was under way is in the state already: the refresh sees what became of it
        resource = operation["resource"]
        identity = _identity(resource)
        if identity is None:
            unknown.append(resource["urn"])
            continue
        known.append(resource["urn"])
        before = [one for one in resources if one["urn"] == resource["urn"] and not one.get("delete")]
        if any(one.get("id") == identity for one in before):
            continue
        for one in before:  # what it was to replace: the next `up` deletes it, as this one would have
            one["delete"] = True
        resources.append(resource | {"id": identity, "outputs": resource.get("inputs") or {}})
    return known, unknown


def _identity(resource: Resource) -> str | None:
    """The provider's id of an object of Kubernetes: namespace and name, as pulumi-kubernetes writes it."""
    if not str(resource["type"]).startswith("kubernetes:"):
        return None
    metadata = (resource.get("inputs") or {}).get("metadata") or {}
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not isinstance(name, str):
        return None
    return f"{namespace}/{name}" if namespace else name
