"""The tuning as a process."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools.checkout import ROOT


class Tuner:
    """The tuning as a process, of which every line that it says is read."""

    def __init__(self, python: Path, folder: Path, *, path: str = "", **settings: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "tuning.json"
        config.write_text(json.dumps({**settings, "result": str(folder / "result.gguf"), "threads": 1}))
        self.result, self.record = folder / "result.gguf", folder / "record.json"
        command = [str(python), "-W", "ignore", "-m", "tuning", str(config), "--record", str(self.record)]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'tuning_image'}{path}"}
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid
        self.said: list[str] = []

    def until(self, text: str) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.said.append(line.strip())
            if text in line:
                return
        pytest.fail(f"it ended without {text}: {self.said}")

    def killed(self, number: int) -> int:
        self._process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        assert self._process.stderr is not None
        self.said += [line.strip() for line in self._process.stderr]
        return self._process.wait()

    def found(self) -> dict[str, Any]:
        assert self.ended() == 0, self.said
        return json.loads(self.record.read_text())
