"""Checkpoints by NVIDIA's Model Optimizer: for which GPUs and engines, and what is known of them beforehand."""

from __future__ import annotations

import pytest

from infra.catalog.gpus import gpus
from infra.engines import ENGINES
from infra.load import load_file
from infra.making.base import MakingRequest
from infra.making.modelopt import MODELOPT, ModeloptSettings
from infra.objective import ACCELERATORS, AcceleratorName, AcceleratorSettings
from infra.plan.build import build_plan
from infra.plan.types import Weights
from infra.sizing.precision import find_precision
from tests.manifests import ROOT

PLAN = build_plan(load_file(ROOT / "tests" / "config" / "making-modelopt.happy.yaml"), "case")


def found(scheme: str, on: AcceleratorName, engine: str = "tensorrt_llm") -> list[str]:
    """What is found wrong with it."""
    settings = ModeloptSettings.model_validate(
        {
            "kind": "modelopt",
            "scheme": scheme,
            "version": "v",
            "evaluation": "facts",
            "image": f"registry.example.com/modelopt@sha256:{'5' * 64}",
            "texts": ["Hello."],
        }
    )
    request = MakingRequest(
        model="chat",
        engine=engine,
        capabilities=ENGINES[engine].capabilities,
        weights=Weights(kind="huggingface", location="a/b", file=None, revision="0" * 40, sha256=None),
        accelerator=AcceleratorSettings(type=on),
        quantization=None,
        streamed=False,
    )
    return [one.found for one in MODELOPT.problems("here", settings, request)]


# Compute capabilities: 8.0 is Ampere, 8.9 Ada, 9.0 Hopper, 10 and 12 Blackwell.
@pytest.mark.parametrize(("scheme", "least"), [("int4_awq", 80), ("fp8", 89), ("nvfp4", 100)])
def test_a_scheme_is_for_gpus_whose_hardware_has_it(scheme: str, least: int) -> None:
    able = {name for name in ACCELERATORS if not found(scheme, name)}  # pyright: ignore[reportArgumentType]
    assert able == {name for name in ACCELERATORS if (gpus()[name].compute_capability or 0) >= least}
    assert able


@pytest.mark.parametrize(
    ("engine", "loaded"),
    [
        ("tensorrt_llm", {"fp8", "nvfp4", "int4_awq"}),
        ("vllm", {"fp8", "nvfp4"}),
        ("sglang", {"fp8", "nvfp4"}),
        ("llama_cpp", set[str]()),
    ],
)
def test_a_scheme_is_for_engines_that_load_it(engine: str, loaded: set[str]) -> None:
    assert {scheme for scheme in ("fp8", "nvfp4", "int4_awq") if not found(scheme, "B200", engine)} == loaded


def test_what_is_made_has_a_precision_that_sizing_knows() -> None:
    made = {name: making.card["quantization"] for name, making in PLAN.makings.items()}
    assert made == {"chat/optimisation": "fp8", "small/optimisation": "nvfp4", "older/optimisation": "awq"}
    for quantization in made.values():
        precision = find_precision(quantization)
        assert precision is not None
        assert precision.name == quantization


def test_a_card_says_by_what() -> None:
    by = PLAN.makings["chat/optimisation"].card["made_by"]
    assert by["tool"].startswith("NVIDIA Model Optimizer (registry.example.com/team/modelopt@sha256:")
    assert by["parameters"] == {"config": "FP8_DEFAULT_CFG", "texts": 2, "text_tokens": 512}
