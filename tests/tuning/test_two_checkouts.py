"""Two checkouts whose stacks teach one model together, as two people run them: neither has the other's data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.checkout import ROOT, Checkout, free_ports
from tests.serving.gateway_process import wait_until

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not os.environ.get("SLIPWAY_SLOW"), reason="installs PyTorch, 6 GB, and takes 3 minutes: make test-slow"
    ),
]
LEARNED = {"kind": "lora", "version": "shared", "evaluation": "ferries", "at_least_right_percent": 75}
INVITATION = ".slipway/invitations/chat/ships.json"


class Place(Checkout):
    """A checkout with only its own data; `refresh` is what its stack says of the model."""

    def __init__(self, folder: Path, own: str, refresh: dict[str, Any]) -> None:
        super().__init__(folder)
        shutil.copytree(ROOT / "tuning_image", folder / "tuning_image", ignore=shutil.ignore_patterns("__pycache__"))
        self.data = f"{own}.jsonl"
        shutil.copy2(ROOT / "examples" / "federated" / self.data, folder)
        self.change(lambda deployment: deployment["models"]["chat"].update(refresh={**LEARNED, **refresh}))
        self.said = folder / "said.txt"

    def refresh(self) -> subprocess.Popen[bytes]:
        with self.said.open("wb") as said:
            return subprocess.Popen(
                ["make", "refresh"], cwd=self.folder, env=self.environment(), stdout=said, stderr=subprocess.STDOUT
            )

    def ended(self, making: subprocess.Popen[bytes], status: int = 0) -> str:
        assert making.wait() == status, self.said.read_text()
        return self.said.read_text()

    def version(self) -> Path:
        (folder,) = (self.folder / ".slipway" / "models" / "chat").glob("shared-*")
        return folder


@pytest.fixture
def places(tmp_path: Path) -> Iterator[tuple[Place, Place]]:
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    elsewhere = {"sites": ["ships"], "address": address, "bind": "127.0.0.1"}
    made = (
        Place(
            tmp_path / "office",
            "office",
            {"federated": {"rounds": 3, "data": {"office": "office.jsonl"}, "elsewhere": elsewhere}},
        ),
        Place(tmp_path / "ships", "ships", {"data": "ships.jsonl", "joins": {"coordinator": address, "site": "ships"}}),
    )
    yield made
    for place in made:
        place.close()


def test_both_get_the_version_that_knows_what_each_told(places: tuple[Place, Place]) -> None:
    office, ships = places
    coordinates = office.refresh()
    try:
        # Who has not been invited is told what to bring from where.
        refused = ships.ended(ships.refresh(), 2)
        assert f"no {INVITATION}" in refused
        assert "Traceback" not in refused

        invitation = office.folder / INVITATION
        wait_until("the invitation", lambda: invitation.exists() or coordinates.poll() is not None, 600)
        (ships.folder / INVITATION).parent.mkdir(parents=True)
        shutil.copy2(invitation, ships.folder / INVITATION)
        said = ships.ended(ships.refresh()), office.ended(coordinates)
    finally:
        coordinates.kill()
        coordinates.wait()

    assert all("registered as .slipway/models/chat/shared-" in one for one in said)
    assert office.version().name == ships.version().name
    cards = [json.loads((place.version() / "card.json").read_text()) for place in places]
    assert cards[0]["files"] == cards[1]["files"]
    # Measured on its own by each, and found alike.
    assert cards[0]["evaluated"]["figures"] == cards[1]["evaluated"]["figures"]
    assert "site office is invited" not in said[1]
    # Each has its own data, and that alone; both versions know both.
    assert not list(office.folder.rglob(ships.data)) + list(ships.folder.rglob(office.data))
