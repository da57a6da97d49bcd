"""The stack `dev` with a release of its model, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from infra.platforms.local.run_time import RUN_TIME
from infra.releases.base import FILE
from tests.manifests import ROOT


def with_release(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes it what commands read. Returns where its state is."""
    document = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())
    deployment = document["config"]["slipway:deployment"]
    chat = deployment["models"]["chat"]
    for of_its_own in ("evaluations", "load_test", "optimisation", "refresh"):
        del chat[of_its_own]
    deployment["models"]["next"] = dict(chat)
    chat["release"] = {"kind": "canary", "candidate": "next", "steps": [10, 100]}
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump(document))
    monkeypatch.setattr("infra.__main__.ROOT", folder)
    monkeypatch.setattr(RUN_TIME.releases, "root", folder)
    return folder / ".slipway" / "gateway" / "dev" / "here" / FILE
