"""Names: the project's own, and what becomes of a user's name where only letters, digits and dashes are allowed."""

from __future__ import annotations

import re

PROJECT = "slipway"
DEPLOYMENT_KEY = f"{PROJECT}:deployment"


def normalised(name: str) -> str:
    """`name` as a DNS label: lower case, `.` and `_` as `-` (RFC 1123). Two names with one label collide."""
    return re.sub(r"[._]", "-", name).lower()
