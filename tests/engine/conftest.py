"""Fixtures for tests that run the real Pulumi CLI on a checkout of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.checkout import Checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout on which nothing has been run yet."""
    made = Checkout(tmp_path / "checkout")
    yield made
    made.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Checkout, str]]:
    """A checkout after `make up`, with the key of client `dev`; shared by the tests of one file, in their order."""
    made = Checkout(tmp_path_factory.mktemp("served") / "checkout")
    made.up()
    yield made, made.key()
    made.close()
