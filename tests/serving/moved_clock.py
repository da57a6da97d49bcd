"""Runs a gateway whose wall clock is off by the seconds in a file (the first argument), which a test may change."""

from __future__ import annotations

import sys
import time
from pathlib import Path

_true = time.time
_offset_file = Path(sys.argv.pop(1))


def _moved() -> float:
    return _true() + float(_offset_file.read_text())


time.time = _moved

from serving.gateway.command_line import main  # noqa: E402

sys.exit(main())
