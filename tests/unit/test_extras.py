"""Which packages a stack needs, by the platforms that it names."""

from __future__ import annotations

import pytest

from infra.__main__ import main
from infra.platforms import PLATFORMS
from tests.manifests import ROOT


@pytest.mark.parametrize(
    ("stack", "extras"), [("dev", ""), ("onprem", "kubernetes"), ("prod", "aws"), ("hybrid", "gcp kubernetes")]
)
def test_those_of_its_platforms(stack: str, extras: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extras", "--stack", stack]) == 0
    assert capsys.readouterr().out == f"{extras}\n"


def test_each_has_a_lock() -> None:
    for kind, platform in PLATFORMS.items():
        for extra in platform.extras:
            assert (ROOT / "requirements" / f"{extra}.txt").exists(), kind
