"""`--against`: plans in files, and revisions of real git repositories that are planned by their own code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from infra import against
from infra.against import earlier_plan
from infra.problems import Refused
from tests.unit.documents import assert_helpful

ROOT = Path(__file__).parent.parent.parent
TODAY = date(2026, 11, 25)
OUTSIDE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


@pytest.fixture(autouse=True)
def _no_settings_of_mine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in OUTSIDE.items():
        monkeypatch.setenv(name, value)


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose first revision has another replica count, and whose second is what this checkout is."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "infra", folder / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    prod = (ROOT / "Pulumi.prod.yaml").read_text(encoding="utf-8")
    (folder / "Pulumi.prod.yaml").write_text(prod.replace("max_replicas: 8", "max_replicas: 6"), encoding="utf-8")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "first")
    git(folder, "tag", "first")
    (folder / "Pulumi.prod.yaml").write_text(prod, encoding="utf-8")
    git(folder, "commit", "--quiet", "--all", "--message", "second")
    return folder


@pytest.fixture
def broken(project: Path, tmp_path: Path) -> Path:
    """Its clone, to be damaged."""
    git(tmp_path, "clone", "--quiet", str(project), "clone")
    return tmp_path / "clone"


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "more")


def plan(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **OUTSIDE}
    return subprocess.run(
        [sys.executable, "-m", "infra", "plan", "--stack", "prod", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_revision_in_all_formats(project: Path) -> None:
    said = plan(project, "--against", "first")
    assert (said.returncode, said.stderr) == (0, "")
    assert "\n\nCHANGES against first (" in said.stdout
    assert "chat   other  replicas  3 to 12  3 to 16" in said.stdout
    data = json.loads(plan(project, "--against", "first", "--format", "json").stdout)
    assert data["stack"] == "prod"
    (model,) = data["changes"]["models"]
    assert model["fields"] == [{"field": "replicas", "before": "3 to 12", "after": "3 to 16"}]
    assert data["changes"]["nothing"] is False
    assert data["changes"]["not_compared"] == []
    assert plan(project, "--against", "first", "--format", "markdown").stdout.startswith("### What `prod` changes ag")
    page = plan(project, "--against", "first", "--format", "html").stdout
    assert '<main>\n<section id="changes"' in page


def test_its_own_plan_in_a_file_is_no_change(project: Path, tmp_path: Path) -> None:
    (tmp_path / "now.json").write_text(plan(project, "--format", "json").stdout, encoding="utf-8")
    said = plan(project, "--against", str(tmp_path / "now.json"))
    assert said.stdout.endswith(
        "CHANGES against now.json: nothing changes, neither what will exist nor what it costs or does.\n"
    )


def test_a_change_of_code_is_a_change(broken: Path) -> None:
    """The revision is planned by what it had, not by what is here."""
    ladder = broken / "infra/plan/drain_ladder.py"
    margin = "GATEWAY_MARGIN_SECONDS = 15"
    code = ladder.read_text(encoding="utf-8")
    assert margin in code
    ladder.write_text(code.replace(margin, "GATEWAY_MARGIN_SECONDS = 19"), encoding="utf-8")
    commit(broken)
    now, before = earlier_plan("HEAD", "prod", broken, TODAY), earlier_plan("origin/main", "prod", broken, TODAY)
    assert now.plan is not None
    assert before.plan is not None
    seconds = [e.plan["models"]["chat"]["drain"]["gateway_grace_seconds"] for e in (now, before) if e.plan]
    assert seconds == [154, 150]
    assert now.notes == before.notes == ()


def test_code_that_does_not_run_any_more_is_replaced_by_this_one(broken: Path) -> None:
    (broken / "infra/report/__init__.py").write_text("raise RuntimeError('too old')\n", encoding="utf-8")
    stack_file = broken / "Pulumi.prod.yaml"
    stack_file.write_text(stack_file.read_text().replace("slipway:site: main", "slipway:site: west"))
    commit(broken)
    found = earlier_plan("HEAD", "prod", broken, TODAY)
    assert found.plan is not None
    assert found.plan["deployed_sites"] == ["west"]
    (note,) = found.notes
    assert "its own code did not plan it (RuntimeError: too old); its stack file was planned by this code" in note


def test_a_stack_that_nobody_can_plan_is_compared_with_nothing(broken: Path) -> None:
    (broken / "Pulumi.prod.yaml").write_text("config: {}\n", encoding="utf-8")
    commit(broken)
    found = earlier_plan("HEAD", "prod", broken, TODAY)
    assert found.plan is None
    assert "could not be planned, neither by its own code (1 problem in Pulumi.prod.yaml)" in found.notes[0]


def test_code_that_never_ends_is_ended(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (broken / "infra/__main__.py").write_text("import time\ntime.sleep(600)\n", encoding="utf-8")
    commit(broken)
    monkeypatch.setattr(against, "LONGEST_PLAN_SECONDS", 1)
    assert "took more than 1 s" in earlier_plan("HEAD", "prod", broken, TODAY).notes[0]


def test_it_sees_no_secret_of_the_caller(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os, json, sys\nseen = f'isolated={sys.flags.isolated} {sorted(os.environ)}'\n"
    code += "print(json.dumps({'stack': seen, 'sites': {}, 'models': {}}))\n"
    (broken / "infra/__main__.py").write_text(code, encoding="utf-8")
    commit(broken)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "x")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    found = earlier_plan("HEAD", "prod", broken, TODAY).plan
    assert found is not None
    assert found["stack"].startswith("isolated=1 ")
    assert "PATH" in found["stack"]
    assert "PULUMI" not in found["stack"]
    assert "PYTHON" not in found["stack"]


def test_a_stack_that_was_not_there_is_new(project: Path) -> None:
    found = earlier_plan("first", "other", project, TODAY)
    assert found.plan is None
    assert found.notes == (f"{found.name} has no `Pulumi.other.yaml`: all of it is new",)


def test_a_checkout_below_the_root_of_its_repository(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project, tmp_path / "below", ignore=shutil.ignore_patterns(".git"))
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    found = earlier_plan("HEAD", "prod", tmp_path / "below", TODAY)
    assert (found.plan is not None, found.notes) == (True, ())


def test_a_link_in_a_revision_is_not_followed(broken: Path, tmp_path: Path) -> None:
    (broken / "Pulumi.linked.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    shutil.copy(broken / "Pulumi.prod.yaml", tmp_path / "elsewhere.yaml")
    commit(broken)
    assert earlier_plan("HEAD", "linked", broken, TODAY).plan is None


@pytest.mark.parametrize(
    "named",
    [
        "nope",
        "-x",
        "--output=/tmp/x",
        "--upload-pack=x",
        "--since=2020",
        "",
        " ",
        "a b",
        "a\nb",
        "main;ls",
        "HEAD:infra",
        "no/such.json",
    ],
)
def test_what_is_no_revision_is_told_in_four_parts(named: str, project: Path) -> None:
    with pytest.raises(Refused) as refused:
        earlier_plan(named, "prod", project, TODAY)
    assert_helpful(refused.value)
    assert "--against" in str(refused.value)


def test_a_shallow_clone_says_to_fetch(project: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{project}", "shallow")
    assert earlier_plan("HEAD", "prod", tmp_path / "shallow", TODAY).plan is not None
    with pytest.raises(Refused, match="git fetch --unshallow"):
        earlier_plan("first", "prod", tmp_path / "shallow", TODAY)


def test_without_a_repository_or_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(Refused, match="not a git repository") as refused:
        earlier_plan("main", "prod", tmp_path, TODAY)
    assert_helpful(refused.value)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="no git on PATH"):
        earlier_plan("main", "prod", tmp_path, TODAY)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff", b'{"stack": 5}', b"[" * 100_000, b'{"stack":"a"}']
)
def test_a_file_that_is_no_plan_is_told_in_four_parts(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(Refused) as refused:
        earlier_plan(str(tmp_path / "plan.json"), "prod", tmp_path, TODAY)
    assert_helpful(refused.value)
    assert "python -m infra plan" in str(refused.value)


def test_a_folder_is_no_plan(tmp_path: Path) -> None:
    (tmp_path / "plan.json").mkdir()
    with pytest.raises(Refused, match="Is a directory"):
        earlier_plan(str(tmp_path / "plan.json"), "prod", tmp_path, TODAY)
