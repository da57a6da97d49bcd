"""Refresh `lora`: the model is taught conversations of yours, by low-rank adapters that become part of its weights.

Where data may not leave its site, each site learns its own, and only adapters are averaged (`federated`): by processes
here, and by stacks on other machines (`joins`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from infra.making.base import MakingRequest
from infra.making.federated import (
    AVERAGED,
    ElsewhereSettings,
    JoinsSettings,
    RoundsSettings,
    averaged,
    federated_problems,
    learned_elsewhere,
)
from infra.making.gguf import file_of
from infra.making.teaching import TeachingSettings, holds, parameters, tuning
from infra.plan.making_types import MakingWork
from infra.problems import Problem
from infra.settings import Name

# Below a checkout, and nowhere else.
DataPath = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$", max_length=512),
    Field(json_schema_extra={"x-remedy": "write a path below the checkout, such as `data/answers.jsonl`"}),
]
TOOL = "LoRA by peft (tuning_image)"
# What it is stored as where something was learned, whatever the type of the rest.
_STORED = "q8_0"


FEDERATED_TOOL = f"{TOOL}, {AVERAGED}"


class FederatedSettings(RoundsSettings):
    """Sites whose data stays with them: a process for each learns its own, and only adapters leave it."""

    data: dict[Name, DataPath] = Field(
        default_factory=dict[str, str],
        description="The data of each site that is here, by the site's name, as `data` has it. The process of a site "
        "is told of no other's. There are two sites or more, here and elsewhere.",
    )
    elsewhere: ElsewhereSettings | None = Field(
        default=None, description="Sites on machines of their own, whose stacks say `joins`; unset, none."
    )

    @property
    def sites(self) -> list[str]:
        """All of them, wherever they are."""
        return [*self.data, *(self.elsewhere.sites if self.elsewhere else ())]


class LoraSettings(TeachingSettings):
    """Conversations that the model is taught."""

    kind: Literal["lora"] = Field(
        description="Conversations that the model is taught, by low-rank adapters: `make refresh`."
    )
    data: DataPath | None = Field(
        default=None,
        description='A file of JSON lines, `{"messages": [{"role": …, "content": …}, …]}` each, or a folder of them, '
        "below the checkout. The last message is the answer that is learned. Data that has changed makes a new "
        "version. Unset with `federated`.",
    )
    federated: FederatedSettings | None = Field(
        default=None, description="Data of several sites instead, none of which leaves its own; unset, `data`."
    )
    joins: JoinsSettings | None = Field(
        default=None,
        description="Rounds that another stack coordinates, in which `data` is this site's, by its invitation, "
        "`.slipway/invitations/MODEL/SITE.json`; unset, it learns alone.",
    )


class Lora:
    """Implements the refresh `lora`."""

    settings = LoraSettings

    def problems(self, where: str, settings: LoraSettings, request: MakingRequest) -> Iterator[Problem]:
        if "gguf" not in request.capabilities.weights:
            yield Problem(
                where=f"{where}.kind",
                found=f"`lora`, of a model that `{request.engine}` serves",
                allowed="models whose engine loads a GGUF file, such as `llama_cpp`; this machine judges with it",
                remedy="choose `lora_job`, or remove it",
            )
        yield from federated_problems(where, settings, "data", settings.federated.sites if settings.federated else None)

    def work(self, settings: LoraSettings, request: MakingRequest) -> MakingWork:
        federated, joins = settings.federated, settings.joins
        rounds = {"rounds": federated.rounds} if federated else {}
        elsewhere = federated.elsewhere if federated else None
        apart = {"elsewhere": elsewhere.model_dump()} if elsewhere else {"joins": joins.model_dump()} if joins else {}
        # What all sites learn is known when they have met; with privacy, they alone know a digest of theirs.
        afterwards = bool(apart) or (federated is not None and settings.differential_privacy is not None)
        return MakingWork(
            tool=FEDERATED_TOOL if federated or joins else TOOL,
            parameters=learned_elsewhere(settings, joins)
            if joins
            else {**parameters(settings), **(averaged(federated.rounds, federated.sites) if federated else {})},
            told={
                "kind": "lora",
                "file": file_of(request.weights.file or request.weights.location, _STORED),
                "data": dict(federated.data) if federated else settings.data,
                "settings": {**tuning(settings), **rounds, **apart},
                **({"of_data": True} if afterwards else {}),
            },
            quantization=f"gguf-{_STORED}",
            trained_on=_trained_on(settings),
            holds=(*holds(settings), *_stays(settings)),
            at_least_right_percent=settings.at_least_right_percent,
        )


def _trained_on(settings: LoraSettings) -> str | None:
    if settings.federated:
        elsewhere = settings.federated.elsewhere
        return ", ".join((*settings.federated.data.values(), *(elsewhere.sites if elsewhere else ())))
    return f"{settings.data} and what sites of {settings.joins.coordinator} have" if settings.joins else settings.data


def _stays(settings: LoraSettings) -> tuple[str, ...]:
    if settings.federated:
        return (f"data of {len(settings.federated.sites)} sites stays with them",)
    return (f"data stays here; adapters go to {settings.joins.coordinator}",) if settings.joins else ()


LORA = Lora()
