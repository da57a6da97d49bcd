"""What runs the weights: one file and one registry line per engine."""

from infra.engines.base import Engine
from infra.registry import Registry

ENGINES: Registry[Engine] = Registry(
    name="engines",
    builtin={"llama_cpp": "infra.engines.llama_cpp:ENGINE"},
)
