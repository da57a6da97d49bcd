"""How fast a cold start's phases go: rates and times that were seen, each with who saw them and when.

A band, not a number: `low` is the end with the short time (of a rate, the fast one), `high` the one with the long time.
What nobody measured says so in its source.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.plan.start_types import Seen

# GB of a compressed image per second, pulled and unpacked layer by layer.
PULL_GB_PER_SECOND = Seen(
    low=0.083,
    high=0.017,
    source="AWS ML blog: 15-20 GB in 4-6 minutes; Tensorfuse: 10 GB in 7-10 minutes",
    as_of="2026-06",
)
# The part of an image that a start reads when the rest streams in behind it.
STREAMED_SHARE = Seen(
    low=0.1,
    high=0.4,
    source="assumed: an engine reads its Python packages and CUDA libraries, not measured",
    as_of="2026-11",
)
# One node's download from a hub or a bucket, GB/s: 61 GiB in 491 s.
FETCH_GB_PER_SECOND = Seen(
    low=0.40,
    high=0.133,
    source="public notes on vLLM with Qwen2.5-32B: 491 s; the fast end is assumed",
    as_of="2026-03-04",
)
# A bucket in the same region, GB/s. The launcher opens 8 connections.
BUCKET_GB_PER_SECOND = Seen(
    low=0.68,
    high=0.2,
    source="S3 user guide, performance design patterns: 85-90 MB/s for each of 8 connections; the slow end is assumed, "
    "and that Cloud Storage gives as much",
    as_of="2026-11",
)
# The same bucket, read straight into GPUs over 32 connections, GB/s.
STREAMED_GB_PER_SECOND = Seen(
    low=3.0,
    high=0.68,
    source="Run:ai's benchmark of its streamer (2024-10-29): 15 GB from S3 in 4.9 s over 32 connections, one A10G; "
    "the slow end is what S3 gives to 8 of them",
    as_of="2026-11",
)
# A registry in the same region, layers in parallel (20 downloads of 16 MB chunks, as ai-on-eks ships), GB/s.
REGISTRY_GB_PER_SECOND = Seen(low=0.6, high=0.2, source="assumed: parallel pull inside a region", as_of="2026-11")
# A disk of the node or a shared volume that already holds the weights, GB/s.
CACHE_GB_PER_SECOND = Seen(
    low=2.0, high=0.5, source="gp3 gives at most 1,000 MiB/s, local NVMe more; slow end assumed", as_of="2026-11"
)
# Share of a network's nominal speed that one download gets at best.
NETWORK_SHARE = 0.8


@dataclass(frozen=True, kw_only=True)
class EngineRates:
    """From weights on disk to answers: GiB/s into memory, then seconds of compiling and capturing."""

    load_gib_per_second: Seen
    warm_up_seconds: Seen
    compile_cache_seconds: Seen


_VLLM_LOAD = Seen(
    low=2.8,
    high=0.88,
    source="public notes: 61 GiB in about 22 s (32B bf16); 5.3 GiB in 6 s (7B AWQ, RTX 4080)",
    as_of="2026-08-02",
)
_VLLM_WARM = Seen(
    low=60,
    high=120,
    source="public notes: 88 s (59 compile, 29 graphs) and 94 s seen, widened by 30 %",
    as_of="2026-08-02",
)
_VLLM_CACHED = Seen(
    low=33, high=84, source="public notes: 55-106 s in all with weights and compile cache present", as_of="2026-03-04"
)
_SGLANG_LOAD = Seen(
    low=2.8,
    high=0.67,
    source="SGLang issue 33522: Qwen3-235B FP8 (219 GiB) on 4 GPUs in 306-327 s; the fast end is vLLM's",
    as_of="2026-08-04",
)
_SGLANG_WARM = Seen(
    low=46,
    high=134,
    source="SGLang's own startup timings in public logs, without the load: 46, 54 and 103 s seen, widened by 30 %",
    as_of="2026-08-27",
)
ENGINE_RATES = {
    "vllm": EngineRates(load_gib_per_second=_VLLM_LOAD, warm_up_seconds=_VLLM_WARM, compile_cache_seconds=_VLLM_CACHED),
    # Nobody has measured how much of it a kept cache of kernels spares: none of it is counted.
    "sglang": EngineRates(
        load_gib_per_second=_SGLANG_LOAD, warm_up_seconds=_SGLANG_WARM, compile_cache_seconds=_SGLANG_WARM
    ),
    "llama_cpp": EngineRates(
        load_gib_per_second=Seen(
            low=2.0, high=0.5, source="memory-mapped file: the disk's speed; assumed", as_of="2026-11"
        ),
        warm_up_seconds=Seen(
            low=1, high=5, source="1.8 s in all with a 135M model, measured on 2 cores", as_of="2026-11"
        ),
        compile_cache_seconds=Seen(low=1, high=5, source="it compiles nothing", as_of="2026-11"),
    ),
}


def engine_rates(engine: str) -> EngineRates:
    """Those of an engine; for one that nobody measured, the slowest of the others, which its sources say."""
    return ENGINE_RATES.get(engine) or _slowest()


def _slowest() -> EngineRates:
    every = ENGINE_RATES.values()
    loads = [rates.load_gib_per_second for rates in every]
    return EngineRates(
        load_gib_per_second=_not_measured(min(seen.low for seen in loads), min(seen.high for seen in loads)),
        warm_up_seconds=_longest([rates.warm_up_seconds for rates in every]),
        compile_cache_seconds=_longest([rates.compile_cache_seconds for rates in every]),
    )


def _longest(times: list[Seen]) -> Seen:
    return _not_measured(max(seen.low for seen in times), max(seen.high for seen in times))


def _not_measured(low: float, high: float) -> Seen:
    return Seen(low=low, high=high, source=f"not measured: the slowest of {', '.join(ENGINE_RATES)}", as_of="2026-11")
