"""What makes a new version of a model: smaller weights of the same (optimisations), weights that know more (refreshes).

A kind is a file and a line here. Each is declared with the model, planned without a cloud and run by `serving.making`,
which registers the result only where it is good enough.
"""

from infra.making.base import MakingKind
from infra.registry import Registry

OPTIMISATIONS: Registry[MakingKind] = Registry(
    name="optimisations",
    builtin={
        "gguf": "infra.making.gguf:GGUF",
        "llm_compressor": "infra.making.llm_compressor:LLM_COMPRESSOR",
        "modelopt": "infra.making.modelopt:MODELOPT",
    },
)
REFRESHES: Registry[MakingKind] = Registry(
    name="refreshes", builtin={"lora": "infra.making.lora:LORA", "lora_job": "infra.making.lora_job:LORA_JOB"}
)
