"""What a model asks of its engine and place, held against what these can do: each refusal says why, and who can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from infra.engines import ENGINES
from infra.engines.base import Capabilities, EngineRequest
from infra.plan.types import ModelPlan
from infra.platforms import PLATFORMS
from infra.platforms.base import EngineAddress
from infra.problems import Problem, listing

# Fields of a model whose value is one of the words that an engine may know.
WORDS = ("precision", "quantization", "kv_dtype", "structured_output", "tool_calls", "reasoning")
# What an embedding model, which answers with no token, has no use for.
OF_GENERATION = ("structured_output", "tool_calls", "reasoning", "speculative")
WEIGHTS = {
    "gguf": "one GGUF file: `file` and its `sha256`",
    "repository": "a whole Hugging Face repository: `kind: huggingface` without `file`",
}


def capability_problems(kind: str, request: EngineRequest) -> Iterator[Problem]:
    """What the engine of this kind cannot do of what is wanted, each with what can."""
    able = ENGINES[kind].capabilities
    yield from _weights_problems(kind, able, request)
    if request.task not in able.tasks:
        yield _lacking(kind, able, request, "task", request.task, able.tasks, lambda other: other.tasks)
    for name in WORDS:
        word, known = getattr(request, name), getattr(able, name)
        if word is not None and word not in known and not (request.task == "embed" and name in OF_GENERATION):
            yield _lacking(kind, able, request, name, word, known, lambda other, name=name: getattr(other, name))
    if request.speculative and request.speculative.method not in able.speculative:
        method = request.speculative.method
        yield _lacking(kind, able, request, "speculative", method, able.speculative, lambda other: other.speculative)
    if request.adapters and not able.adapters:
        yield Problem(
            where=f"{request.where}.adapters",
            found=f"{listing(request.adapters)}, with the engine `{kind}`{_reason(able, 'adapters')}",
            allowed="no adapters with this engine",
            remedy=_others("remove `adapters`", [other for other, has in _engines() if has.adapters]),
        )
    if request.model in request.adapters:
        yield Problem(
            where=f"{request.where}.adapters.{request.model}",
            found=f"`{request.model}`, which is the model's name",
            allowed="another name: a request's `model` chooses between them",
            remedy="rename it",
        )
    if request.task == "embed":
        for name in OF_GENERATION:
            if getattr(request, name) is not None:
                yield Problem(
                    where=f"{request.where}.{name}",
                    found="this, with `task: embed`",
                    allowed="a model that generates: `task: generate`",
                    remedy=f"remove `{name}`",
                )
    if request.parallel.nodes > 1 and "nodes" not in able.parallel:
        yield Problem(
            where=f"{request.where}.accelerator.nodes",
            found=f"{request.parallel.nodes}, with the engine `{kind}`{_reason(able, 'nodes')}",
            allowed="1 with this engine",
            remedy=_others(
                "use fewer or larger GPUs of one machine",
                [other for other, has in _engines() if "nodes" in has.parallel],
            ),
        )
    for name in ("tensor", "pipeline", "data", "expert"):
        if (count := getattr(request.parallel, name)) > 1 and name not in able.parallel:
            yield Problem(
                where=f"{request.where}.engine.kind",
                found=f"`{kind}`, with {name} parallelism over {count}",
                allowed=f"with this engine: {listing(able.parallel)}",
                remedy=_others(
                    "use fewer or larger GPUs", [other for other, has in _engines() if name in has.parallel]
                ),
            )


def placement_problems(kind: str, request: EngineRequest, site: str, address: EngineAddress) -> Iterator[Problem]:
    """Why this engine, or what it needs beside the weights, cannot be on a site."""
    if not address.containers and ENGINES[kind].capabilities.program is None:
        programs = listing(other for other, able in _engines() if able.program)
        places = listing(name for name, platform in PLATFORMS.items() if platform.engine_address.containers)
        yield Problem(
            where=f"{request.where}.engine.kind",
            found=f"`{kind}`, which runs from its container image only, on the site `{site}`, which runs programs",
            allowed=f"here: {programs}. Platforms of this version that run containers: {places}",
            remedy=f"choose {programs} with a GGUF build of the model, or a platform with containers and GPUs",
        )
    if address.further_weights_path is None:
        wanted = [("adapters", bool(request.adapters) and ENGINES[kind].capabilities.adapters)]
        wanted += [("speculative.draft", request.speculative is not None and request.speculative.draft is not None)]
        for name, asked in wanted:
            if asked:
                yield Problem(
                    where=f"{request.where}.{name}",
                    found=f"further weights, on the site `{site}`, which brings one set for each model",
                    allowed="what needs no weights of its own",
                    remedy=f"remove `{name}`, or place the model on a platform that runs containers",
                )


def model_warnings(plan: ModelPlan, request: EngineRequest, address: EngineAddress) -> Iterator[str]:
    """What is weaker than it could be about one model's engine, one sentence each."""
    yield from ENGINES[plan.engine].warnings(request)
    if address.containers and plan.container.image.digest is None:
        yield (
            f"model `{request.model}`: the image {plan.container.image.reference} has no known digest, and a tag can "
            "move; set `engine.image` to one with `@sha256:…`"
        )


def _weights_problems(kind: str, able: Capabilities, request: EngineRequest) -> Iterator[Problem]:
    weights = request.weights
    name = weights.file or weights.location
    # A repository, or all below the address of a prefix, whose digest is that of a list.
    whole = weights.sha256 is None or (weights.file is None and "://" in weights.location)
    found = "repository" if whole else "gguf" if name.lower().endswith(".gguf") else "file"
    if found not in able.weights:
        others = [other for other, has in _engines() if found in has.weights]
        yield Problem(
            where=f"{request.where}.source.{'file' if whole or weights.file else 'path'}",
            found=("a whole repository" if whole else f"`{name}`") + _reason(able, found),
            allowed=" or ".join(WEIGHTS[form] for form in able.weights),
            remedy=_others(
                "name a GGUF file of the repository" if whole else "choose such a build of the model", others
            ),
        )


def _lacking(
    kind: str,
    able: Capabilities,
    request: EngineRequest,
    name: str,
    word: str,
    known: Any,
    of: Callable[[Capabilities], Any],
) -> Problem:
    field = "speculative.method" if name == "speculative" else name
    others = [other for other, has in _engines() if word in of(has)]
    instead = "choose one of these" if known else f"remove `{field}`"
    return Problem(
        where=f"{request.where}.{field}",
        found=f"`{word}`, which the engine `{kind}` does not have{_reason(able, name)}",
        allowed=f"with this engine: {listing(known)}",
        remedy=_others(instead, others),
    )


def _engines() -> Iterator[tuple[str, Capabilities]]:
    return ((kind, engine.capabilities) for kind, engine in ENGINES.items())


def _reason(able: Capabilities, name: str) -> str:
    return f": {able.why_not[name]}" if name in able.why_not else ""


def _others(instead: str, engines: list[str]) -> str:
    return f"{instead}, or choose an engine that can: {listing(engines)}" if engines else instead
