"""The registry: ours by name, others' by entry point; others may add a kind and never replace one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from infra.engines import ENGINES
from infra.registry import Registry, load_object

ROOT = Path(__file__).parent.parent.parent


def registry(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> Registry[Any]:
    """A registry of one kind (`json`), in an environment where these entry points are installed."""

    def installed(group: str) -> list[EntryPoint]:
        return [point for point in points if point.group == group]

    monkeypatch.setattr("infra.registry.entry_points", installed)
    return Registry(name="forms", builtin={"json": "json:dumps"})


def test_an_entry_point_adds_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    forms = registry(
        monkeypatch,
        EntryPoint(name="zip", value="zlib:compress", group="slipway.forms"),
        EntryPoint(name="csv", value="csv:writer", group="slipway.forms"),
        EntryPoint(name="other", value="os:getcwd", group="slipway.engines"),
    )
    assert forms.kinds() == ("json", "csv", "zip")
    assert forms["csv"] is load_object("csv:writer")
    assert dict(forms.items())["json"] is json.dumps


def test_an_entry_point_cannot_replace_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    forms = registry(monkeypatch, EntryPoint(name="json", value="os:getcwd", group="slipway.forms"))
    assert forms.kinds() == ("json",)
    assert forms["json"] is json.dumps


def test_nothing_is_imported_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    forms = registry(monkeypatch, EntryPoint(name="broken", value="no_such_module:x", group="slipway.forms"))
    assert forms.kinds() == ("json", "broken")
    with pytest.raises(ModuleNotFoundError):
        forms["broken"]


def test_an_unknown_kind_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        ENGINES["no_such_engine"]


ACME = """
from typing import Literal
from pydantic import Field
from infra.engines.base import EngineSettings
from infra.engines.llama_cpp import LlamaCpp

class Settings(EngineSettings):
    kind: Literal["acme"] = Field(description="Acme's engine.")
    threads: int | None = None
    gpu_layers: int = 0
    host_prompt_cache_mebibytes: int = 0
    boost_percent: int = Field(default=0, ge=0, le=10, description="How much faster.")

class Acme(LlamaCpp):
    settings = Settings

ENGINE = Acme()
"""

PLAN = """
import sys
from pathlib import Path
from infra.load import load_file
from infra.plan.build import build_plan
from infra.problems import Refused
from infra.engines import ENGINES
print(type(ENGINES["llama_cpp"]).__module__)
for text in ("{kind: acme, boost_percent: 3}", "{kind: acme, boost_percent: 11}", "{kind: acmee}"):
    path = Path(sys.argv[2])
    path.write_text(Path(sys.argv[1]).read_text().replace("{kind: llama_cpp}", text))
    try:
        print(build_plan(load_file(path), "case").models["chat"].engine)
    except Refused as refused:
        print(refused.problems[0].where, "|", refused.problems[0].remedy)
"""


def test_an_engine_in_somebodys_own_package_is_a_kind_like_ours(tmp_path: Path) -> None:
    """With a real distribution on the path: schema, planner and error messages know it without a change here."""
    (tmp_path / "acme.py").write_text(ACME)
    (about := tmp_path / "acme-1.0.dist-info").mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[slipway.engines]\nacme = acme:ENGINE\nllama_cpp = acme:ENGINE\n")
    minimal = ROOT / "tests/config/minimal.happy.yaml"
    said = subprocess.run(
        [sys.executable, "-c", PLAN, str(minimal), str(tmp_path / "Pulumi.case.yaml")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path)))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.stdout.splitlines() == [
        "infra.engines.llama_cpp",
        "acme",
        "slipway:deployment.models.chat.engine.boost_percent (line 15) | "
        "change it to what is allowed, or leave it out: the default is `0`",
        "slipway:deployment.models.chat.engine.kind (line 15) | did you mean `acme`?",
    ], said.stderr


ONLY_HERE = """
import sys
from pathlib import Path
from infra.load import load_file
from infra.plan.build import build_plan
build_plan(load_file(Path(sys.argv[1])), "case")
print(*sorted(name for name in sys.modules if name.startswith("infra.platforms.") and name.endswith(".plan")))
"""


def test_a_stack_plans_with_its_own_platform_alone() -> None:
    """The schema knows what is written of every one of them; a plan is slow enough without the others'."""
    said = subprocess.run(
        [sys.executable, "-c", ONLY_HERE, str(ROOT / "tests/config/minimal.happy.yaml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.stdout.split() == ["infra.platforms.local.plan"], said.stderr
