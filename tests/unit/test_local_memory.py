"""What a small machine's memory holds: said where it is said how much there is, and only as far as anybody knows."""

from __future__ import annotations

from typing import Any

from infra.load import validate
from infra.plan.build import build_plan
from infra.stack_file import read_stack_file
from tests.manifests import ROOT
from tests.unit.documents import deployment_of

GGUF = {
    "kind": "huggingface",
    "repo": "Qwen/Qwen3-4B-GGUF",
    "revision": "bc640142c66e1fdd12af0bd68f40445458f3869b",
    "file": "Qwen3-4B-Q4_K_M.gguf",
    "sha256": "7485fe6f11af29433bc51cab58009521f205840f5b4ae3a32fa7f92e8534fdf5",
}


def warnings(gibibytes: int | None, **source: Any) -> list[str]:
    """Of the machine's memory, with a model of 4 billion parameters in 4 bits and a context of 4096 tokens: 3.6 GiB."""
    deployment = deployment_of(read_stack_file(ROOT / "Pulumi.edge.yaml").values)
    small = deployment["models"]["small"]
    small |= {"source": {**GGUF, **source}, "context_tokens": 4096, "concurrent_requests": 1}
    deployment["topology"]["sites"] = {"kiosk": {}}
    deployment["gateway"]["data_classes"] = {"sales": ["stores", "on-prem"]}
    deployment["topology"]["defaults"]["platform"]["memory_gibibytes"] = gibibytes
    said = build_plan(validate(deployment, "case", {}), "case").warnings
    return [warning for warning in said if "GiB" in warning]


def test_what_is_not_said_or_large_enough_is_no_matter() -> None:
    assert warnings(None) == []
    assert warnings(8) == []


def test_a_model_that_fits_once_is_served_and_its_change_is_warned_of() -> None:
    assert warnings(4) == [
        "site `kiosk`: 4 GiB hold the models once and not twice: a change, which runs the new beside the old, needs "
        "the site taken down first"
    ]


def test_a_model_of_unknown_size_is_told() -> None:
    assert warnings(4, repo="example/unknown-GGUF", file="unknown.gguf") == [
        "site `kiosk`: nobody knows how large `small` is, so whether 4 GiB hold it is not checked"
    ]
