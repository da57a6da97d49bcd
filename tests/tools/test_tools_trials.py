"""Tools that ask a model in our stead: told where, given a client's key in their environment, their end understood."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.problem import Problem
from tools.python import alone
from tools.trials import tool as trials_tool

KEY = "slw_canary-4411"
# What it was told and knows, where its results go.
PROGRAM = """#!/where/it/was/installed/bin/python
import json, os, pathlib, sys
folder = pathlib.Path(sys.argv[2])
if sys.argv[1] == "fail":
    sys.exit(3)
known = {name: os.environ.get(name) for name in ("THE_KEY", "HF_HUB_OFFLINE", "SSL_CERT_FILE", "HF_HOME")}
(folder / "told.json").write_text(json.dumps({"words": sys.argv[1:], "known": known}))
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tool whose lock is installed already, and whose folder was moved since then."""
    locks, tools = tmp_path / "requirements", tmp_path / ".tools"
    locks.mkdir()
    tools.mkdir()
    (locks / "toy.txt").write_text("toy==1.0\n")
    home = tools / "toy" / hashlib.sha256(b"toy==1.0\n").hexdigest()[:16]
    (home / "bin").mkdir(parents=True)
    (home / "complete").touch()
    (home / "bin" / "python").symlink_to(sys.executable)
    program = home / "bin" / "toy"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setattr(alone, "ROOT", tmp_path)
    monkeypatch.setattr(alone, "TOOLS", tools)
    return tmp_path


def toy(*words: str) -> dict[str, Any]:
    environment = {"HF_HUB_OFFLINE": "1"}
    named = {"name": "toy", "command": ["toy", *words], "key_environment": "THE_KEY", "seconds": 60}
    return {**named, "environment": environment}


def test_it_is_told_where_and_has_the_key_in_its_environment(installed: Path) -> None:
    folder = installed / "results"
    folder.mkdir()
    trials_tool.ask(
        "chat/school", toy("ask", "{folder}", "{url}/v1"), url="http://here", key=KEY, folder=folder, ca_file="/ca.pem"
    )
    told = json.loads((folder / "told.json").read_text())
    assert told["words"] == ["ask", str(folder), "http://here/v1"]
    assert told["known"] == {
        "THE_KEY": KEY,
        "HF_HUB_OFFLINE": "1",
        "SSL_CERT_FILE": "/ca.pem",
        "HF_HOME": str(folder / "cache"),
    }


def test_one_that_fails_is_told_without_the_key(installed: Path) -> None:
    with pytest.raises(Problem) as refused:
        trials_tool.ask("chat/school", toy("fail", "{folder}"), url="http://here", key=KEY, folder=installed)
    assert "it ended with status 3" in str(refused.value)
    assert KEY not in str(refused.value)


def test_what_has_no_lock_is_a_clusters(installed: Path) -> None:
    with pytest.raises(Problem, match="Let a cluster run it"):
        trials_tool.ask("chat/load", {**toy(), "name": "guidellm"}, url="http://here", key=KEY, folder=installed)


def test_the_harness_has_a_lock_with_hashes_and_without_pytorch() -> None:
    lock = (Path(trials_tool.__file__).parents[2] / "requirements" / "lm_evaluation_harness.txt").read_text()
    packages = [line for line in lock.splitlines() if line and line[0] not in "# "]
    assert any(line.startswith("lm-eval==") for line in packages)
    assert not [line for line in packages if line.startswith(("torch", "nvidia", "triton"))]
    assert lock.count("--hash=sha256:") >= len(packages)
    assert "://" not in lock
