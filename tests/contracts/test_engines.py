"""What holds for every engine: each flag is one that its version takes, and the engine is one line of the plan."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields, replace
from typing import Any, get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from infra.config import ModelSettings
from infra.engines import ENGINES, features
from infra.engines.base import Capabilities, EngineRequest, Parallel
from infra.engines.catalogue import flags as known_flags
from infra.engines.catalogue import image
from infra.engines.sglang import Sglang
from infra.load import config_schema
from infra.plan.capabilities import WEIGHTS, capability_problems, model_warnings, placement_problems
from infra.plan.models import Placed, engine_request, model_plan
from infra.plan.types import ContainerSpec, Replicas
from infra.platforms import PLATFORMS
from tests.unit.documents import examples
from tests.unit.engine_requests import CONTAINERS, GGUF, REPOSITORY, flags, model_settings, rendered, requested

KINDS = tuple(ENGINES.builtin)
NOWHERE = Placed(sites=(), replicas=Replicas(min=0, max=0))
CONTAINER_KINDS = tuple(kind for kind in KINDS if ENGINES[kind].capabilities.program is None)
WORDS = ("precision", "quantization", "kv_dtype", "structured_output", "tool_calls", "reasoning")
OF_GENERATION = ("structured_output", "tool_calls", "reasoning", "speculative")

EAGLE = {"method": "eagle3", "draft": REPOSITORY}

# How the value of a flag that the plan renders must look; a new flag needs a line here.
COUNT, NAME, PATH = r"[1-9][0-9]*", r"[a-zA-Z0-9._-]+", r"/\S+"
SHAPES: dict[str, str] = {
    **dict.fromkeys(("--alias", "--served-model-name", "--runner", "--backend", "--split-mode", "--fit"), NAME),
    **dict.fromkeys(("--api-key-file", "--config", "--spec-draft-model"), PATH),
    # A path, or what stands for an address that weights are streamed from.
    **dict.fromkeys(("--model", "--model-path"), rf"{PATH}|\{{weights\}}"),
    "--model-loader-extra-config": r"\{.*\}",
    "--speculative-draft-model-path": PATH,
    "--host": r"[0-9.]+",
    **dict.fromkeys(("--port", "--ctx-size", "--parallel", "--max-model-len", "--max-num-seqs"), COUNT),
    "--threads": rf"{COUNT}|\{{threads\}}",
    **dict.fromkeys(("--max-num-batched-tokens", "--max-num-queued-reqs", "--shutdown-timeout", "--max-loras"), COUNT),
    **dict.fromkeys(("--context-length", "--max-running-requests", "--chunked-prefill-size"), COUNT),
    **dict.fromkeys(("--max-queued-requests", "--tp-size", "--pp-size", "--dp-size", "--ep-size"), COUNT),
    **dict.fromkeys(("--max_seq_len", "--max_batch_size", "--max_num_tokens", "--tp_size", "--pp_size"), COUNT),
    **dict.fromkeys(("--ep_size", "--tensor-parallel-size", "--pipeline-parallel-size", "--data-parallel-size"), COUNT),
    **dict.fromkeys(("--max-loras-per-batch", "--max-lora-rank", "--speculative-num-steps"), COUNT),
    **dict.fromkeys(("--speculative-eagle-topk", "--speculative-num-draft-tokens", "--spec-draft-n-max"), COUNT),
    **dict.fromkeys(("--spec-ngram-simple-size-m", "--speculative-ngram-max-bfs-breadth"), COUNT),
    **dict.fromkeys(("--n-gpu-layers", "--cache-ram"), r"[0-9]+"),
    **dict.fromkeys(("--gpu-memory-utilization", "--mem-fraction-static"), r"0\.[0-9]+"),
    **dict.fromkeys(("--lora-modules", "--lora-paths"), r"[^\s=]+=/\S+( [^\s=]+=/\S+)*"),
    **dict.fromkeys(("--structured-outputs-config", "--speculative-config"), r"\{.*\}"),
    **dict.fromkeys(("--nnodes", "--master-port", "--distributed-timeout-seconds", "--dist-timeout"), COUNT),
    "--node-rank": r"0|\{node_rank\}",
    "--master-addr": r"\{leader_address\}",
    "--dist-init-addr": rf"\{{leader_address\}}:{COUNT}",
    "--distributed-executor-backend": "mp",
    "--disable-access-log-for-endpoints": r"(/[a-z]+)(,/[a-z]+)*",
    **dict.fromkeys(("--cache-type-k", "--cache-type-v", "--kv-cache-dtype", "--dtype", "--quantization"), NAME),
    **dict.fromkeys(("--pooling", "--reasoning-format", "--spec-type", "--load-format", "--grammar-backend"), NAME),
    **dict.fromkeys(("--tool-call-parser", "--reasoning-parser", "--tool_parser", "--reasoning_parser"), NAME),
    **dict.fromkeys(("--speculative-algorithm", "--cuda-graph-backend-decode", "--cuda-graph-backend-prefill"), NAME),
}
ALONE = {
    "--headless",
    *("--offline", "--metrics", "--no-ui", "--no-slots", "--embeddings", "--no-cache-prompt", "--jinja"),
    *("--enforce-eager", "--no-enable-prefix-caching", "--enable-auto-tool-choice", "--enable-lora"),
    *("--enable-expert-parallel", "--enable-metrics", "--is-embedding"),
    *("--disable-radix-cache", "--enable_chunked_prefill"),
}


def schema_of(cls: type[Any]) -> dict[str, Any]:
    return config_schema()["$defs"][cls.__name__]["properties"]


def values_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Any value that a field's schema takes, its default among them."""
    if "anyOf" in schema:
        return st.one_of(*map(values_of, schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "integer":
        return st.integers(schema["minimum"], schema["maximum"])
    return {"boolean": st.booleans(), "null": st.none()}[schema["type"]]


def extra_arguments(kind: str) -> st.SearchStrategy[list[str]]:
    known = known_flags(kind)
    free = sorted(
        flag
        for flag in known.taken - set(known.decided) - set(known.unsafe)
        if re.fullmatch(r"--[a-z][a-zA-Z0-9_-]*", flag)
    )
    value = st.sampled_from(["", "=1", "=-1", "=a b", '={"mode": 3}', "=--x"])
    return st.lists(
        st.tuples(st.sampled_from(free), value).map("".join), max_size=3, unique_by=lambda a: a.split("=")[0]
    )


@st.composite
def engines(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    apart = ("kind", "image", "extra_arguments")
    own = {name: schema for name, schema in schema_of(ENGINES[kind].settings).items() if name not in apart}
    image = st.none() | st.just(f"registry.test:5000/e:1@sha256:{'a' * 64}")
    chosen = {name: draw(values_of(schema)) for name, schema in own.items()}
    return {"kind": kind, **chosen, "image": draw(image), "extra_arguments": draw(extra_arguments(kind))}


@st.composite
def models(draw: st.DrawFn, kind: str) -> ModelSettings:
    """A model with whatever this engine has, alone and together."""
    able = ENGINES[kind].capabilities
    task = draw(st.sampled_from(able.tasks))
    chosen: dict[str, Any] = {
        "task": task,
        "context_tokens": draw(st.integers(16, 10_000_000)),
        "concurrent_requests": draw(st.integers(1, 4096)),
        "longest_generation_seconds": draw(st.integers(1, 7200)),
        "prefix_cache": draw(st.booleans()),
    }
    for name in WORDS:
        if getattr(able, name) and not (task == "embed" and name in OF_GENERATION):
            chosen[name] = draw(st.none() | st.sampled_from(sorted(getattr(able, name))))
    if able.adapters:
        names = draw(st.lists(st.sampled_from(["legal", "a.b", "C-3", "x_y"]), max_size=3, unique=True))
        chosen["adapters"] = {name: {"source": REPOSITORY, "rank": draw(st.integers(1, 512))} for name in names}
    if task != "embed" and draw(st.booleans()):
        method = draw(st.sampled_from(sorted(able.speculative)))
        drafted = {"draft": REPOSITORY} if method in features.WITH_DRAFT else {}
        chosen["speculative"] = {"method": method, "draft_tokens": draw(st.integers(1, 16)), **drafted}
    return model_settings(draw(engines(kind)), **chosen)


@st.composite
def requests(draw: st.DrawFn, kind: str) -> EngineRequest:
    able = ENGINES[kind].capabilities
    spread = Parallel(**{name: draw(st.sampled_from([1, 2, 8])) for name in able.parallel})
    return replace(engine_request("chat", draw(models(kind)), CONTAINERS), parallel=spread)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@examples(150)
def test_every_flag_is_taken_and_its_value_has_a_shape(kind: str, data: st.DataObject) -> None:
    request = data.draw(requests(kind))
    assert not list(capability_problems(kind, request))
    assume(not list(ENGINES[kind].problems(request)))
    container = ENGINES[kind].render(request)
    assert bool(container.worker_arguments) == (request.parallel.nodes > 1)
    known = known_flags(kind)
    for node in filter(None, (container.arguments, container.worker_arguments)):
        said = flags(replace(container, arguments=own_arguments(request, replace(container, arguments=node))))
        for flag, value in said.items():
            positive = f"--{flag.removeprefix('--no-')}" if flag not in known.taken else flag
            assert positive in known.taken, flag
            assert flag not in known.removed
            assert positive in known.decided, f"`{flag}` could be an extra argument too"
            if flag in ALONE:
                assert value is None, flag
            else:
                assert re.fullmatch(SHAPES[flag], value or ""), (flag, value)
                # In a JSON value, the word is the first entry.
                words = list(json.loads(value or "").values())[:1] if (value or "").startswith('{"') else [value]
                assert set(words) <= set(known.choices.get(flag, words)), "a word that this version does not know"
    for argument in request.settings.extra_arguments:
        assert argument.partition("=")[0] in " ".join(container.arguments)


def own_arguments(request: EngineRequest, container: ContainerSpec) -> tuple[str, ...]:
    """Without a user's."""
    words = [word for argument in request.settings.extra_arguments for word in argument.split("=", 1)]
    extra = len(request.settings.extra_arguments)
    if extra and container.arguments[-extra:] != tuple(request.settings.extra_arguments):
        extra = len(words)
    return container.arguments[: len(container.arguments) - extra]


@pytest.mark.parametrize("kind", KINDS)
def test_a_container_is_whole(kind: str) -> None:
    """As a user without an account, with every folder it writes to named, reachable, watched, and by tag."""
    container = rendered(kind)
    assert container.user >= 10_000, "no account that an image or a host has"
    assert "/tmp" in container.writable_paths
    assert container.ports == {"http": "8000"}
    assert container.command
    assert container.image.tag
    assert "latest" not in container.image.tag
    probes = container.probes
    assert probes.startup.failures is None, "how long a model may load is the plan's to say"
    # Kubernetes' own timeout of one second is too short for all of them.
    assert min(probe.timeout_seconds for probe in (probes.startup, probes.readiness, probes.liveness)) >= 5
    # A key is nowhere but where it is read.
    assert (container.key_file is None) == (container.key_file_content is None)
    assert (container.key_file_content or "{key}").count("{key}") == 1
    assert container.key_file is None or container.key_file in container.arguments
    said = json.dumps(asdict(container) | {"key_file_content": None})
    assert "{key}" not in said


@pytest.mark.parametrize("kind", CONTAINER_KINDS)
def test_python_engines_run_without_a_passwd_entry_and_without_a_network(kind: str) -> None:
    """torch looks the user up unless its cache folder is given; `getpass` reads these two first."""
    container = rendered(kind)
    environment = container.environment
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["USER"]
    assert environment["LOGNAME"]
    for name in ("HOME", "HF_HOME", "XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        assert environment[name].startswith("/cache")
    assert "/cache" in container.writable_paths


@pytest.mark.parametrize("kind", CONTAINER_KINDS)
def test_shared_memory_grows_with_the_gpus(kind: str) -> None:
    """64 MiB, a runtime's default, ends in a crash of NCCL or of the workers."""
    assert rendered(kind).shared_memory_gib == 1
    for name in ENGINES[kind].capabilities.parallel:
        if name != "expert":  # experts are spread over the GPUs that the others give
            request = replace(requested(kind), parallel=Parallel(**{name: 2}))
            assert ENGINES[kind].render(request).shared_memory_gib == 20, name


@pytest.mark.parametrize("kind", KINDS)
def test_the_catalogue_is_whole(kind: str) -> None:
    known = known_flags(kind)
    assert len(known.taken) > 30
    assert not known.taken & set(known.removed)
    assert not set(known.decided) & set(known.unsafe)
    assert {*known.decided, *known.unsafe, *known.choices} <= known.taken
    of_image = image(kind, None)
    assert of_image.repository
    assert of_image.tag
    assert image(kind, f"r.test:5000/x:1@sha256:{'a' * 64}").reference == f"r.test:5000/x:1@sha256:{'a' * 64}"
    assert image(kind, f"r.test:5000/x@sha256:{'a' * 64}").tag is None


@pytest.mark.parametrize("kind", KINDS)
def test_words_are_those_of_the_configuration(kind: str) -> None:
    able = ENGINES[kind].capabilities
    known = {
        "precision": features.Precision,
        "quantization": features.Quantization,
        "kv_dtype": features.KvDtype,
        "structured_output": features.StructuredOutput,
        "tool_calls": features.ToolCalls,
        "reasoning": features.Reasoning,
        "speculative": features.SpeculativeMethod,
    }
    for name, literal in known.items():
        assert set(getattr(able, name)) <= set(get_args(literal)), name
    assert set(able.why_not) <= {field.name for field in fields(Capabilities)} | {"task", *WEIGHTS, "file", "nodes"}
    assert set(able.parallel) <= {field.name for field in fields(Parallel)}


@pytest.mark.parametrize(
    ("kind", "name", "word"),
    [(kind, name, word) for kind in KINDS for name in WORDS for word in getattr(ENGINES[kind].capabilities, name)],
)
def test_every_word_is_one_that_the_version_knows(kind: str, name: str, word: str) -> None:
    """One by one: a search might miss the one that was renamed."""
    plain, said = flags(rendered(kind)), flags(rendered(kind, **{name: word}))
    known = known_flags(kind).choices
    for flag in (flag for flag in said if flag in known and said[flag] != plain.get(flag)):
        value = said[flag] or ""
        assert (json.loads(value)["backend"] if value.startswith("{") else value) in known[flag]


def test_every_word_is_known_to_some_engine() -> None:
    """A choice that every engine refuses is none."""
    for name, literal in (("quantization", features.Quantization), ("kv_dtype", features.KvDtype)):
        able = {word for kind in KINDS for word in getattr(ENGINES[kind].capabilities, name)}
        assert able == set(get_args(literal)), name


def test_another_engine_is_one_line() -> None:
    """Everything else that was planned stays as it was."""
    fields_of = {
        "context_tokens": 32_768,
        "concurrent_requests": 16,
        "max_output_tokens": 2048,
        "kv_dtype": "fp8",
        "tool_calls": "hermes",
        "reasoning": "qwen3",
        "longest_generation_seconds": 300,
    }
    placed = Placed(sites=("here",), replicas=Replicas(min=2, max=2))
    plans: dict[str, dict[str, Any]] = {}
    for kind in CONTAINER_KINDS:
        settings = model_settings(kind, **fields_of)
        request = engine_request("chat", settings, CONTAINERS)
        assert not list(capability_problems(kind, request))
        plans[kind] = asdict(model_plan(settings, request, placed, 0))
        assert plans[kind]["engine"] == kind
    rest = [
        {k: v for k, v in p.items() if k not in ("engine", "engine_arguments", "container")} for p in plans.values()
    ]
    assert len(rest) == 3
    assert all(each == rest[0] for each in rest)
    assert len({plan["engine_arguments"] for plan in plans.values()}) == 3


@pytest.mark.parametrize("kind", CONTAINER_KINDS)
@pytest.mark.parametrize("platform", PLATFORMS.builtin)
def test_an_image_needs_a_platform_with_containers(kind: str, platform: str) -> None:
    address = PLATFORMS[platform].engine_address
    found = list(placement_problems(kind, requested(kind), "here", address))
    assert bool(found) == (not address.containers)
    assert not list(placement_problems(kind, requested(kind), "here", CONTAINERS))


@pytest.mark.parametrize("kind", KINDS)
def test_a_tag_without_a_digest_is_said(kind: str) -> None:
    pinned = {"kind": kind, "image": f"r.test/x@sha256:{'a' * 64}"}
    for engine, said in (({"kind": kind}, True), (pinned, False)):
        settings = model_settings(engine)
        request = engine_request("chat", settings, CONTAINERS)
        plan = model_plan(settings, request, NOWHERE, 0)
        unresolved = plan.container.image.digest is None
        assert unresolved in (said, False)
        warned = [w for w in model_warnings(plan, request, CONTAINERS) if "no known digest" in w]
        assert bool(warned) == unresolved
        local = PLATFORMS["local"].engine_address
        assert not [w for w in model_warnings(plan, request, local) if "digest" in w], "no image is run there"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("source", "form"), [(REPOSITORY, "repository"), (GGUF, "gguf")])
def test_weights_that_it_does_not_read_are_refused(kind: str, source: dict[str, Any], form: str) -> None:
    found = [p for p in capability_problems(kind, requested(kind, source=source)) if ".source." in p.where]
    assert bool(found) == (form not in ENGINES[kind].capabilities.weights)


def test_drafts_that_an_engine_does_not_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours have every method; somebody's own may not."""
    monkeypatch.setattr(Sglang, "capabilities", replace(Sglang.capabilities, speculative={"mtp": "NEXTN"}))
    request = requested("sglang", speculative={"method": "ngram"})
    (problem,) = capability_problems("sglang", request)
    assert problem.where == "slipway:deployment.models.chat.speculative.method"
    assert problem.allowed == "with this engine: `mtp`"
    assert problem.remedy.endswith("an engine that can: `llama_cpp`, `vllm`, `tensorrt_llm`")


@pytest.mark.parametrize("wanted", [{"adapters": {"legal": {"source": REPOSITORY}}}, {"speculative": EAGLE}])
def test_further_weights_need_a_place(wanted: dict[str, Any]) -> None:
    request = requested("vllm", **wanted)
    assert not list(placement_problems("vllm", request, "here", CONTAINERS))
    without = replace(CONTAINERS, further_weights_path=None)
    (problem,) = placement_problems("vllm", request, "here", without)
    assert "further weights" in problem.found
    assert not list(placement_problems("vllm", requested("vllm"), "here", without))


def test_an_engine_s_own_warnings_are_given() -> None:
    settings = model_settings("tensorrt_llm")
    request = engine_request("chat", settings, CONTAINERS)
    assert any(
        "experimental" in w for w in model_warnings(model_plan(settings, request, NOWHERE, 0), request, CONTAINERS)
    )


def test_an_adapter_is_not_called_as_its_model() -> None:
    for name in ("chat", "legal"):
        found = list(capability_problems("vllm", requested("vllm", adapters={name: {"source": REPOSITORY}})))
        assert [problem.where.rpartition(".")[2] for problem in found] == ([name] if name == "chat" else [])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [field.name for field in fields(Parallel)])
def test_parallelism_that_it_does_not_have_is_refused(kind: str, name: str) -> None:
    request = replace(requested(kind), parallel=Parallel(**{name: 2}))
    assert bool(list(capability_problems(kind, request))) == (name not in ENGINES[kind].capabilities.parallel)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "nodes" in ENGINES[kind].capabilities.parallel])
def test_nodes_of_a_replica_differ_in_nothing_but_who_they_are_and_the_api(kind: str) -> None:
    """Otherwise each would load another model, or wait for somebody who is not there."""
    request = replace(requested(kind), parallel=Parallel(nodes=2, tensor=8, pipeline=2))
    container = ENGINES[kind].render(request)
    leader, worker = flags(container), flags(replace(container, arguments=container.worker_arguments))
    assert (leader["--node-rank"], worker["--node-rank"]) == ("0", "{node_rank}")
    different = {flag for flag in {*leader, *worker} if leader.get(flag, "") != worker.get(flag, "")}
    assert different <= {"--node-rank", "--headless", "--host", "--config"}
    assert leader["--nnodes"] == worker["--nnodes"] == "2"
    assert "ray" not in " ".join([*container.arguments, *container.environment]), "whoever reaches Ray runs code in it"
    assert container.shared_memory_gib > ENGINES[kind].render(requested(kind)).shared_memory_gib


def test_a_worker_shows_no_key_and_nothing_outside_of_its_pod() -> None:
    request = replace(requested("sglang"), parallel=Parallel(nodes=2, pipeline=2))
    worker = ENGINES["sglang"].render(request).worker_arguments
    assert worker[worker.index("--host") + 1] == "127.0.0.1"
    assert "--config" not in worker, "it is the file of the key"
