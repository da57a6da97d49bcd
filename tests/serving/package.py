"""Which form of the serving package processes under test run: this checkout's files, or those compiled from them."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# `make test-compiled` sets it to what tools/serving/compile has made.
PACKAGE = Path(os.environ.get("SLIPWAY_SERVING") or ROOT / "serving_image")
