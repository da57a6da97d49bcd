"""A Pulumi project of a test's own whose clouds are files: real CLI, stand-in plugins, state in a folder."""

from __future__ import annotations

import importlib.util
import json
import shlex
from pathlib import Path

from tests.clouds.cloud import Cloud
from tests.clouds.plugin import CLOUD_FILE
from tools.checkout import ROOT, VENV

PACKAGES = {"aws": "pulumi_aws", "gcp": "pulumi_gcp"}


def version(package: str) -> str | None:
    """The version of the installed SDK; the engine looks for a plugin of the same one. None: it is not installed."""
    found = importlib.util.find_spec(PACKAGES[package])
    if found is None or found.origin is None:
        return None
    return json.loads((Path(found.origin).parent / "pulumi-plugin.json").read_text())["version"]


def install(home: Path, package: str, file: Path) -> Cloud:
    """Puts the plugin of a cloud into a Pulumi home; returns the cloud that it has."""
    known = version(package)
    assert known, f"{PACKAGES[package]} is not installed"
    folder = home / "plugins" / f"resource-{package}-v{known}"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / f"pulumi-resource-{package}"
    settings = [f"PYTHONPATH={ROOT}", f"{CLOUD_FILE}={file}"]
    command = [str(VENV / "bin" / "python"), "-m", "tests.clouds.plugin", "--facts", f"tests.clouds.{package}"]
    program.write_text(f'#!/bin/sh\nexec env {shlex.join([*settings, *command, "--version", known])} "$@"\n')
    program.chmod(0o755)
    return Cloud(file)
