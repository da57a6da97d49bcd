"""The reference page: fresh, complete, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.__main__ import main
from infra.load import config_schema
from infra.reference import REFERENCE_FILE, _anchor, rendered
from infra.schema import SECRETS

PAGE = rendered()
HEADINGS = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)


def test_the_page_in_the_repository_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reference", "--check"]) == 0, capsys.readouterr().err


def test_a_stale_page_is_red(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("infra.reference.REFERENCE_FILE", path := tmp_path / REFERENCE_FILE.name)
    assert main(["reference", "--check"]) == 1
    path.write_text("# old", encoding="utf-8")
    assert main(["reference", "--check"]) == 1
    assert "is stale: run `make schema`" in capsys.readouterr().err
    assert main(["reference", "--write"]) == 0
    assert main(["reference", "--check"]) == 0


def test_every_field_has_a_row_with_its_meaning() -> None:
    definitions = [config_schema(), *config_schema()["$defs"].values()]
    fields = [name for known in definitions if known["title"] != "SecretSettings" for name in known["properties"]]
    rows = re.findall(r"^\| `([a-z0-9_]+)` \|(?: .*)? \| (.+) \|$", PAGE, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(fields)
    assert all(len(meaning) > 9 for _, meaning in rows)
    assert all(f"`{key}`" in PAGE for key in SECRETS)


def test_every_link_leads_to_a_heading_and_no_two_are_alike() -> None:
    anchors = [_anchor(heading) for heading in HEADINGS]
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r"\]\(#([^)]*)\)", PAGE)) <= set(anchors)
