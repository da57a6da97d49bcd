"""What runs the weights: one file and one registry line per engine."""

from infra.engines.base import Engine
from infra.registry import Registry

ENGINES: Registry[Engine] = Registry(
    name="engines",
    builtin={
        "llama_cpp": "infra.engines.llama_cpp:ENGINE",
        "vllm": "infra.engines.vllm:ENGINE",
        "sglang": "infra.engines.sglang:ENGINE",
        "tensorrt_llm": "infra.engines.tensorrt_llm:ENGINE",
    },
)
