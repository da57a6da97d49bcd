"""Stands in for the `llama-server` binary with the llama.cpp of the `xllamacpp` wheel; takes the same options."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Any, cast

import xllamacpp  # pyright: ignore[reportMissingTypeStubs]

# The wheel carries no type information.
llama = cast(Any, xllamacpp)

CACHE_TYPES = {"f16": "GGML_TYPE_F16", "bf16": "GGML_TYPE_BF16", "q8_0": "GGML_TYPE_Q8_0"}
REASONING_FORMATS = {"auto": "COMMON_REASONING_FORMAT_AUTO"}
# Only what needs no weights of its own: a generation has one set for each engine.
DRAFTS = {"ngram-simple": "COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE", "draft-mtp": "COMMON_SPECULATIVE_TYPE_DRAFT_MTP"}
POOLING_TYPES = {"mean": "LLAMA_POOLING_TYPE_MEAN"}


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options of `llama-server` that slipway renders; any other is refused, as the binary would."""
    parser = argparse.ArgumentParser(prog="llama-server", allow_abbrev=False)
    parser.add_argument("--model", required=True)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--api-key-file", type=Path, required=True)
    parser.add_argument("--ctx-size", type=int, required=True)
    parser.add_argument("--parallel", type=int, required=True)
    parser.add_argument("--n-gpu-layers", type=int, required=True)
    parser.add_argument("--fit", choices=("on", "off"), required=True)
    parser.add_argument("--cache-type-k", choices=CACHE_TYPES, required=True)
    parser.add_argument("--cache-type-v", choices=CACHE_TYPES, required=True)
    parser.add_argument("--cache-ram", type=int, required=True)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--pooling", choices=POOLING_TYPES)
    parser.add_argument("--reasoning-format", choices=REASONING_FORMATS)
    parser.add_argument("--spec-type", choices=DRAFTS)
    parser.add_argument("--spec-ngram-simple-size-m", type=int)
    parser.add_argument("--spec-draft-n-max", type=int)
    for flag in ("--offline", "--metrics", "--no-ui", "--no-slots", "--embeddings", "--jinja", "--no-cache-prompt"):
        parser.add_argument(flag, action="store_true")
    return parser.parse_args(arguments)


def parameters(options: argparse.Namespace) -> Any:
    """llama.cpp's own parameters for these options."""
    params = llama.CommonParams()
    params.model.path = options.model
    params.model_alias = {options.alias}
    params.hostnames = [options.host]
    params.port = options.port
    params.api_keys = options.api_key_file.read_text(encoding="ascii").split()
    params.n_ctx = options.ctx_size
    params.n_parallel = options.parallel
    params.n_gpu_layers = options.n_gpu_layers
    params.fit_params = options.fit == "on"
    params.cache_type_k = getattr(llama.ggml_type, CACHE_TYPES[options.cache_type_k])
    params.cache_type_v = getattr(llama.ggml_type, CACHE_TYPES[options.cache_type_v])
    params.cache_ram_mib = options.cache_ram
    params.offline = options.offline
    params.endpoint_metrics = options.metrics
    params.ui = not options.no_ui
    params.endpoint_slots = not options.no_slots
    params.embedding = options.embeddings
    if options.pooling:
        params.pooling_type = getattr(llama.llama_pooling_type, POOLING_TYPES[options.pooling])
    params.cache_prompt = not options.no_cache_prompt
    if options.jinja:
        params.use_jinja = True
    if options.reasoning_format:
        params.reasoning_format = getattr(llama.common_reasoning_format, REASONING_FORMATS[options.reasoning_format])
    if options.spec_type:
        params.speculative.types = [getattr(llama.common_speculative_type, DRAFTS[options.spec_type])]
    if options.spec_ngram_simple_size_m:
        params.speculative.ngram_simple.size_m = options.spec_ngram_simple_size_m
    if options.spec_draft_n_max:
        params.speculative.draft.n_max = options.spec_draft_n_max
    if options.threads:
        params.cpuparams.n_threads = options.threads
        params.cpuparams_batch.n_threads = options.threads
    # A free HTTP thread per stream, and some for probes: llama.cpp holds one for as long as a stream lasts.
    params.n_threads_http = 4 * options.parallel + 16
    return params


def main() -> None:
    # Like the binary, it ends at once, while loading too, and cuts what still runs: draining is the launcher's work.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server = llama.Server(parameters(parse(sys.argv[1:])))
    while server:
        signal.pause()


if __name__ == "__main__":
    main()
