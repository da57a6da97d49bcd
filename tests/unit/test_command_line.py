"""`python -m infra`: works where there is only Python, refuses without a stack trace, knows a stale schema."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.__main__ import main
from infra.schema import SCHEMA_FILE, rendered

ROOT = Path(__file__).parent.parent.parent

# No program can be started, no socket opened, nothing of Pulumi or a cloud imported.
ALONE = """
import runpy, socket, subprocess, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pulumi", "pulumi_aws", "pulumi_gcp", "pulumi_kubernetes", "grpc", "serving"):
            raise ImportError(f"{name} must not be needed")

def refuse(*arguments, **options):
    raise OSError("no network and no programs here")

sys.meta_path.insert(0, Missing())
socket.socket = socket.create_connection = socket.getaddrinfo = subprocess.Popen = refuse
sys.argv = ["infra", *sys.argv[1:]]
runpy.run_module("infra", run_name="__main__")
"""


def python(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """This interpreter in another folder, with nothing on PATH and a home that is empty."""
    alone = {"PYTHONPATH": str(ROOT), "PATH": str(folder), "HOME": str(folder), **environment}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=alone, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
def test_a_plan_needs_no_cli_no_network_no_pulumi(form: str, tmp_path: Path) -> None:
    said = python("-c", ALONE, "plan", "--stack", "dev", "--format", form, folder=tmp_path)
    assert (said.returncode, said.stderr) == (0, "")
    if form == "json":
        assert json.loads(said.stdout)["stack"] == "dev"
    else:
        first = {
            "text": "stack dev: monolithic",
            "markdown": "### Plan of `dev`: monolithic",
            "html": "<!DOCTYPE html>",
        }
        assert said.stdout.startswith(first[form])


def test_a_plan_costs_little_more_than_its_libraries(tmp_path: Path) -> None:
    """The promise is one second; a busy machine is slow at everything, so it is compared with the bare imports."""

    def best_of_three(*arguments: str) -> float:
        seconds: list[float] = []
        for _ in range(3):
            start = time.perf_counter()
            assert python(*arguments, folder=tmp_path).returncode == 0
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    bare = best_of_three("-c", "import pydantic.main, yaml, json, argparse, importlib.metadata")
    plan = best_of_three("-m", "infra", "plan")
    print(f"interpreter, pydantic and yaml {bare:.2f} s; plan {plan:.2f} s")
    assert plan < 5 * bare


def test_plan_does_not_import_pulumi_even_where_it_is(tmp_path: Path) -> None:
    code = "import sys; from infra.__main__ import main; main(['plan']); print('pulumi' in sys.modules)"
    assert python("-c", code, folder=tmp_path).stdout.splitlines()[-1] == "False"


def test_a_refusal_is_words_on_stderr_and_status_1(tmp_path: Path) -> None:
    said = python("-m", "infra", "plan", "--stack", "nope", folder=tmp_path)
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.startswith("1 problem in Pulumi.nope.yaml\n\n1. ")
    assert "Traceback" not in said.stderr
    assert "Pulumi.dev.yaml" in said.stderr


def test_a_wrong_call_is_status_2() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["plan", "--nonsense"])
    assert ended.value.code == 2


def test_an_unknown_format_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--format", "htm"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "1 problem in the command",
        "",
        "1. --format",
        "   found    `htm`",
        "   allowed  `text`, `json`, `markdown`, `html`, `svg`",
        "   do       did you mean `html`?",
    ]


def test_a_report_goes_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--format", "html", "--output", str(tmp_path / "plan.html")]) == 0
    written = (tmp_path / "plan.html").read_text(encoding="utf-8")
    assert written.startswith("<!DOCTYPE html>")
    assert written.endswith("</html>\n")
    assert capsys.readouterr().out == ""
    assert main(["plan", "--format", "html"]) == 0
    assert capsys.readouterr().out == written


def test_a_file_that_cannot_be_written_is_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "missing" / "plan.html"
    assert main(["plan", "--output", str(file)]) == 1
    assert capsys.readouterr().err.splitlines()[2:] == [
        "1. --output",
        f"   found    `{file}`: no such file or directory",
        "   allowed  a file in a folder that exists",
        "   do       name another one",
    ]


def test_what_one_format_needs_no_other_one_imports(tmp_path: Path) -> None:
    code = (
        "import sys; from infra.__main__ import main; main(['plan']); "
        "print([m for m in sys.modules if m.startswith('infra.report.') and ('html' in m or 'markdown' in m)])"
    )
    assert python("-c", code, folder=tmp_path).stdout.splitlines()[-1] == "[]"


def test_the_schema_in_the_repository_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "", "{}", rendered().replace("monolithic", "monolith")])
def test_a_stale_schema_is_red(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("infra.schema.SCHEMA_FILE", path := tmp_path / SCHEMA_FILE.name)
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert main(["schema", "--check"]) == 1
    assert "is stale: run `make schema`" in capsys.readouterr().err
    assert main(["schema", "--write"]) == 0
    assert main(["schema", "--check"]) == 0


def test_the_schema_is_printed_when_nothing_else_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == rendered()


def test_every_stack_file_names_the_schema() -> None:
    for path in ROOT.glob("Pulumi.*.yaml"):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        assert first == f"# yaml-language-server: $schema={SCHEMA_FILE.relative_to(ROOT)}", path
        assert os.path.exists(ROOT / first.rpartition("=")[2])
