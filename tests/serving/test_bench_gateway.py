"""The gateway's benchmark runs and writes what it promises. Never a timed assertion: those are in its own table."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.dom.minidom
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
_PATH = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
_MISSING = [name for name in ("nginx", "wrk", "cc") if shutil.which(name, path=_PATH) is None]


def _bench(*options: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) if path is None else {**os.environ, "PATH": path}
    return subprocess.run(
        [sys.executable, "-m", "bench.gateway", *options],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.mark.skipif(bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)}")
def test_a_short_run_measures_everything(tmp_path: Path) -> None:
    picture = tmp_path / "speed.svg"
    options = ("--seconds", "1", "--rounds", "1", "--idle-streams", "200", "--output", str(tmp_path), "--interpreted")
    done = _bench(*options, "--plot", str(picture))
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, Any] = json.loads((tmp_path / "gateway.json").read_text())
    assert {"direct", "nginx", "slipway"} <= set(result["requests_per_second"])
    assert set(result["added_time_to_first_token_ms"]) == {"p50", "p99"}
    for name in (
        "ratio_to_nginx",
        "cpu_us_per_request",
        "cpu_us_per_event",
        "requests_per_second_64k",
        "idle_stream_rss_mb",
    ):
        assert result[name] > 0, name
    assert isinstance(result["added_p50_ms"], float)
    assert result["idle_streams_opened"] == 200
    # What every request passes through was on, or the figures are of something else.
    assert {"API key", "model list", "requests per minute"} <= set(result["features"])
    assert [row["name"] for row in result["targets"] if row["name"] in done.stdout]
    assert xml.dom.minidom.parse(str(picture)).documentElement.tagName == "svg"


def test_a_missing_program_is_named_with_what_to_install(tmp_path: Path) -> None:
    done = _bench("--output", str(tmp_path), path=str(tmp_path))  # nginx may still be found in /usr/sbin, wrk not
    assert done.returncode == 1
    for part in ("where", "found", "allowed", "do ", "no program `", "apt-get install"):
        assert part in done.stderr
