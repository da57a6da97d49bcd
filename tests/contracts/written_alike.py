"""Functions and runs of statements as they are without names: what two files have of it is the same logic twice."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All of a file, methods too."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    """Without its docstring."""
    return function.body[1:] if ast.get_docstring(function) else function.body


def statements(block: list[ast.stmt]) -> int:
    """How many, those inside of others too."""
    return sum(isinstance(node, ast.stmt) for one in block for node in ast.walk(one))


def runs(function: ast.FunctionDef | ast.AsyncFunctionDef, length: int) -> Iterator[list[ast.stmt]]:
    """Every so many statements after each other, at whatever depth."""
    blocks = [body(function)]
    for node in ast.walk(ast.Module(body=body(function), type_ignores=[])):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and not isinstance(node, ast.Module):
                blocks.append(block)
    for block in blocks:
        yield from (block[start : start + length] for start in range(len(block) - length + 1))


def arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> frozenset[str]:
    """Their names."""
    return frozenset(node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg))


def alike(block: list[ast.stmt], variables: frozenset[str] = frozenset()) -> str:
    """The same for blocks that differ only in what they call their variables and in annotations. What is not theirs
    (attributes, functions, constants) stays as it is. `variables` are known beside those that the block stores."""
    module = ast.parse(ast.unparse(ast.Module(body=block, type_ignores=[])))
    stored = {node.id for node in ast.walk(module) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return ast.dump(_WithoutNames(variables | stored).visit(module))


class _WithoutNames(ast.NodeTransformer):
    """Variables are numbered in the order in which they appear."""

    def __init__(self, variables: frozenset[str]) -> None:
        self._variables = variables
        self._numbers: dict[str, str] = {}

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id in self._variables:
            node.id = self._numbers.setdefault(node.id, f"v{len(self._numbers)}")
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        if node.value is None:
            return node
        return ast.copy_location(ast.Assign(targets=[node.target], value=node.value, lineno=node.lineno), node)
