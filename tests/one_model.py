"""What serves alone of the stack `onprem`: tests of anything else begin with it."""

from __future__ import annotations

from typing import Any


def one_model(deployment: dict[str, Any]) -> None:
    """Leaves a model of which nothing is made, and which nothing is to replace."""
    deployment["models"].pop("chat-next", None)
    deployment["clients"]["web"]["models"] = ["chat"]
    for field in ("optimisation", "refresh", "release"):
        deployment["models"]["chat"].pop(field, None)
