"""The command that contains: what it adds and lifts, what it refuses, and where it writes on this machine."""

from __future__ import annotations

import argparse
import json
import stat
from pathlib import Path

import pytest

from infra.__main__ import main
from infra.containment.arguments import KINDS, add_arguments
from infra.containment.command import changed
from infra.platforms import PLATFORMS
from infra.platforms.kubernetes.containment import CONTAINMENT as IN_A_CLUSTER
from infra.platforms.local import containment
from infra.platforms.local.private_files import make_private
from infra.problems import Refused
from infra.registry import load_object
from serving.audit.command_line import _parser as audit_parser  # pyright: ignore[reportPrivateUsage]
from serving.gateway.containment import read_contained


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(containment, "ROOT", tmp_path)
    return tmp_path / ".slipway" / "gateway" / "dev" / "here" / "contained.json"


def test_it_adds_shows_and_lifts(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> str:
        assert main(["contain", *arguments]) == 0
        return capsys.readouterr().out

    assert "nothing is blocked" in said()
    assert not written.exists(), "looking writes nothing"
    assert "blocked: client `dev`" in said("--client", "dev")
    assert "client `dev`; key `key:0123abcd`; model `chat`" in said("--model", "chat", "--key", "key:0123abcd")
    problems: list[str] = []
    assert read_contained(written, problems).models == ("chat",), "as the gateway reads it"
    assert not problems
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert "client `dev`" not in said("--lift", "--client", "dev")
    assert "blocked: key `key:0123abcd`; model `chat`" in said()
    assert "nothing is blocked" in said("--lift")
    assert not any(json.loads(written.read_text()).values())


def test_a_name_that_is_gone_from_the_stack_can_be_lifted_but_not_blocked(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_private(written.parent)
    written.write_text(json.dumps({"clients": ["former"]}))
    assert main(["contain", "--client", "former"]) == 1
    assert "one of this stack: `dev`" in capsys.readouterr().err
    assert main(["contain", "--lift", "--client", "former"]) == 0
    assert "nothing is blocked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--client", "dvv"], "did you mean `dev`?"),
        (["--model", "chatt"], "did you mean `chat`?"),
        (["--route", "chat/canary"], "one of this stack: none"),
        (["--place", "cloud"], "one of this stack: `local`"),
        (["--key", "slw_a-whole-key"], "something else than the name of a credential"),
        (["--site", "there", "--client", "dev"], "a site of this stack: `here`"),
        (["--stack", "serverless", "--client", "web"], "the platform `cloud_run`"),
        (["--stack", "prod", "--client", "web"], "the context of a kubeconfig"),
    ],
)
def test_what_would_block_nobody_is_refused(
    written: Path, arguments: list[str], found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["contain", *arguments]) == 1
    said = capsys.readouterr().err
    assert found in said
    assert "a-whole-key" not in said
    assert not written.exists()


def test_a_file_that_somebody_broke_is_not_written_over(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_private(written.parent)
    for text in ("{", "[]", '{"clients": 1}'):
        written.write_text(text)
        assert main(["contain", "--client", "dev"]) == 1
        assert "correct or remove it" in capsys.readouterr().err
        assert written.read_text() == text


def test_nothing_is_blocked_twice_and_the_order_stays() -> None:
    first = changed({}, {"clients": ("b", "a")}, lift=False)
    assert changed(first, {"clients": ("a", "c")}, lift=False)["clients"] == ("b", "a", "c")
    assert changed(first, {"clients": ("b",)}, lift=True)["clients"] == ("a",)
    assert not any(changed(first, {}, lift=True).values())


def test_every_platform_says_whether_it_can() -> None:
    for kind, platform in PLATFORMS.items():
        if platform.run_time is not None:
            run_time = load_object(platform.run_time)
            assert {"read", "change"} <= set(dir(run_time.contained)) & set(dir(run_time.releases)), kind
    assert PLATFORMS["cloud_run"].run_time is None


def test_without_a_context_nobody_is_asked() -> None:
    with pytest.raises(Refused):
        IN_A_CLUSTER.read("prod", "main", _NoContext(), None)  # pyright: ignore[reportArgumentType]


class _NoContext:
    details = object()


def test_the_page_for_an_incident_names_commands_that_there_are() -> None:
    lines = (Path(__file__).parents[2] / "docs" / "incident.md").read_text().splitlines()
    commands = [line.partition("#")[0].split() for line in lines if line.startswith("python -m ")]
    parsers = {"infra": _contain_parser(), "serving.audit": audit_parser()}
    assert {command[2] for command in commands} == {*parsers}
    for command in commands:
        arguments = command[3:] if command[2] == "serving.audit" else command[4:]
        parsers[command[2]].parse_args(arguments)
    assert sum(command[3] == "contain" for command in commands) >= len(KINDS)


def _contain_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser
