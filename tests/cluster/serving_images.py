"""What stands in for the images: this checkout's package and environment, at the paths that the Dockerfile gives."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.pod_container import Image
from tests.serving import toy_engine
from tests.serving.package import PACKAGE, ROOT

PYTHON = "/opt/slipway/bin/python"
LAUNCHER = (PYTHON, "-m", "serving.launcher", "--container", "/run/slipway", "/etc/slipway/launcher.json")
# As `ENV` in serving_image/Dockerfile; there the package is in the environment itself.
ENVIRONMENT = {
    "HOME": "/cache",
    "LANG": "C.UTF-8",
    "PATH": "/opt/slipway/bin:/usr/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONSAFEPATH": "1",
    "PYTHONPATH": "/opt/serving",
}
# So rarely does a scripted engine say something: a busy machine has time for many streams.
TICK_SECONDS = 0.25
FOLDERS = {"/opt/slipway": sys.prefix, "/opt/serving": str(PACKAGE)}


def gateway(folder: Path) -> Image:
    return Image(_empty(folder / "gateway"), LAUNCHER, ENVIRONMENT, FOLDERS)


def llama_cpp(folder: Path) -> Image:
    """The real engine, of the wheel."""
    return _engine(folder / "llama_cpp", (ROOT / "serving_image" / "llama-server").read_text())


def scripted(folder: Path) -> Image:
    """An engine that says one word for each token, at its own pace, under llama.cpp's name and with its options."""
    text = f"#!{PYTHON}\n{Path(toy_engine.__file__).read_text()}"
    return _engine(folder / "scripted", text, {"TOY_TICK_SECONDS": str(TICK_SECONDS)})


def valkey(folder: Path) -> Image:
    """Of this machine; Redis takes the same configuration."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    assert found
    files = Path(_empty(folder / "valkey"))
    (files / "usr" / "bin").mkdir(parents=True)
    (files / "usr" / "bin" / "valkey-server").symlink_to(found) if not found.endswith("valkey-server") else None
    return Image(str(files))


def _engine(files: Path, server: str, environment: Mapping[str, str] | None = None) -> Image:
    _empty(files)
    (files / "app").mkdir()
    (files / "app" / "llama-server").write_text(server)
    (files / "app" / "llama-server").chmod(0o755)
    return Image(str(files), LAUNCHER, {**ENVIRONMENT, **(environment or {})}, FOLDERS)


def _empty(files: Path) -> str:
    """With the folders that the Dockerfile makes for what is mounted."""
    for name in ("cache", "run", "tmp", "weights", "etc/slipway"):
        (files / name).mkdir(parents=True)
    (files / "tmp").chmod(0o1777)
    return str(files)
