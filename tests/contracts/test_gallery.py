"""The gallery: each architecture has a stack file, an agreed plan, a picture, and a test that is there and runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "architectures.md"
ARCHITECTURES = (
    "Monolithic",
    "Microservice",
    "Cloud, serverless",
    "Hybrid",
    "Edge",
    "Containerised",
    "High availability",
)
TEST = re.compile(r"`(tests/[\w/]+\.py::\w+)`")


@dataclass(frozen=True)
class Architecture:
    """What its section names."""

    name: str
    stack_files: tuple[str, ...]
    plans: tuple[str, ...]
    pictures: tuple[str, ...]
    tests: tuple[str, ...]


def sections() -> dict[str, str]:
    """Text by heading."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def gallery() -> list[Architecture]:
    """Those that there must be; one without a section names nothing."""
    found: list[Architecture] = []
    for name in ARCHITECTURES:
        text = sections().get(name, "")
        found.append(
            Architecture(
                name,
                tuple(re.findall(r"`Pulumi\.(\w+)\.yaml`", text)),
                tuple(re.findall(r"`tests/golden/(\w+)\.plan\.yaml`", text)),
                tuple(re.findall(r"!\[[^\]]{20,}\]\(architectures/(\w+)\.svg\)", text)),
                tuple(TEST.findall(text)),
            )
        )
    return found


GALLERY = gallery()


@pytest.mark.parametrize("one", GALLERY, ids=lambda one: one.name)
def test_an_architecture_has_a_stack_file_a_plan_and_a_picture_with_words(one: Architecture) -> None:
    (stack,) = one.stack_files
    assert one.plans == one.pictures == (stack,)
    for path in (f"Pulumi.{stack}.yaml", f"tests/golden/{stack}.plan.yaml", f"docs/architectures/{stack}.svg"):
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize("one", GALLERY, ids=lambda one: one.name)
def test_an_architecture_has_a_test_that_runs_it(one: Architecture) -> None:
    assert one.tests
    started = ("tests/engine/", "tests/cluster/", "tests/serving/", "tests/clouds/", "tests/faults/")
    assert any(test.startswith(started) for test in one.tests), "one that starts something, not only looks at a plan"


def test_every_test_that_is_named_is_collected() -> None:
    named = sorted({test for one in GALLERY for test in one.tests})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *named]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    collected = {line.partition("[")[0] for line in ran.stdout.splitlines()}
    assert set(named) <= collected


def test_every_stack_that_ships_is_in_the_gallery() -> None:
    shipped = {path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml")}
    assert {stack for one in GALLERY for stack in one.stack_files} == shipped


def test_its_table_leads_to_every_architecture_and_its_stack_file() -> None:
    table = sections()["Which topology do I need?"]
    for one in GALLERY:
        anchor = re.sub(r"[^\w -]", "", one.name.lower()).replace(" ", "-")
        (stack,) = one.stack_files
        assert re.search(rf"\(#{anchor}\) \| `Pulumi\.{stack}\.yaml`", table), one.name


def test_every_path_that_is_named_is_there() -> None:
    named = re.findall(r"`(tests/[\w./-]+)", PAGE.read_text(encoding="utf-8"))
    assert named
    assert [path for path in named if not (ROOT / path.partition("::")[0]).exists()] == []
