"""`llama-server` itself or its stand-in from a wheel: the same options, and the binary first where there is one."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from serving.launcher.engine import executable
from serving.launcher.llama_server import parameters, parse
from serving.launcher.refusal import Refusal
from tests.serving.running import free_port, launchers, planned

ALL = {"kind": "llama_cpp", "threads": 3, "gpu_layers": 7, "host_prompt_cache_mebibytes": 64}
# What every engine shares and llama.cpp has, for a model that generates.
SHARED = {
    "kv_dtype": "int8",
    "prefix_cache": False,
    "tool_calls": "hermes",
    "reasoning": "qwen3",
    "speculative": {"method": "ngram", "draft_tokens": 5},
}


def rendered(**model: Any) -> list[str]:
    spec = planned(port=1, operations=2, chat=model)["engines"]["chat"]
    assert spec["command"] == ["llama-server"]
    return [{"{port}": "1234", "{threads}": "2"}.get(argument, argument) for argument in spec["arguments"]]


@pytest.mark.parametrize(
    ("task", "engine"), list(itertools.product(["generate", "embed"], [{"kind": "llama_cpp"}, ALL]))
)
def test_every_rendered_option_is_taken(task: str, engine: dict[str, Any], tmp_path: Path) -> None:
    options = parse(rendered(task=task, engine=engine, context_tokens=512, concurrent_requests=3))
    options.api_key_file = tmp_path / "key"
    options.api_key_file.write_text("one\n")
    params = parameters(options)
    assert (params.n_ctx, params.n_parallel, params.port) == (1536, 3, 1234)
    assert params.api_keys == ["one"]
    assert params.embedding is (task == "embed")
    assert params.fit_params is False
    assert params.endpoint_metrics is True
    assert params.endpoint_slots is False
    assert params.n_gpu_layers == (7 if engine is ALL else 0)
    assert params.cache_ram_mib == (64 if engine is ALL else 0)
    assert "F16" in params.cache_type_k.name
    assert params.cache_prompt is True
    assert params.cpuparams.n_threads == (3 if engine is ALL else 2)
    # Each stream holds one of its HTTP threads: with too few, probes would wait behind streams.
    assert params.n_threads_http > params.n_parallel


@pytest.mark.parametrize(
    ("speculative", "kind", "draft"),
    [
        ({"method": "ngram", "draft_tokens": 5}, "NGRAM_SIMPLE", 5),
        ({"method": "mtp", "draft_tokens": 2}, "DRAFT_MTP", 2),
    ],
)
def test_what_every_engine_shares_is_taken(speculative: dict[str, Any], kind: str, draft: int, tmp_path: Path) -> None:
    options = parse(rendered(**{**SHARED, "speculative": speculative}))
    options.api_key_file = tmp_path / "key"
    options.api_key_file.write_text("one\n")
    params = parameters(options)
    assert "Q8_0" in params.cache_type_k.name
    assert "Q8_0" in params.cache_type_v.name
    assert params.cache_prompt is False
    assert params.use_jinja is True
    assert params.reasoning_format == 1  # auto
    assert [each.name.endswith(kind) for each in params.speculative.types] == [True]
    assert draft == (params.speculative.ngram_simple.size_m if "NGRAM" in kind else params.speculative.draft.n_max)


@pytest.mark.parametrize(("kv_dtype", "own"), [("float16", "F16"), ("bfloat16", "BF16"), ("int8", "Q8_0")])
def test_every_precision_of_the_cache_is_taken(kv_dtype: str, own: str, tmp_path: Path) -> None:
    options = parse(rendered(kv_dtype=kv_dtype))
    options.api_key_file = tmp_path / "key"
    options.api_key_file.write_text("one\n")
    assert parameters(options).cache_type_k.name.endswith(f"_{own}")


def test_both_tasks_and_all_settings_were_covered() -> None:
    """A new option of the engine must be taken by the stand-in too: this is where it would be forgotten.

    An image is not for a process, and extra arguments are for the binary: the stand-in takes what slipway renders.
    """
    from infra.engines.llama_cpp import ENGINE, LlamaCppSettings

    assert set(ALL) == set(LlamaCppSettings.model_fields) - {"image", "extra_arguments"}
    able = {name for name in SHARED if getattr(ENGINE.capabilities, name, True)}
    assert able == set(SHARED)


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["--ctx", "5"], ["--cache-type-k", "q2_0"], ["extra"]])
def test_what_the_binary_would_refuse_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([*rendered(), *arguments])
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_the_wheel_stands_in_where_no_binary_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    command = executable(["llama-server", "--model", "x"])
    assert command == [sys.executable, "-m", "serving.launcher.llama_server", "--model", "x"]


def test_neither_binary_nor_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(Refusal) as refused:
        executable(["llama-server"])
    assert "the package `xllamacpp`" in refused.value.allowed
    assert "pip install xllamacpp" in refused.value.remedy


def test_the_binary_on_path_is_preferred(tmp_path: Path) -> None:
    """And is given exactly what the plan renders: a script notes that, then is the stand-in."""
    script, noted = tmp_path / "bin" / "llama-server", tmp_path / "noted"
    script.parent.mkdir()
    module = f'exec {sys.executable} -m serving.launcher.llama_server "$@"'
    script.write_text(f'#!/bin/sh\nfor a in "$@"; do printf "%s\\n" "$a" >> {noted}; done\n{module}\n')
    script.chmod(0o755)
    spec = planned(port=free_port(), operations=free_port())
    with launchers(tmp_path, real=True) as start:
        served = start(spec, PATH=f"{script.parent}:{os.environ['PATH']}").ready()
        assert served.answers()
        given = noted.read_text().split("\n")[:-1]
    values = {"{port}": given[given.index("--port") + 1], "{key_file}": str(served.folder / "engine-chat.key")}
    values["{weights}"] = given[given.index("--model") + 1]
    assert given == [values.get(argument, argument) for argument in spec["engines"]["chat"]["arguments"]]
    assert values["{weights}"].endswith(".gguf")
    assert values["{port}"].isdecimal()
