"""Sizing's words: what is asked, what one shape holds and does, and what was rejected and why. All frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.catalog.gpus import Gpu
from infra.catalog.models import Model
from infra.sizing.precision import Precision

GIB = 2**30
VLLM, SGLANG, TENSORRT_LLM, LLAMA_CPP = "vllm", "sglang", "tensorrt_llm", "llama_cpp"
ENGINES = (VLLM, SGLANG, TENSORRT_LLM, LLAMA_CPP)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What clients send: tokens per request, and how many requests are in flight.

    `decode_only`: all prompts are in and nothing interrupts decoding, as llama-bench measures. `saturated`: there is
    always a next request, so `concurrency` of them run all the time.
    """

    input_tokens: int
    output_tokens: int
    concurrency: int = 1
    decode_only: bool = False
    saturated: bool = False

    @property
    def live_tokens(self) -> float:
        """Mean context of a running request: the prompt and half of the answer."""
        return self.input_tokens + self.output_tokens / 2


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What a user must get, in milliseconds; None is "not asked"."""

    time_per_output_token_ms: float | None = None
    time_to_first_token_ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class MeasuredLoad:
    """What a load test found of one replica: the middle of times per output token and how far from it 8 of 10 requests
    were at most, and the 10th and 90th percentile of times to first token."""

    day: str
    requests: int
    workload: Workload
    time_per_output_token_ms: float
    spread_percent: float
    time_to_first_token_ms_low: float
    time_to_first_token_ms_high: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What was measured as a multiple of what was estimated for the same load; holds on these GPUs alone."""

    gpu: str
    tensor_parallel: int
    measured: MeasuredLoad
    time_per_output_token: float
    first_token_low: float
    first_token_high: float


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One replica: a model, stored in one way, on one engine, over some GPUs.

    GPUs beyond tensor x pipeline parallel hold further data-parallel ranks. `engine_version` is (major, minor) or None
    for the version that this project pins. None in the last five means the engine's own default for this card.
    """

    model: Model
    gpu: Gpu
    engine: str
    precision: Precision
    kv_dtype: str
    max_model_len: int
    gpu_count: int = 1
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    expert_parallel: bool = False
    engine_version: tuple[int, int] | None = None
    usable_gib: float | None = None
    memory_fraction: float | None = None
    max_num_seqs: int | None = None
    batched_tokens: int | None = None
    chunked_prefill: bool = True
    # The exact size of the weights where a file states it.
    weights_bytes: int | None = None
    # What was measured of this model; estimates of the same GPUs take its factors.
    calibration: Calibration | None = None

    @property
    def physical_gib(self) -> float:
        """Memory of one card that an engine sees: measured where given, else the catalogue's; never the label."""
        return self.usable_gib or self.gpu.usable_gib

    @property
    def data_parallel(self) -> int:
        return max(1, self.gpu_count // (self.tensor_parallel * self.pipeline_parallel))


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Where one rank's memory goes, in GiB, and what the KV pool then holds. A negative pool does not fit."""

    budget_gib: float
    weights_gib: float
    activation_gib: float
    non_torch_gib: float
    graphs_gib: float
    kv_pool_gib: float
    kv_bytes_per_token: float
    kv_pool_tokens: int
    full_context_requests: float
    max_batch: int


@dataclass(frozen=True, kw_only=True)
class Performance:
    """What one replica does at `batch` running requests. Time to first token is a range: nothing predicts it well.

    `error_band` says how far the estimator was off on measured rows of this class that it had not seen.
    """

    batch: int
    time_per_output_token_ms: float
    output_tokens_per_second: float
    time_to_first_token_ms_low: float
    time_to_first_token_ms_high: float
    estimator: str
    error_band: str


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """Why a shape is not an answer: a constant code and a sentence with the numbers."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What selection is asked for. Tuples are what the user allows, empty is everything; None is "not asked".

    `accelerator` fixed by the user is checked, never overruled. `utilisation` is the share of saturated throughput
    that is expected over a month; only the price per million tokens depends on it.
    """

    model: Model
    workload: Workload
    engine: str
    precisions: tuple[str, ...]
    kv_dtype: str = "auto"
    max_model_len: int | None = None
    objective: Objective = Objective()
    requests_per_second: float | None = None
    accelerator: str | None = None
    tensor_parallel: int | None = None
    clouds: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    purchases: tuple[str, ...] = ("on_demand",)
    min_replicas: int = 1
    max_replicas: int | None = None
    dollars_per_month: float | None = None
    utilisation: float = 0.35
    weights_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Dollars of `instances` machines. None where the catalogue has no price: never 0."""

    per_hour: float | None
    per_month: float | None
    per_month_most: float | None
    per_million_output_tokens: float | None
    per_million_output_tokens_expected: float | None
    price_source: str
    price_as_of: str | None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to serve: a shape on an instance type, how many of it, what it does and costs, or why it does not."""

    cloud: str
    instance_type: str
    region: str
    purchase: str
    nodes: int
    shape: Shape
    replicas: int
    instances: int
    concurrency_per_replica: int
    memory: Memory
    performance: Performance | None
    cost: Cost
    # What the engine must be told so that the figures hold, in words that every engine has a flag for.
    engine_options: Mapping[str, int | float | str]
    rejections: tuple[Rejection, ...]
    warnings: tuple[str, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(known.code for known in self.rejections))


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Answers first, the cheapest at their head; then what has no price; then every rejected shape with its reasons."""

    ranked: tuple[Candidate, ...]
    unpriced: tuple[Candidate, ...]
    rejected: tuple[Candidate, ...]
