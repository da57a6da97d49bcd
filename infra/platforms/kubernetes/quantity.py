"""Amounts as Kubernetes writes them: `500m` processors, `64Gi` of memory."""

from __future__ import annotations

from collections.abc import Mapping

_SUFFIXES: Mapping[str, float] = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "k": 1e3,
    **{suffix: 1000.0**power for power, suffix in enumerate("MGTPE", 2)},
    **{f"{suffix}i": 1024.0**power for power, suffix in enumerate("KMGTPE", 1)},
}


def quantity(text: str | int | float) -> float:
    """In units, of memory in bytes. Raises ValueError."""
    written = str(text)
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if written.endswith(suffix):
            return float(written.removesuffix(suffix)) * _SUFFIXES[suffix]
    return float(written)
