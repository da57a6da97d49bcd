"""The corpus: finds the files, knows the block of an error file that states its message, and makes that message."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from infra.chosen_site import site_in_file
from infra.load import load_file
from infra.plan.build import build_plan
from infra.plan.types import DeploymentPlan
from infra.problems import Refused

FOLDER = Path(__file__).parent
HAPPY = sorted(FOLDER.glob("*.happy.yaml"))
ERROR = sorted(FOLDER.glob("*.error.yaml"))
# Every field of an engine that no platform of this version runs: these load, and only the plan refuses them.
UNPLACED = [FOLDER / f"engine-{name}.error.yaml" for name in ("vllm", "sglang", "tensorrt-llm")]

MARK = "# It must say:"


def load_and_plan(path: Path) -> DeploymentPlan:
    """What `python -m infra plan` does with a file, `stack` being the file's name."""
    return build_plan(load_file(path), path.name.partition(".")[0], site=site_in_file(path))


@cache
def message(path: Path) -> str:
    """The complete text with which a file is refused; empty when it is not."""
    try:
        load_and_plan(path)
    except Refused as refused:
        return str(refused)
    return ""


def stated(path: Path) -> str:
    """The message that the leading comment block of an error file states."""
    block, _ = _split(path.read_text(encoding="utf-8"))
    if MARK not in block:
        return ""
    return "\n".join(line.removeprefix("#").removeprefix("   ") for line in block[block.index(MARK) + 1 :])


def rewrite_stated(path: Path) -> None:
    """Writes the message that a file gets now into its leading comment block."""
    for _ in range(2):  # the block's own length moves the lines that the message names
        message.cache_clear()
        block, body = _split(path.read_text(encoding="utf-8"))
        why = block[: block.index(MARK)] if MARK in block else [*block, "#"]
        said = [f"#   {line}" if line else "#" for line in message(path).splitlines()]
        path.write_text("".join(f"{line}\n" for line in (*why, MARK, *said)) + body, encoding="utf-8")
    message.cache_clear()


def _split(text: str) -> tuple[list[str], str]:
    """The leading comment block's lines, and the rest."""
    lines = text.splitlines(keepends=True)
    end = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return [line.rstrip("\n") for line in lines[:end]], "".join(lines[end:])
