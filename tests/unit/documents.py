"""Generated stack files: a valid document, and what may happen to it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import settings
from hypothesis import strategies as st

from infra.config import DEPLOYMENT_KEY
from infra.problems import Refused
from infra.stack_file import read_stack_file
from tests.conftest import SEARCH_FACTOR


def examples(count: int) -> settings:
    """How many examples a property is tried with; more when somebody searches."""
    return settings(max_examples=count * (SEARCH_FACTOR or 1))


CORPUS = Path(__file__).parent.parent / "config"
VALID: list[Any] = [read_stack_file(path).values for path in sorted(CORPUS.glob("*.happy.yaml"))]

WORDS = (
    *("kind", "local", "llama_cpp", "package", "huggingface", "file", "monolithic", "chat", "dev", "models", "secure"),
    *("vllm", "sglang", "tensorrt_llm", "ngram", "eagle3", "fp8", "hermes", "--enforce-eager", "embed"),
    *("", "..", "[key]", "0", "1.30", "a/b", "main", "hf_AbCdEfGhIjKlMnOpQrStUvWxYz", "sk-AbCdEfGhIjKlMnOpQrStUv"),
)
words = st.sampled_from(WORDS)
texts = words | st.text(max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.sampled_from([0, 1, 2**63, 10**30])
    | st.floats(allow_nan=True, allow_infinity=True)
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A valid file's values after up to three changes, each somewhere in them."""
    document = copy.deepcopy(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 3))):
        _mutate(draw, document)
    return document


def _mutate(draw: st.DrawFn, document: Any) -> None:
    place = draw(st.sampled_from(list(_containers(document))))
    keys = list(range(len(place))) if isinstance(place, list) else list(place)
    key = draw(st.sampled_from(keys)) if keys else None
    change = draw(st.sampled_from(["replace", "remove", "add", "move"]))
    if change == "add" or key is None:
        if isinstance(place, list):
            place.append(draw(values))
        else:
            place[draw(texts)] = draw(values)
    elif change == "replace":
        place[key] = draw(values)
    elif change == "remove":
        del place[key]
    else:  # something valid, in a place where it may not be
        place[key] = copy.deepcopy(draw(st.sampled_from(list(_containers(document)))))


def _containers(value: Any) -> list[Any]:
    """Every map and list of a document, outermost first."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [container for item in inside for container in _containers(item)]
    return [value, *found] if isinstance(value, dict | list) else found


def as_yaml(document: Any) -> bytes:
    """A document as YAML; what YAML cannot write (lone surrogates) is left out."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode("utf-8", "ignore")


def deployment_of(document: Any) -> Any:
    """What stands under `slipway:deployment`, or None."""
    config = document.get("config") if isinstance(document, dict) else None
    return config.get(DEPLOYMENT_KEY) if isinstance(config, dict) else None


def assert_helpful(refused: Refused) -> None:
    """At least one problem, each with four parts that can be read in a terminal, and no secret."""
    assert refused.problems
    for problem in refused.problems:
        for part in (problem.where, problem.found, problem.allowed, problem.remedy):
            assert part.strip(), problem
            assert part.isprintable(), problem
    assert not [secret for secret in ("hf_AbCd", "sk-AbCd") if secret in str(refused)]
