"""Models on GPUs: what is sized, from what, what is never guessed, and what an objective needs."""

from __future__ import annotations

from typing import Any

import pytest

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.fit import Fit, fit
from infra.plan.types import DeploymentPlan
from infra.problems import Refused
from infra.report import to_text
from infra.stack_file import read_stack_file
from tests.config.corpus import load_and_plan
from tests.unit.documents import CORPUS, deployment_of

FIT = CORPUS / "fit.happy.yaml"


def planned(**of_chat: Any) -> DeploymentPlan:
    deployment = deployment_of(read_stack_file(FIT).values)
    deployment["models"] = {"chat": {**deployment["models"]["chat"], **of_chat}}
    deployment["clients"] = {"web": {"models": ["chat"], "requests_per_minute": 60}}
    return build_plan(validate(deployment, "case", {}), "case")


def fitted(**of_chat: Any) -> Fit | str | None:
    deployment = deployment_of(read_stack_file(FIT).values)
    deployment["models"] = {"chat": {**deployment["models"]["chat"], **of_chat}}
    deployment["clients"] = {"web": {"models": ["chat"], "requests_per_minute": 60}}
    return fit(validate(deployment, "case", {}).models["chat"])


def source(repo: str) -> dict[str, str]:
    return {"kind": "huggingface", "repo": repo, "revision": "0" * 40}


def test_memory_is_all_of_the_card_and_speed_is_that_of_a_replica() -> None:
    memory, speed = planned().models["chat"].memory, planned().models["chat"].performance
    assert memory is not None
    assert speed is not None
    # 8.2 billion parameters of two bytes, on a card of 44.42 GiB of which 92 % is used.
    assert 15 < memory.weights_gib < 15.6
    assert memory.weights_gib + memory.kv_cache_gib + memory.free_gib == pytest.approx(
        44.42 - 0.27 - 0.5 - 2.2, abs=0.5
    )
    assert speed.running_requests == 16
    assert speed.output_tokens_per_second == pytest.approx(250 * speed.requests_per_second, rel=0.01)


@pytest.mark.parametrize(
    ("changed", "precision", "kv_dtype"),
    [
        ({}, "bf16", "bf16"),
        ({"precision": "float16"}, "fp16", "bf16"),
        ({"quantization": "fp8", "kv_dtype": "fp8"}, "fp8", "fp8"),
        ({"source": source("RedHatAI/Qwen3-8B-FP8-dynamic")}, "fp8", "bf16"),
        # What a checkpoint has is used, whatever else is asked.
        ({"source": source("Qwen/Qwen3-8B-AWQ"), "quantization": "fp8"}, "awq", "bf16"),
    ],
)
def test_what_is_stored_is_what_is_sized(changed: dict[str, Any], precision: str, kv_dtype: str) -> None:
    found = fitted(**changed)
    assert isinstance(found, Fit)
    assert (found.sized.shape.precision.name, found.sized.shape.kv_dtype) == (precision, kv_dtype)


def test_what_the_engine_is_told_is_what_is_sized() -> None:
    engine = {"kind": "vllm", "gpu_memory_percent": 50, "prefill_batch_tokens": 2048}
    found = fitted(engine=engine, accelerator={"type": "L40S", "count": 4}, context_tokens=8192)
    assert isinstance(found, Fit)
    shape = found.sized.shape
    assert (shape.memory_fraction, shape.batched_tokens, shape.max_num_seqs) == (0.5, 2048, 16)
    assert (shape.tensor_parallel, shape.gpu_count, shape.max_model_len) == (4, 4, 8192)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"source": source("example/never-seen-7b")}, "not in the catalogue (`infra/catalog/models.csv`)"),
        ({"source": source("Qwen/Qwen3-8c")}, "; near is `Qwen/Qwen3-8B`"),
        ({"quantization": "bitsandbytes"}, "bitsandbytes"),
        ({"task": "embed"}, "only models that generate"),
        ({"source": {"kind": "package", "package": "x", "file": "Qwen3-8B-Q4_0.gguf", "sha256": "0" * 64}}, "package"),
        ({"engine": {"kind": "llama_cpp"}, "source": source("Qwen/Qwen3-8B-GGUF")}, "how its weights are stored"),
    ],
)
def test_what_is_not_known_is_never_guessed(changed: dict[str, Any], why: str) -> None:
    found = fitted(**changed)
    assert isinstance(found, str)
    assert why in found


def test_processors_are_not_sized_and_nothing_is_said() -> None:
    assert fitted(accelerator=None) is None


def test_what_is_not_sized_has_no_figures_and_a_warning() -> None:
    plan = load_and_plan(FIT)
    for name in ("unheard-of", "squeezed"):
        assert (plan.models[name].memory, plan.models[name].performance) == (None, None)
        assert [said for said in plan.warnings if said.startswith(f"model `{name}`: not sized")]
    assert not [said for said in plan.warnings if said.startswith("model `large`: not sized")]


def test_an_objective_that_needs_more_replicas_than_always_run_is_a_warning() -> None:
    (said,) = (text for text in load_and_plan(FIT).warnings if "its objective needs" in text)
    assert said.startswith("model `chat`: its objective needs about ")
    enough = planned(scaling={"min_replicas": 8, "max_replicas": 8})
    assert not [text for text in enough.warnings if "its objective needs" in text]


def test_a_standby_bears_no_load() -> None:
    """Two sites of which one waits: what both could do together is nobody's capacity."""
    deployment = deployment_of(read_stack_file(CORPUS.parents[1] / "Pulumi.prod.yaml").values)
    objective = deployment["models"]["chat"]["objective"]
    # One replica does about 2 a second: 8 do 20 a second never, 16 would.
    build_plan(validate(deployment, "case", {}), "case")
    objective["requests_per_second"] = 20
    with pytest.raises(Refused, match="with 8 replicas"):
        build_plan(validate(deployment, "case", {}), "case")


def test_the_text_has_a_row_for_what_is_sized_only() -> None:
    text = to_text(load_and_plan(FIT)).partition("FIT AND SPEED")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in text.splitlines()[1:]] == [
        "model",
        "chat",
        "large",
        "gguf",
        "roofline",
        "roofline",
        "roofline",
    ]


def test_llama_cpp_takes_the_memory_of_all_contexts_when_it_starts() -> None:
    gguf = deployment_of(read_stack_file(FIT).values)["models"]["gguf"]
    few, many = (fitted(**{**gguf, "objective": None, "adapters": {}, "concurrent_requests": n}) for n in (1, 4))
    assert isinstance(few, Fit)
    assert isinstance(many, Fit)
    assert many.memory.kv_cache_gib == pytest.approx(4 * few.memory.kv_cache_gib, abs=0.02)
    with pytest.raises(Refused, match="concurrency_does_not_fit"):
        planned(**{**gguf, "objective": None, "adapters": {}, "concurrent_requests": 64})
