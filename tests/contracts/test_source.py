"""Who may import whom, how long a file may be, what its first line is, and that nobody keeps a list of kinds."""

from __future__ import annotations

import ast
from fnmatch import fnmatch

import pytest

from tests.contracts import source

INFRA = source.files("infra")
SERVING = source.files("serving_image")

# The deploying half. Everything else is pure: it can be read, tested and run without Pulumi.
MAY_IMPORT_PULUMI = (
    "infra/program.py",
    "infra/load.py",
    "infra/outputs.py",
    "infra/platforms/*/component*.py",
    "infra/platforms/*/process_group.py",
    "infra/components/*",
    "infra/bootstrap/component*.py",
    "infra/bootstrap/program.py",
    "infra/policy/*",
    "infra/render/recorder.py",
)
LONGEST_FILE_LINES = 300


def test_there_are_files_to_check() -> None:
    assert "infra/config.py" in INFRA
    assert "serving_image/serving/gateway/application.py" in SERVING


@pytest.mark.parametrize("path", INFRA)
def test_only_the_deploying_half_imports_pulumi(path: str) -> None:
    if not any(fnmatch(path, allowed) for allowed in MAY_IMPORT_PULUMI):
        assert [found for found in source.imports(path) if found[1].startswith("pulumi")] == []


def test_load_imports_pulumi_only_when_it_runs_inside_pulumi() -> None:
    at_once = [node for node in source.tree("infra/load.py").body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not [ast.unparse(node) for node in at_once if "pulumi" in ast.unparse(node)]


@pytest.mark.parametrize("path", INFRA)
def test_the_program_never_imports_what_runs_beside_the_engine(path: str) -> None:
    """It renders how the launcher is started; what it hands over is a file."""
    assert [found for found in source.imports(path) if found[1] in ("serving", "serving_image")] == []


@pytest.mark.parametrize("path", SERVING)
def test_what_runs_beside_the_engine_knows_nothing_of_the_program(path: str) -> None:
    """It is alone in its container."""
    assert [found for found in source.imports(path) if found[1] == "infra" or found[1].startswith("pulumi")] == []


@pytest.mark.parametrize("path", [*INFRA, *SERVING])
def test_a_file_is_a_room(path: str) -> None:
    lines = len(source.text(path).splitlines())
    assert lines <= LONGEST_FILE_LINES
    assert ast.get_docstring(source.tree(path)), "the first statement says the file's one purpose"
    assert '"""' in "".join(source.text(path).splitlines()[:2]), "nothing but `#!` stands before it"


@pytest.mark.parametrize("path", INFRA)
def test_nobody_asks_which_kind_it_is(path: str) -> None:
    """The registry is the only list of kinds; what differs between kinds is a method of the kind."""
    assert list(source.comparisons_of_kinds(path)) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("site.platform == 'aws'", True),
        ("'aws' != config.platform.kind", True),
        ("x.kind in ('a', 'b')", True),
        ("raw['kind'] == 'aws'", True),
        ("raw.get('kind') == 'aws'", True),
        ("match x.kind:\n case 'aws': pass", True),
        ("if platform == 'aws': pass", True),
        ("sys.platform == 'darwin'", False),
        ("x.kind in REGISTRY", False),
        ("x.task == 'embed'", False),
    ],
)
def test_the_search_for_lists_of_kinds_finds_them(code: str, found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "tree", lambda path: ast.parse(code))
    assert bool(list(source.comparisons_of_kinds("any.py"))) == found
