"""What differs between platforms and between topologies is in their own folders: nobody else decides by their names.

`test_source.py` finds whoever asks a configuration which kind it is; here is found who knows a kind's name or its code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from infra.platforms import PLATFORMS
from infra.topologies import TOPOLOGIES
from tests.contracts import source

# Each kind's own folder or file.
HOMES = {kind: f"infra/platforms/{kind}/" for kind in PLATFORMS.builtin} | {
    kind: f"infra/topologies/{kind}.py" for kind in TOPOLOGIES.builtin
}
REGISTRIES = ("infra/platforms/__init__.py", "infra/topologies/__init__.py")
FILES = [path for path in source.files("infra") if path not in REGISTRIES]

# Words that are also a kind's name and mean something else there.
OTHER_MEANINGS = {
    "infra/plan/weakenings.py": {"local"},  # who counts limits while their store is away
    "infra/render/": {"aws", "gcp"},  # packages of Pulumi and of Terraform
}
# Who may use a kind's code beside itself.
MAY_IMPORT = {
    "infra/bootstrap/": "aws",  # the day before the first deployment, which is one of AWS
    "infra/platforms/cloud_run/": "gcp",  # two platforms of one cloud
    "infra/config.py": "monolithic",  # what a deployment is that says nothing
}


def foreign(path: str) -> frozenset[str]:
    """Names of kinds that a file is not the home of."""
    return frozenset(kind for kind, home in HOMES.items() if not path.startswith(home))


def decisions(path: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Comparisons, cases and switches (maps by two names or more) by names of kinds, and by which."""
    names = foreign(path)
    for node in ast.walk(source.tree(path)):
        asked = frozenset[str]()
        if isinstance(node, ast.Compare):
            asked = names & _words([node.left, *node.comparators])
        elif isinstance(node, ast.MatchValue):
            asked = names & _words([node.value])
        elif isinstance(node, ast.Dict):
            asked = names & _words([key for key in node.keys if key])
            asked = asked if len(asked) > 1 else frozenset()
        if asked:
            yield ast.unparse(node), asked


def _words(nodes: list[ast.expr]) -> set[str]:
    """Constants, those in tuples, lists and sets too."""
    found = set[str]()
    for node in nodes:
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            found |= _words(node.elts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


def used(path: str) -> Iterator[str]:
    """Kinds whose code a file imports, wherever in it."""
    for node in ast.walk(source.tree(path)):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for kind, home in HOMES.items():
            whole = home.removesuffix("/").removesuffix(".py").replace("/", ".")
            if any(module == whole or module.startswith(f"{whole}.") for module in modules):
                yield kind


@pytest.mark.parametrize("path", FILES)
def test_nobody_decides_by_the_name_of_a_platform_or_a_topology(path: str) -> None:
    meant = {word for place, words in OTHER_MEANINGS.items() if path.startswith(place) for word in words}
    assert [code for code, asked in decisions(path) if asked - meant] == []


@pytest.mark.parametrize("path", FILES)
def test_nobody_uses_the_code_of_one_platform_or_topology(path: str) -> None:
    allowed = {kind for place, kind in MAY_IMPORT.items() if path.startswith(place)}
    assert set(used(path)) - allowed - (set(HOMES) - foreign(path)) == set()


def test_no_exception_is_left_over() -> None:
    for place, words in OTHER_MEANINGS.items():
        there = [asked for path in FILES if path.startswith(place) for _, asked in decisions(path)]
        assert frozenset().union(*there) == words, place
    for place, kind in MAY_IMPORT.items():
        assert kind in {one for path in FILES if path.startswith(place) for one in used(path)}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("name == 'aws'", True),
        ("'hybrid' != what", True),
        ("cluster.cloud in ('azure', 'gcp')", True),
        ("match where:\n case 'cloud_run' | 'gcp': pass", True),
        ("ZONES = {'aws': 3, 'gcp': 1}", True),
        ("name == 'other'", False),
        ("Thing(cloud='aws')", False),
        ("{'local': 1}", False),
    ],
)
def test_the_search_for_decisions_finds_them(code: str, found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "tree", lambda path: ast.parse(code))
    assert bool(list(decisions("infra/plan/any.py"))) == found


def test_a_kind_may_say_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "tree", lambda path: ast.parse("row.cloud == 'aws'"))
    assert not list(decisions("infra/platforms/aws/plan.py"))
    assert list(decisions("infra/platforms/gcp/plan.py"))


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from infra.platforms.aws.plan import PLATFORM", {"aws"}),
        ("def f():\n import infra.platforms.gcp.network", {"gcp"}),
        ("from infra.topologies import edge", {"edge"}),
        ("from infra.platforms import aws", {"aws"}),
        ("from infra.platforms.clusters import x", set()),
        ("from infra.topologies.rollout import x", set()),
    ],
)
def test_the_search_for_imports_finds_them(code: str, found: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "tree", lambda path: ast.parse(code))
    assert set(used("infra/plan/any.py")) == found
