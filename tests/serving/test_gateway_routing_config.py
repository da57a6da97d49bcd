"""Configurations of routing that make no sense are refused, each in four parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from serving.gateway.config import ConfigProblem, load_config
from tests.serving.routed import configuration, model

BAD: list[tuple[dict[str, Any], str]] = [
    (
        {"fallbacks": ["nope"]},
        "models.m.fallbacks[0]: found something else (not shown); allowed is another configured model: small",
    ),
    ({"fallbacks": ["m"]}, "models.m.fallbacks[0]: found something else"),
    ({"fallbacks": ["small"]}, "small, which has fewer context_tokens and fewer max_output_tokens"),
    ({"routes": {"to": {"a": {"model": "m", "weight": 0}}}}, "models.m.routes.to: found weights that are all 0"),
    ({"shadow": {"model": "x", "percent": 1}}, "models.m.shadow.model: found something else"),
    (
        {"routing": {"balance": "random"}},
        "models.m: found a problem (a value that is not one of those allowed",
    ),
    ({"upstream": {"discover": {"kind": "dns"}, "url": "https://a"}}, "found https together with discover"),
]


@pytest.mark.parametrize(("fields", "text"), BAD, ids=[text[:40] for _, text in BAD])
def test_configurations_that_make_no_sense_are_refused(fields: dict[str, Any], text: str, tmp_path: Path) -> None:
    small = {"context_tokens": 8, "max_output_tokens": 4}
    config = configuration({"m": model(["http://127.0.0.1:1"], **fields), "small": model(["http://h"], **small)})
    (tmp_path / "c.json").write_text(json.dumps(config))
    with pytest.raises(ConfigProblem) as caught:
        load_config(tmp_path / "c.json")
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("top", "client", "text"),
    [
        ({"data_classes": {"restricted": ["local", "cloud"]}}, {}, "restricted data never leaves it"),
        ({"data_classes": {"open": ["moon"]}}, {}, "1 others (not shown), where no upstream is"),
        (
            {},
            {"data_class": "secret"},
            "clients.dev.data_class: found something else (not shown); allowed is a class of data_classes",
        ),
    ],
)
def test_boundaries_that_make_no_sense_are_refused(top: Any, client: Any, text: str, tmp_path: Path) -> None:
    config = configuration({"m": model(["http://h"], upstream={"boundary": "cloud"})}, top=top)
    config["clients"]["dev"] |= client
    (tmp_path / "c.json").write_text(json.dumps(config))
    with pytest.raises(ConfigProblem) as caught:
        load_config(tmp_path / "c.json")
    assert text in str(caught.value)
