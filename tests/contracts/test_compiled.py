"""What may be compiled (serving_image/setup.py): the list is whole, and holds nothing that mypyc gets wrong.

Each rule is a defect that was met: the module ran interpreted and went wrong compiled, without a word at build time.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

GATEWAY = Path(__file__).resolve().parents[2] / "serving_image" / "serving" / "gateway"
SETUP = GATEWAY.parents[1] / "setup.py"


def _compiled() -> list[Path]:
    (value,) = [
        node.value
        for node in ast.parse(SETUP.read_text()).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_COMPILED"
    ]
    listed: dict[str, str] = ast.literal_eval(value)
    return [GATEWAY / folder / f"{name}.py" for folder, names in listed.items() for name in names.split()]


COMPILED = _compiled()


def test_every_step_is_compiled() -> None:
    """A new step that is forgotten here would cost each request twice what it need."""
    steps = {path for path in (GATEWAY / "steps").glob("*.py") if path.name != "__init__.py"}
    assert steps <= set(COMPILED)
    assert all(path.exists() for path in COMPILED)


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: str(path.relative_to(GATEWAY)))
def test_nothing_in_it_goes_wrong_when_compiled(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for owner in [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]:
        bases = {ast.unparse(base) for base in owner.bases}
        # Compiled, a Struct has no fields: everything decodes to its defaults.
        assert not {"msgspec.Struct", "Struct", "Strict"} & bases, owner.name
        for field in owner.body:
            # Compiled, a class's default of None is left out where the type is one of several, or a protocol.
            if isinstance(field, ast.AnnAssign) and isinstance(field.value, ast.Constant) and field.value.value is None:
                others = [part for part in ast.unparse(field.annotation).split(" | ") if part != "None"]
                assert len(others) == 1, f"{owner.name}.{ast.unparse(field.target)}"


def _awaits(nodes: list[ast.stmt]) -> bool:
    return any(isinstance(inner, ast.Await) for node in nodes for inner in ast.walk(node))


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: str(path.relative_to(GATEWAY)))
def test_nothing_is_raised_again_after_waiting(path: Path) -> None:
    """Compiled coroutines share one place for the exception being handled. While one of them waits inside `except`,
    another may put its own there: a bare `raise` then raises whatever is left. A name keeps the exception."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Try):
            assert not _awaits(node.finalbody), f"line {node.lineno}: waits in `finally`, which raises again"
            for handler in node.handlers:
                inside = list(ast.walk(handler))
                waits = [inner.lineno for inner in inside if isinstance(inner, ast.Await)]
                again = [inner.lineno for inner in inside if isinstance(inner, ast.Raise) and inner.exc is None]
                assert not (waits and again and max(again) > min(waits)), f"line {handler.lineno}: a bare `raise`"
        if isinstance(node, ast.AsyncWith):
            # Its end does not wait; that of anything else might.
            names = {ast.unparse(item.context_expr).partition("(")[0] for item in node.items}
            assert names == {"asyncio.timeout"}, f"line {node.lineno}: {names}"
