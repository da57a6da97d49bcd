"""The Pulumi resource behind a site on this machine: create, update, read and delete one process group.

This module's path is part of every state that holds such a resource (the provider is stored by reference): it stays.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any, ClassVar, cast

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from infra.platforms.local import generations
from infra.platforms.local.generations import Group

# A refusal is a message for the user; the transport would print a stack trace beside it.
logging.getLogger("grpc").setLevel(logging.CRITICAL)


class ProcessGroupProvider(ResourceProvider):
    """Translates between Pulumi's verbs and generations; decides only which of the two ways of updating is needed."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        group = _group(props)
        generation = generations.start(group)
        return CreateResult(group.specification["name"], {**props, "generation": generation.folder.name})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        inputs = ("specification", "key_hashes", "huggingface_token", "gateway_secrets", "release", "directory")
        changed = [name for name in inputs if _olds.get(name) != _news.get(name)]
        replaces = [name for name in changed if name == "directory"]
        return DiffResult(changes=bool(changed), replaces=replaces, delete_before_replace=True)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        group = _group(_news)
        if _without_gateway_config(_olds) == _without_gateway_config(_news):
            generations.reload(group)
            return UpdateResult({**_news, "generation": _olds.get("generation")})
        return UpdateResult({**_news, "generation": generations.start(group).folder.name})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        current = generations.running(Path(props["directory"]))
        if current is None:
            return ReadResult("", {})
        return ReadResult(id_, {**props, "generation": current.folder.name})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        generations.stop(Path(_props["directory"]), int(_props["grace_seconds"]))


class ProcessGroup(Resource, module="slipway", name="ProcessGroup"):
    """One process group on this machine: a launcher with its engines and gateway."""

    generation: pulumi.Output[str] = cast(Any, None)  # set by Pulumi

    _secret: ClassVar[tuple[str, ...]] = ("key_hashes", "huggingface_token", "gateway_secrets")

    def __init__(
        self,
        name: str,
        *,
        specification: str,
        key_hashes: pulumi.Input[str],
        huggingface_token: pulumi.Input[str],
        gateway_secrets: pulumi.Input[str],
        release: str,
        directory: str,
        root: str,
        start_seconds: int,
        grace_seconds: int,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """`specification`, `key_hashes`, `gateway_secrets` are JSON texts: Pulumi makes whole numbers floats."""
        margin = pulumi.CustomTimeouts(create=f"{start_seconds + 60}s", update=f"{start_seconds + 60}s")
        margin.delete = f"{grace_seconds + 60}s"
        super().__init__(
            ProcessGroupProvider(),
            name,
            {
                "specification": specification,
                "key_hashes": key_hashes,
                "huggingface_token": huggingface_token,
                "gateway_secrets": gateway_secrets,
                "release": release,
                "directory": directory,
                "root": root,
                "start_seconds": start_seconds,
                "grace_seconds": grace_seconds,
                "generation": None,
            },
            pulumi.ResourceOptions.merge(
                opts,
                pulumi.ResourceOptions(additional_secret_outputs=list(self._secret), custom_timeouts=margin),
            ),
        )


def _group(props: dict[str, Any]) -> Group:
    specification = json.loads(props["specification"])
    for client, hashes in json.loads(props["key_hashes"]).items():
        _give_keys(specification["gateway"]["config"]["clients"][client], hashes)
    return Group(
        directory=Path(props["directory"]),
        root=Path(props["root"]),
        python=Path(sys.executable),
        specification=specification,
        huggingface_token=props["huggingface_token"],
        gateway_secrets=json.loads(props["gateway_secrets"]),
        start_seconds=int(props["start_seconds"]),
        grace_seconds=int(props["grace_seconds"]),
    )


def _give_keys(client: dict[str, Any], hashes: list[str]) -> None:
    """Every key that the client has; with its end, where the plan has left a place for that."""
    places = client.get("keys")
    if places:
        client["keys"] = [{**places[0], "sha256": known} for known in hashes]
    else:
        client["key_sha256"] = hashes


def _without_gateway_config(props: dict[str, Any]) -> tuple[Any, ...]:
    """Everything that only a new generation can change."""
    specification = json.loads(props["specification"])
    specification["gateway"].pop("config")
    return specification, props["release"], props["huggingface_token"]
