"""Doctor's table as a person sees it, its JSON, and what the command answers."""

from __future__ import annotations

import json
import sys

import pytest

from infra.__main__ import main
from infra.doctor.finding import look, missing, ok, unknown
from infra.doctor.table import is_missing, to_json, to_table
from infra.platforms import PLATFORMS
from infra.registry import load_object

FOUND = {
    "": (
        missing(
            "deployment.models.chat.engine.image", "nothing, so that it would be whatever its tag is today", "name it"
        ),
    ),
    "datacentre": (
        ok(
            "Kubernetes",
            "version v1.35.1, told at such a length that it needs the room of both columns",
        ),
        look("domain llm.example.com", "has no address yet", "once deployed, point it to the gateway's address"),
        unknown("network policies", "no network that is known here was found", "try one that denies everything"),
    ),
}


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_it_is_as_wide_as_the_terminal_and_loses_no_word(width: int) -> None:
    table = to_table("onprem", FOUND, width=width, colours=False)
    assert max(map(len, table.splitlines())) <= width
    words = {word for rows in FOUND.values() for one in rows for word in f"{one.found} {one.remedy}".split()}
    assert words <= {*table.split()}
    assert "\x1b" not in table
    assert " ".join(table.split()).endswith("1 missing, 1 to look at, 1 that cannot be told, 1 as it must be")


def test_what_needs_nothing_done_has_the_room_of_both_columns() -> None:
    (line,) = [line for line in to_table("s", FOUND, width=120, colours=False).splitlines() if "Kubernetes" in line]
    assert line.endswith("both columns")


def test_colours_only_where_they_are_asked_for() -> None:
    table = to_table("onprem", FOUND, width=80, colours=True)
    assert "\x1b[1;31mmissing\x1b[0m" in table.replace("  \x1b[0m", "\x1b[0m")
    plain = table
    for code in ("\x1b[32m", "\x1b[1;31m", "\x1b[33m", "\x1b[36m", "\x1b[0m"):
        plain = plain.replace(code, "")
    assert plain == to_table("onprem", FOUND, width=80, colours=False)


def test_json_has_every_row() -> None:
    said = json.loads(to_json("onprem", FOUND))
    assert said["missing"] is True
    assert [one["state"] for one in said["findings"]] == ["missing", "ok", "look", "unknown"]
    assert said["findings"][0]["site"] is None
    assert not is_missing({"datacentre": FOUND["datacentre"]})


def test_a_platform_without_live_checks_says_so_and_is_not_green(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as one of somebody else's: each of ours has a doctor."""
    monkeypatch.setattr(type(PLATFORMS["gcp"]), "doctor", None)
    # As JSON: a table breaks what is said where it has no more room.
    assert main(["doctor", "--stack", "staging", "--format", "json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)["findings"]
    assert (row["site"], row["state"]) == ("main", "missing")
    assert "live checks of this platform are not available" in row["found"]


def test_doctors_of_the_registry_can_be_asked() -> None:
    found = {kind: load_object(one.doctor) for kind, one in PLATFORMS.items() if one.doctor}
    assert {*found} == {"local", "kubernetes", "aws", "gcp", "cloud_run"}
    assert all(callable(one.findings) for one in found.values())


def test_without_the_client_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes.config", None)
    assert main(["doctor", "--stack", "onprem"]) == 1
    said = capsys.readouterr().err
    assert "found    not installed" in said
    assert "do       run `tools/python/install kubernetes`" in said


def test_a_stack_that_is_not_there_is_a_problem_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--stack", "nowhere"]) == 1
    assert "Pulumi.nowhere.yaml" in capsys.readouterr().err
