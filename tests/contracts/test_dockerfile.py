"""The Dockerfile against the catalogue and the engines: bases, user, entry point, what every target has in common."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from infra.engines import ENGINES
from infra.engines.container import USER
from tools.images.bases import CATALOGUE, DOCKERFILE, bases
from tools.images.build import INPUTS, SUITE

ROOT = Path(__file__).resolve().parents[2]
TEXT = DOCKERFILE.read_text(encoding="utf-8")
STAGES = {
    match["name"]: match["body"]
    for match in re.finditer(r"^FROM \S+ AS (?P<name>\w+)\n(?P<body>.*?)(?=^FROM |\Z)", TEXT, re.MULTILINE | re.DOTALL)
}
# llama.cpp comes from its wheel on Debian, not from its own image.
ON_ENGINES_IMAGES = {"VLLM": "vllm", "SGLANG": "sglang", "TENSORRT_LLM": "tensorrt_llm"}
DEBIAN_SUITES = {"12": "bookworm", "13": "trixie"}


def test_a_target_for_every_engine_and_the_gateway() -> None:
    assert {"gateway", *ENGINES.builtin} <= STAGES.keys()


@pytest.mark.parametrize(("argument", "engine"), ON_ENGINES_IMAGES.items())
def test_bases_are_the_catalogues(argument: str, engine: str) -> None:
    """One source of truth: what the planner renders flags for is what the image runs."""
    entry, base = json.loads(CATALOGUE.read_text())[engine], bases(DOCKERFILE)[argument]
    assert (base.repository, base.tag, base.digest) == (entry["image"], entry["tag"], entry["digest"])
    assert f"FROM ${{{argument}}} AS {engine}\n" in TEXT


def test_every_base_is_an_argument_with_a_tag_that_stays() -> None:
    known = bases(DOCKERFILE)
    origins = re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE)
    assert {origin.strip("${}") for origin in origins} <= {*known, *STAGES, "scratch"}
    assert [base for base in known.values() if not re.search(r"\d+\.\d+", base.tag)] == []


def test_the_build_without_a_registry_has_the_same_debian() -> None:
    assert DEBIAN_SUITES[bases(DOCKERFILE)["DEBIAN"].tag.partition(".")[0]] == SUITE


@pytest.mark.parametrize("target", ["gateway", *ON_ENGINES_IMAGES.values()])
def test_every_target_runs_the_launcher_as_the_same_user(target: str) -> None:
    instructions = STAGES[target]
    assert re.findall(r"^USER (\S+)", instructions, re.MULTILINE)[-1] == f"{USER}:{USER}"
    said = re.compile(r"^(?:ENTRYPOINT|CMD|HEALTHCHECK|WORKDIR).*?(?<!\\)$", re.MULTILINE | re.DOTALL)
    assert said.findall(instructions) == [
        "WORKDIR /",
        'ENTRYPOINT ["/opt/slipway/bin/python", "-m", "serving.launcher", "--container", "/run/slipway"]',
        'CMD ["/etc/slipway/launcher.json"]',
        "HEALTHCHECK --interval=10s --timeout=10s --start-period=60m --retries=3 \\\n"
        '    CMD ["/opt/slipway/bin/python", "-m", "serving.launcher.health", "/run/slipway"]',
    ]


def test_llama_cpp_is_the_gateways_image_with_the_engine() -> None:
    assert "FROM gateway AS llama_cpp\n" in TEXT
    (line,) = (line for line in STAGES["llama_cpp"].splitlines() if line.startswith("COPY serving_image"))
    assert line.endswith(" /app/llama-server"), "the command that infra/engines/llama_cpp.py renders"
    assert not re.search(r"^(USER|ENTRYPOINT|CMD)", STAGES["llama_cpp"], re.MULTILINE)


def test_what_is_sent_to_the_builder_is_named() -> None:
    """Everything else of the checkout, state and secrets too, stays out."""
    lines = (ROOT / "serving_image/Dockerfile.dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", TEXT, re.MULTILINE)
        for source in line.split()
        if source != "--chmod"
    }
    assert lines[1] == "*"
    assert allowed == copied | {"serving_image/beside_engine.sh"}
    assert {name for name in allowed if name.startswith("requirements/")} == set(INPUTS)


def test_what_compiles_is_locked() -> None:
    """The builder takes it out of requirements/dev.txt by name."""
    (names,) = re.findall(r"for name in (.*); do", TEXT)
    locked = {line.partition("==")[0] for line in (ROOT / "requirements/dev.txt").read_text().splitlines()}
    assert set(names.split()) <= locked
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["local"][0]
    assert f"{version} \\\n" in (ROOT / "requirements/local.txt").read_text()
