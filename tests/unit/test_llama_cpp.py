"""Engine `llama_cpp`: what it renders is what `llama-server` takes, for every setting."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import infra
from infra.engines.base import EngineRequest
from infra.engines.llama_cpp import ENGINE, LlamaCppSettings
from infra.plan.types import ContainerSpec, Weights
from tests.unit.documents import examples

CATALOG = json.loads((Path(infra.__file__).parent / "catalog/engine_flags.json").read_text(encoding="utf-8"))
FLAGS = CATALOG["llama_cpp"]


def request(
    settings: LlamaCppSettings, *, task: str = "generate", context: int = 2048, at_once: int = 4
) -> EngineRequest:
    return EngineRequest(
        where="slipway:deployment.models.chat",
        model="chat",
        settings=settings,
        task=task,
        context_tokens=context,
        concurrent_requests=at_once,
        weights=Weights(kind="file", location="/models/a.gguf", file=None, revision=None, sha256="0" * 64),
        host="127.0.0.1",
        port="{port}",
        weights_path="{weights}",
        key_file="{key_file}",
        threads="{threads}",
    )


def flags(container: ContainerSpec) -> dict[str, str | None]:
    """Each flag with its value, or None where the next argument is a flag again."""
    arguments = [*container.arguments, "--"]
    return {
        flag: None if value.startswith("--") else value
        for flag, value in pairwise(arguments)
        if flag.startswith("--") and flag != "--"
    }


all_settings = st.builds(
    LlamaCppSettings,
    kind=st.just("llama_cpp"),
    threads=st.none() | st.integers(1, 1024),
    gpu_layers=st.integers(0, 1000),
    kv_cache_type=st.sampled_from(["f16", "q8_0"]),
    host_prompt_cache_mebibytes=st.integers(0, 1_048_576),
)


@given(all_settings, st.sampled_from(["generate", "embed"]), st.integers(16, 10**7), st.integers(1, 4096))
@examples(100)
def test_every_flag_is_one_the_server_takes(settings: Any, task: str, context: int, at_once: int) -> None:
    container = ENGINE.render(request(settings, task=task, context=context, at_once=at_once))
    rendered = flags(container)
    assert container.command == ("llama-server",)
    assert set(rendered) <= set(FLAGS["flags"])
    assert not set(rendered) & set(FLAGS["removed"])
    assert len([word for word in container.arguments if word.startswith("--")]) == len(rendered), "a flag twice"
    # llama.cpp divides the context by the slots: each request must still get what the model promises.
    assert int(rendered["--ctx-size"] or 0) == context * int(rendered["--parallel"] or 0)
    assert ("--embeddings" in rendered) == (task == "embed")
    assert rendered.get("--threads") == ("{threads}" if settings.threads is None else str(settings.threads))


def test_what_must_never_be_left_to_llama_cpp() -> None:
    """Its own defaults: shrink the context until it fits, 8 GiB of host memory, a web page, open slots, downloads."""
    rendered = flags(ENGINE.render(request(LlamaCppSettings(kind="llama_cpp"))))
    assert rendered["--fit"] == "off"
    assert rendered["--cache-ram"] == "0"
    assert rendered["--api-key-file"] == "{key_file}"
    assert rendered["--host"] == "127.0.0.1"
    assert {"--no-ui", "--no-slots", "--offline", "--metrics"} <= set(rendered)


@pytest.mark.parametrize(
    ("task", "endpoints"), [("generate", ("chat_completions", "completions")), ("embed", ("embeddings",))]
)
def test_the_task_decides_the_endpoints(task: str, endpoints: tuple[str, ...]) -> None:
    assert ENGINE.render(request(LlamaCppSettings(kind="llama_cpp"), task=task)).endpoints == endpoints


def test_the_catalogue_says_where_it_is_from() -> None:
    assert CATALOG["_source"]
    assert FLAGS["date"] == "2026-10-01"
    assert len(FLAGS["flags"]) > 400
    assert not set(FLAGS["flags"]) & set(FLAGS["removed"])
