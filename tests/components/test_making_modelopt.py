"""A making by NVIDIA's Model Optimizer as registered: the same job as any other, with its own script."""

from __future__ import annotations

import json

from tests.manifests import objects, recorded
from tests.on_a_cluster import FILE, Deployment, of_kind
from tests.one_model import one_model

IMAGE = f"registry.example.com/team/modelopt@sha256:{'5' * 64}"
NAME = "making-chat-optimisation"


def declared(raw: Deployment) -> None:
    one_model(raw)
    raw["models"]["chat"]["engine"] = {
        "kind": "tensorrt_llm",
        "image": f"registry.example.com/tensorrt-llm@sha256:{'6' * 64}",
    }
    raw["models"]["chat"]["optimisation"] = {
        "kind": "modelopt",
        "scheme": "fp8",
        "image": IMAGE,
        "texts": ["What is the capital of France?", "Summarise this letter."],
        "version": "fp8",
        "evaluation": "facts",
    }


def test_its_script_reads_the_weights_and_trtllm_serve_the_result() -> None:
    found = objects(recorded(FILE, declared))
    told = of_kind(found, "ConfigMap")[NAME]["data"]
    for script in ("quantise.py", "asked.py"):
        compile(told[script], script, "exec")
    assert json.loads(told["recipe.json"]) == {"config": "FP8_DEFAULT_CFG"}
    assert json.loads(told["texts.json"])["texts"] == ["What is the capital of France?", "Summarise this letter."]

    pod = of_kind(found, "CronJob")[NAME]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    tool, engine = pod["initContainers"][-2:]
    result = "/models/chat/.fp8.unfinished"
    assert (tool["image"], tool["command"]) == (
        IMAGE,
        ["python3", "/etc/slipway/tool/quantise.py", "/weights/chat", result],
    )
    (volume,) = (one for one in pod["volumes"] if one["name"] == "tool")
    files = {item["path"] for item in volume["configMap"]["items"]}
    assert files == {"quantise.py", "asked.py", "recipe.json", "texts.json"}
    assert engine["command"] == ["trtllm-serve"]
    assert engine["args"][0] == result
    assert tool["resources"]["limits"]["nvidia.com/gpu"] == engine["resources"]["limits"]["nvidia.com/gpu"]
