"""What optimisations by a job of a cluster have in common: a tool in the user's image makes smaller weights there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from infra.gateway.images import ImageByDigest
from infra.making.optimising import OptimisationSettings, alike
from infra.plan.making_types import MakingWork
from infra.problems import Problem

# A ConfigMap holds 1 MiB, and more than the texts has to fit.
MOST_TEXT_BYTES = 900_000
ASKED, RECIPE, TEXTS = "asked.py", "recipe.json", "texts.json"
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]


class CompressingSettings(OptimisationSettings):
    """Base of the settings of each such optimisation, which adds its schemes. The image is yours."""

    image: ImageByDigest = Field(description="An image with the tool, by its digest.")
    python: str = Field(
        default="python3", pattern=r"^[A-Za-z0-9/._-]{1,255}$", description="The image's Python that has it."
    )
    texts: list[Text] = Field(
        default_factory=list,
        max_length=1024,
        description="What is looked at, where the scheme looks at any: texts like those that the model will see, some "
        "hundred of them.",
    )
    text_tokens: int = Field(default=2048, ge=16, le=1_000_000, description="Tokens of a text that are looked at.")
    at_most_seconds: int = Field(
        default=14_400, ge=60, le=604_800, description="How long making and measuring may take, in seconds."
    )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a tool is told: its own words in `content`, what a reader of the result's card is told of them in
    `parameters`, and whether the texts are looked at. `script` is the file here that runs it; `quantization` is what
    the result is then."""

    tool: str
    script: str
    content: dict[str, Any]
    parameters: dict[str, str | int | float | bool]
    looks: bool
    quantization: str


def unloadable(where: str, kind: str, engine: str, such_as: str) -> Problem:
    """That an engine does not load what a tool makes."""
    return Problem(
        where=f"{where}.kind",
        found=f"`{kind}`, of a model that `{engine}` serves",
        allowed=f"models whose engine loads what it makes, such as {such_as}",
        remedy="choose another kind, or remove it",
    )


def size_problems(where: str, settings: CompressingSettings) -> Iterator[Problem]:
    """Texts that a cluster would not keep."""
    if (size := len(json.dumps(settings.texts))) > MOST_TEXT_BYTES:
        yield Problem(
            where=f"{where}.texts",
            found=f"{size} bytes",
            allowed=f"at most {MOST_TEXT_BYTES} bytes together: they are kept in the cluster's own store",
            remedy="leave some of them out",
        )


def compressing(settings: CompressingSettings, recipe: Recipe) -> MakingWork:
    """The work of a job: scripts and what they are told are beside each other in a ConfigMap."""
    parameters, told = dict(recipe.parameters), {RECIPE: json.dumps(recipe.content, indent=2)}
    if recipe.looks:
        parameters |= {"texts": len(settings.texts), "text_tokens": settings.text_tokens}
        told[TEXTS] = json.dumps({"texts": settings.texts, "tokens": settings.text_tokens})
    return MakingWork(
        tool=f"{recipe.tool} ({settings.image})",
        parameters=parameters,
        told={"kind": "made"},
        quantization=recipe.quantization,
        image=settings.image,
        command=(settings.python, f"{{files}}/{recipe.script}", "{weights}", "{result}"),
        files={recipe.script: _script(recipe.script), ASKED: _script(ASKED), **told},
        deadline_seconds=settings.at_most_seconds,
        holds=alike(settings),
        at_least_same_percent=settings.at_least_same_percent,
    )


def _script(name: str) -> str:
    return files("infra.making").joinpath(f"{name}.txt").read_text(encoding="utf-8")
