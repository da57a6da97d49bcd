"""Client keys: those set as a secret are used; every other client gets one that is kept in the state, encrypted.

`ClientKeyProvider`'s module path is part of every state that holds a key (stored by reference): it stays.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider


class ClientKeyProvider(ResourceProvider):
    """Makes a key once. 256 random bits: its SHA-256 can be stored without salt, and compared quickly."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(props["client"], {**props, "key": f"slw_{secrets.token_urlsafe(32)}"})


class ClientKey(Resource, module="slipway", name="ClientKey"):
    """The generated key of one client."""

    key: pulumi.Output[str] = cast(Any, None)  # set by Pulumi

    def __init__(self, name: str, *, client: str, opts: pulumi.ResourceOptions) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["key"])
        super().__init__(
            ClientKeyProvider(), name, {"client": client, "key": None}, pulumi.ResourceOptions.merge(opts, secret)
        )


class ClientKeys(pulumi.ComponentResource):
    """One valid key or more for every client. Owns keys; does not decide what a client may do.

    `keys` maps each client to its keys; `hashes` is JSON text that maps each client to the SHA-256 of each key. Both
    are secret, and so is `of_client`: one valid key of each.
    """

    def __init__(
        self,
        name: str,
        *,
        clients: Sequence[str],
        given: Mapping[str, Sequence[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:security:ClientKeys", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        made = {c: ClientKey(f"{name}-{c}", client=c, opts=child).key for c in clients if c not in given}
        everyone: dict[str, Any] = {c: [made[c]] if c in made else list(given[c]) for c in clients}
        self.keys: pulumi.Output[dict[str, list[str]]] = pulumi.Output.secret(_all(everyone))
        self.hashes: pulumi.Output[str] = self.keys.apply(_hashes)
        # Of each client by itself: a new one changes nothing for who has another's.
        self.of_client: dict[str, pulumi.Output[str]] = {c: pulumi.Output.secret(of[0]) for c, of in everyone.items()}
        # Pulumi's own log has outputs as they are, secret or not, from `-v=3` on: they are in the stack's alone.
        self.register_outputs({"clients": sorted(clients)})


def _all(everyone: Mapping[str, Any]) -> pulumi.Output[dict[str, list[str]]]:
    """Of nobody, Pulumi would make a list."""
    return pulumi.Output.all(**everyone) if everyone else pulumi.Output.from_input(dict[str, list[str]]())


def _hashes(keys: Mapping[str, Sequence[str]]) -> str:
    return json.dumps({c: [hashlib.sha256(k.encode()).hexdigest() for k in of] for c, of in sorted(keys.items())})
