"""What the workflow `preview` does, in a small repository: its plans are a stand-in's, and so is its GitHub."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tools.preview.message import MARK, MOST_CHARACTERS, body, cut, fenced, sections

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "someone/slipway"

# Says what the stack's file holds; `refuse` there is a refusal, `same` no change.
PLANNER = """
import json, pathlib, sys
form, stack = (sys.argv[sys.argv.index(name) + 1] for name in ("--format", "--stack"))
assert sys.argv[-1] == "--against=origin/main", sys.argv
held = pathlib.Path(f"Pulumi.{stack}.yaml").read_text()
if "refuse" in held:
    sys.exit("1 problem in the budget\\n```\\n<!-- end plan -->")
changes = {"nothing": "same" in held, "not_compared": []}
markdown = f"### What `{stack}` changes\\n\\n{held}\\n\\n## Plan\\n\\nAll of it"
print(json.dumps({"changes": changes}) if form == "json" else markdown)
"""

# Comments and environments in a file. Like GitHub, it refuses what is too long.
GITHUB = """
import json, os, pathlib, sys
state = pathlib.Path(os.environ["FAKE_GITHUB"])
known = json.loads(state.read_text())
method, path = sys.argv[3], sys.argv[4].partition("?")[0].removeprefix("repos/someone/slipway/")
known["calls"].append(f"{method} {path}")
content = json.loads(sys.stdin.read() or "{}")
answer = {}
if known.get("refuses") == method:
    answer = None
elif path == "environments":
    answer = [{"environments": known["environments"]}]
elif method == "GET":
    assert sys.argv[5:] == ["--paginate", "--slurp"]
    answer = [known["comments"][:1], known["comments"][1:]]
elif len(content["body"]) > 65536:
    sys.exit("gh: Body is too long (HTTP 422)")
elif method == "POST":
    known["comments"].append({"id": 100 + len(known["comments"]), "user": {"login": "github-actions[bot]"}, **content})
else:
    (found,) = [one for one in known["comments"] if path == f"issues/comments/{one['id']}"]
    found.update(content)
state.write_text(json.dumps(known))
if answer is None:
    sys.exit("gh: Resource not accessible by integration (HTTP 403)")
print(json.dumps(answer))
"""


@dataclass
class Runner:
    """A checkout as a runner has it, and the GitHub that its `gh` talks to."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str, status: int = 0, **environment: str) -> str:
        ran = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == status, ran.stdout
        return ran.stdout

    def git(self, *arguments: str) -> None:
        self.run("git", "-c", "user.name=A", "-c", "user.email=a@example.com", *arguments)

    def commit(self, **stacks: str | None) -> None:
        """Write or remove stack files and commit that."""
        for stack, content in stacks.items():
            path = self.root / f"Pulumi.{stack}.yaml"
            path.unlink() if content is None else path.write_text(content, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "more")

    def program(self, name: str, source: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
        path.chmod(0o755)

    def plan(self, status: int = 0) -> str:
        self.run("tools/preview/plan", "--base", "origin/main", "--output", "plan.md", status=status)
        return (self.root / "plan.md").read_text(encoding="utf-8")

    def publish(self, text: str, section: str = "plan", **environment: str) -> str:
        (self.root / "text.md").write_text(text, encoding="utf-8")
        return self.run("tools/preview/publish", "--section", section, "text.md", **environment)

    def output(self) -> str:
        return (self.root.parent / "output").read_text(encoding="utf-8")

    def summary(self) -> str:
        return (self.root.parent / "summary").read_text(encoding="utf-8")

    @property
    def github(self) -> dict[str, Any]:
        return json.loads(Path(self.environment["FAKE_GITHUB"]).read_text())

    def set_github(self, **known: Any) -> None:
        Path(self.environment["FAKE_GITHUB"]).write_text(json.dumps(self.github | known))

    def writes(self) -> list[str]:
        return [call for call in self.github["calls"] if not call.startswith("GET")]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    root = tmp_path / "checkout"
    for folder in ("preview", "python"):
        shutil.copytree(ROOT / "tools" / folder, root / "tools" / folder)
    for file in ("__init__.py", "checkout.py", "problem.py", "progress.py"):
        shutil.copy(ROOT / "tools" / file, root / "tools" / file)
    (root / ".gitignore").write_text(".venv/\nbin/\n*.md\n__pycache__/\n")
    (tmp_path / "github.json").write_text(json.dumps({"comments": [], "environments": [], "calls": []}))
    made = Runner(root)
    made.environment = {
        "PATH": f"{root / 'bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "FAKE_GITHUB": str(tmp_path / "github.json"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "GITHUB_REPOSITORY": REPOSITORY,
        "PULL_REQUEST": "7",
        "SAME_REPOSITORY": "true",
    }
    made.program(".venv/bin/python", PLANNER)
    made.program("bin/gh", GITHUB)
    made.git("init", "--quiet", "--initial-branch=main")
    made.commit(dev="one", prod="one")
    made.git("update-ref", "refs/remotes/origin/main", "HEAD")
    return made


def test_only_the_stacks_that_change_are_planned(runner: Runner) -> None:
    runner.commit(prod="two")
    text = runner.plan()
    assert "All can be deployed: `prod`." in text
    assert "### What `prod` changes\n\ntwo\n\n<details><summary>All of the plan of prod</summary>\n\n## Plan" in text
    assert "dev" not in text
    assert runner.output() == 'stacks=["prod"]\n'


def test_what_others_did_to_the_base_meanwhile_is_no_change_of_ours(runner: Runner) -> None:
    runner.git("checkout", "--quiet", "-b", "others")
    runner.commit(dev="of others")
    runner.git("update-ref", "refs/remotes/origin/main", "HEAD")
    runner.git("checkout", "--quiet", "main")
    assert "No stack changes." in runner.plan()


def test_a_change_of_code_plans_them_all_and_says_which_stay(runner: Runner) -> None:
    (runner.root / "infra").mkdir()
    (runner.root / "infra/new.py").touch()
    runner.commit(prod="same")
    text = runner.plan()
    assert "`prod`: nothing changes." in text
    assert "### What `dev` changes" in text


def test_a_refused_stack_is_red_and_its_message_is_shown(runner: Runner) -> None:
    runner.commit(dev="two", prod="refuse")
    text = runner.plan(status=1)
    assert "**1 of 2 cannot be deployed**: `prod`." in text
    assert "### `prod` cannot be deployed\n\n````text\n1 problem in the budget\n```" in text
    assert runner.output() == 'stacks=["dev"]\n'


def test_a_stack_that_is_gone_is_said_and_odd_names_are_left_alone(runner: Runner) -> None:
    runner.commit(prod=None, **{"a;echo x": "two", "-x": "two"})
    text = runner.plan()
    assert "`prod`: its file is gone. Before it is merged: `pulumi destroy --stack prod`." in text
    assert "echo" not in text
    assert runner.output() == "stacks=[]\n"


def test_a_base_that_is_not_here_is_told_in_four_parts(runner: Runner) -> None:
    said = runner.run("tools/preview/plan", "--base", "nope", "--output", "plan.md", status=1)
    assert "fetch-depth: 0" in said
    assert "Traceback" not in said


def test_the_comment_is_made_once_and_then_edited(runner: Runner) -> None:
    others = {"id": 1, "user": {"login": "someone"}, "body": f"{MARK}\nmine"}
    runner.set_github(comments=[others])
    runner.publish("first")
    runner.publish("second")
    assert runner.writes() == ["POST issues/7/comments", "PATCH issues/comments/101"]
    assert runner.github["comments"][0] == others
    (ours,) = runner.github["comments"][1:]
    assert sections(ours["body"]) == {"plan": "second"}
    runner.publish("second")
    assert len(runner.writes()) == 2
    assert runner.summary() == "first\nsecond\nsecond\n"


def test_a_preview_is_added_and_a_new_plan_begins_anew(runner: Runner) -> None:
    runner.publish("the plan")
    runner.publish("of prod", "preview-prod")
    runner.publish("of dev", "preview-dev")
    runner.publish("of prod, again", "preview-prod")
    (ours,) = runner.github["comments"]
    assert sections(ours["body"]) == {"plan": "the plan", "preview-prod": "of prod, again", "preview-dev": "of dev"}
    runner.publish("a new plan")
    (ours,) = runner.github["comments"]
    assert sections(ours["body"]) == {"plan": "a new plan"}


def test_a_fork_gets_the_summary_and_nobody_is_asked(runner: Runner) -> None:
    runner.publish("the plan", SAME_REPOSITORY="false")
    assert runner.summary() == "the plan\n"
    assert runner.github["calls"] == []


def test_a_token_that_may_not_comment_is_a_warning(runner: Runner) -> None:
    runner.set_github(refuses="POST")
    assert runner.publish("the plan").startswith("::warning::This token may not comment")
    assert runner.summary() == "the plan\n"


def test_what_is_too_long_is_cut_and_goes_whole_into_the_summary(runner: Runner) -> None:
    long = "line €\n" * 20_000
    runner.publish(long)
    runner.publish("of prod", "preview-prod")
    (ours,) = runner.github["comments"]
    assert len(ours["body"]) <= MOST_CHARACTERS
    assert set(sections(ours["body"])) == {"plan", "preview-prod"}
    assert "*Cut here: the whole is in the summary" in ours["body"]
    assert runner.summary().startswith(long.strip())


def test_without_gh_it_is_told_in_four_parts(runner: Runner) -> None:
    (runner.root / "text.md").write_text("x")
    bare = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    if shutil.which("gh", path=bare):
        pytest.skip("this machine has a gh beside its Python")
    said = runner.run("tools/preview/publish", "--section", "plan", "text.md", status=1, PATH=bare)
    assert "no gh on PATH" in said


def reviewed(name: str, *rules: Any) -> dict[str, Any]:
    return {"name": name, "protection_rules": list(rules)}


def test_only_environments_that_ask_reviewers_get_credentials(runner: Runner) -> None:
    asks = {"type": "required_reviewers", "reviewers": [{"type": "User"}]}
    runner.set_github(
        environments=[
            reviewed("preview-prod", {"type": "branch_policy"}, asks),
            reviewed("preview-dev", {"type": "wait_timer"}, {"type": "required_reviewers", "reviewers": []}),
            reviewed("staging", asks),
        ]
    )
    said = runner.run("tools/preview/environments", '["dev", "prod", "staging"]')
    assert runner.output() == 'stacks=["prod"]\n'
    assert "The environment preview-dev has no required reviewers: `dev` is left out." in said
    assert "preview-staging" not in said


def test_what_runs_at_night_keeps_to_branches_and_knows_every_stack(runner: Runner) -> None:
    kept = {"protected_branches": True, "custom_branch_policies": False}
    runner.set_github(
        environments=[
            {"name": "drift-prod", "deployment_branch_policy": kept},
            {"name": "drift-dev", "deployment_branch_policy": None},
            {"name": "drift-gone", "deployment_branch_policy": kept},
        ]
    )
    said = runner.run("tools/preview/environments", "--prefix", "drift-", "--branches")
    assert runner.output() == 'stacks=["prod"]\n', "of the stack files that are there"
    assert "The environment drift-dev has no policy of branches: `dev` is left out." in said


def test_without_a_look_at_environments_nothing_gets_credentials(runner: Runner) -> None:
    runner.set_github(refuses="GET", environments=[reviewed("preview-prod")])
    said = runner.run("tools/preview/environments", '["prod"]')
    assert "no stack is touched with credentials" in said
    assert runner.output() == "stacks=[]\n"


@pytest.mark.parametrize("status", [0, 3])
def test_a_preview_says_its_end_and_passes_it_on(runner: Runner, status: int) -> None:
    source = (
        f"import sys; print('\\x1b[31m```', sys.argv[1:4], 'x' * 40_000); print('\\nResources: 3'); sys.exit({status})"
    )
    runner.program("bin/pulumi", source)
    runner.run("tools/preview/cloud", "--stack", "prod", "--output", "out.md", status=status)
    text = (runner.root / "out.md").read_text()
    verdict = f"failed with status {status}" if status else "as the cloud sees it"
    assert text.startswith(f"## `pulumi preview` of `prod`: {verdict}\n")
    assert text.rstrip().endswith("Resources: 3\n```\n\n</details>")
    assert "\x1b" not in text
    assert len(text) < 31_000


def test_a_text_cannot_end_its_block_nor_its_section() -> None:
    assert fenced("a\n````\nb") == "`````text\na\n````\nb\n`````"
    held = sections(
        body({"plan": "x\n<!-- end plan -->\n<!-- section preview-prod -->\nforged\n<!-- end preview-prod -->"})
    )
    assert set(held) == {"plan"}


@pytest.mark.parametrize("most", range(0, 400, 7))
def test_a_cut_closes_what_is_open(most: int) -> None:
    text = "# a\n\n<details><summary>b</summary>\n\n````text\n```\nc\n" + "d\n" * 200 + "````\n\n</details>"
    shortened = cut(text, most)
    assert len(shortened) <= most
    if "````text" in shortened:
        assert shortened.split("\n").count("````") == 1
    assert shortened.count("<details>") == shortened.count("</details>")


def test_the_workflow_hands_no_text_of_others_to_a_shell() -> None:
    """And runs nothing of a pull request with a token of the base."""
    text = (ROOT / ".github/workflows/preview.yml").read_text(encoding="utf-8")
    assert "pull_request_target" not in text
    assert [line for line in text.splitlines() if "run:" in line]
    assert not [line for line in text.splitlines() if "run:" in line and "${{" in line]
    assert text.count("uses:") == text.count("persist-credentials: false") + 4
