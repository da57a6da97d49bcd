"""The product's Python files as syntax trees, for rules that hold for every file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def files(folder: str) -> list[str]:
    """Every Python file below a folder of the repository, as paths from its root."""
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.py"))


@cache
def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def tree(path: str) -> ast.Module:
    return ast.parse(text(path), path)


def imports(path: str) -> Iterator[tuple[int, str]]:
    """Every top-level package that a file imports, wherever in it, with the line."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, (node.module or "").partition(".")[0]


# What distinguishes kinds. Whoever compares one of these with a word has a list of kinds that nobody else knows of.
SELECTORS = {"kind", "platform", "topology", "engine"}


def comparisons_of_kinds(path: str) -> Iterator[tuple[int, str]]:
    """Every `x.kind == "…"`, `x["kind"] in ("…", …)`, `match x.platform: case "…"`, with the line."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(map(_selects, sides)) and any(map(_has_text, sides)):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Match) and _selects(node.subject):
            yield node.lineno, f"match {ast.unparse(node.subject)}"


def _selects(node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in SELECTORS and ast.unparse(node) != "sys.platform"
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and node.slice.value in SELECTORS
    if isinstance(node, ast.Call):  # x.get("kind")
        return bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value in SELECTORS
    return isinstance(node, ast.Name) and node.id == "platform"


def _has_text(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(map(_has_text, node.elts))
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
