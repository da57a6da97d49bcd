"""What every experiment shares: how often it runs, saying so, and a fake engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.serving.upstream import FakeEngine

FULL = os.environ.get("FAULTS_FULL") == "1"
Times = Callable[..., int]


@pytest.fixture
def times(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Times:
    """`times(100)` is 100 at full size and 10 otherwise; what is chosen is printed."""

    def choose(full: int, otherwise: int | None = None, what: str = "n") -> int:
        number = full if FULL else otherwise if otherwise is not None else max(1, full // 10)
        with capsys.disabled():
            print(f"\n{request.node.name}: {what} = {number} (full size {full})")
        return number

    return choose


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running
