"""Secrets of the gateway as files for this user only, in a folder of the generation that uses them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from infra.platforms.local.private_files import make_private, write_private

PREFIX = "secrets-"


def write_secrets(folder: Path, secrets: Mapping[str, str]) -> Path:
    """The folder with a file for each. Other secrets get another folder: the gateway in force keeps its own until the
    next configuration is, and a changed secret is a changed configuration, which a reload is asked for."""
    into = _folder(folder, secrets)
    make_private(into)
    for name, secret in secrets.items():
        write_private(into / name, secret.encode())
    return into


def forget_secrets(folder: Path, but: Mapping[str, str]) -> None:
    """Removes what the configuration in force no longer names."""
    for other in folder.glob(f"{PREFIX}*"):
        if other != _folder(folder, but):
            shutil.rmtree(other, ignore_errors=True)


def _folder(folder: Path, secrets: Mapping[str, str]) -> Path:
    digest = hashlib.sha256(json.dumps(dict(secrets), sort_keys=True).encode()).hexdigest()
    return folder / f"{PREFIX}{digest[:12]}"
