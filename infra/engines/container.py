"""What the engines' containers have in common: who they run as, where they may write, how they are probed."""

from __future__ import annotations

from infra.engines.base import EngineRequest
from infra.plan.types import Probe, Probes, Weights

# Above every account that an image or a host is likely to have.
USER = 10001
# Where rendered option files are mounted.
OPTIONS_FOLDER = "/etc/slipway/engine"
# Collectives and worker queues over several GPUs need it; the runtime's own default is 64 MiB.
SHARED_MEMORY_GIB = 20
SHARED_MEMORY_OF_ONE_GPU_GIB = 1
# What ending takes after the last answer: the HTTP server, then the workers.
STOP_MARGIN_SECONDS = 15

# The nodes of one replica meet at its leader. The launcher fills both: only a running pod knows them.
LEADER_ADDRESS = "{leader_address}"
NODE_RANK = "{node_rank}"
MEETING_PORT = 29500
# Each fetches its own weights first where they are on nobody's volume; so long the first one waits for the last.
MEETING_SECONDS = 1800

STARTUP = Probe(period_seconds=10, timeout_seconds=5, failures=None)
READINESS = Probe(period_seconds=5, timeout_seconds=5, failures=2)
LIVENESS = Probe(period_seconds=10, timeout_seconds=10, failures=3)
PROBES = Probes(startup=STARTUP, readiness=READINESS, liveness=LIVENESS)


def python_environment(cache_path: str) -> dict[str, str]:
    """For a Python engine as a user without an account: no network, and every compiler's cache where it may write.

    While it is imported, torch asks for the user's name to call a cache folder after it, even where that folder is
    given, and fails where the user has no entry in the passwd file; `LOGNAME` and `USER` are asked before that file is
    (read in torch/_inductor/runtime/cache_dir_utils.py, 2026-11-25).
    """
    return {
        "HOME": cache_path,
        "USER": "slipway",
        "LOGNAME": "slipway",
        "XDG_CACHE_HOME": cache_path,
        "HF_HOME": f"{cache_path}/huggingface",
        # Weights are there, checked, before the engine starts.
        "HF_HUB_OFFLINE": "1",
        "TORCHINDUCTOR_CACHE_DIR": f"{cache_path}/torchinductor",
        "TRITON_CACHE_DIR": f"{cache_path}/triton",
        "FLASHINFER_WORKSPACE_BASE": cache_path,
    }


def writable_paths(request: EngineRequest) -> tuple[str, ...]:
    return (request.cache_path, "/tmp")  # noqa: S108 - in the container, where a folder of its own is mounted


def shared_memory_gib(request: EngineRequest) -> int:
    spread = request.parallel
    one = spread.nodes * spread.tensor * spread.pipeline * spread.data == 1
    return SHARED_MEMORY_OF_ONE_GPU_GIB if one else SHARED_MEMORY_GIB


def further_weights(request: EngineRequest) -> dict[str, Weights]:
    """Adapters and drafts, by the path where they must be."""
    found = {adapter.path: adapter.weights for adapter in request.adapters.values()}
    if request.speculative and request.speculative.draft and request.speculative.draft_path:
        found[request.speculative.draft_path] = request.speculative.draft
    return found


def endpoints(request: EngineRequest) -> tuple[str, ...]:
    return ("embeddings",) if request.task == "embed" else ("chat_completions", "completions")
