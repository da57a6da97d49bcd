"""LiteLLM as one more peer, where somebody has installed it; nothing depends on it."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from pathlib import Path

from bench.gateway.features import KEY, MODEL
from bench.gateway.processes import Running, free_port, start


def start_litellm(stack: ExitStack, folder: Path, engine_port: int, core: int) -> list[Running]:
    """Its proxy with one worker in front of the same engine, or nothing."""
    program = shutil.which("litellm")
    if program is None:
        return []
    port = free_port()
    # JSON is YAML.
    settings = {
        "model_list": [
            {
                "model_name": MODEL,
                "litellm_params": {
                    "model": f"openai/{MODEL}",
                    "api_base": f"http://127.0.0.1:{engine_port}/v1",
                    "api_key": "none",
                },
            }
        ],
        "general_settings": {"master_key": KEY},
    }
    file = folder / "litellm.yaml"
    file.write_text(json.dumps(settings))
    command = [program, "--config", file, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    return [start(stack, "litellm", command, core, port, folder / "litellm.log")]
