"""The images that can be built here, once for all tests of them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.image.container import Container, Image
from tools.images.build import TARGETS, missing

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def images() -> dict[str, Image]:
    if reason := missing():
        pytest.skip(reason)
    began = time.monotonic()
    command = [sys.executable, "-m", "tools.images.build", *TARGETS]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    folders = [Path(line) for line in built.stdout.splitlines()]
    found = {
        target: Image(folder / "root", json.loads((folder / "config.json").read_text()))
        for target, folder in zip(TARGETS, folders, strict=True)
    }
    sizes = ", ".join(f"{target} {image.bytes() / 1e6:.0f} MB" for target, image in found.items())
    print(f"slipway image: {sizes}; built in {time.monotonic() - began:.0f} s")
    return found


@pytest.fixture
def start(tmp_path: Path, images: dict[str, Image]) -> Iterator[Any]:
    """Runs an image with a specification; ends it again."""
    with ExitStack() as stack:

        def start(target: str, specification: dict[str, Any], mounts: dict[str, Path] | None = None) -> Container:
            folder = tmp_path / f"container-{target}"
            return stack.enter_context(Container(folder, images[target], specification, mounts or {}))

        yield start
