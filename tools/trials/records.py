"""Records of trials: kept by stack and trial, compared with the last one of another version, told to a person."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import records
from tools.checkout import ROOT

# Figures that a person compares, with what is better.
COMPARED = {
    "right_percent": "right answers, percent",
    "requests_per_second": "requests/s",
    "output_tokens_per_second": "tokens/s",
}


@dataclass(frozen=True)
class Kept:
    """A record with the file that it is in."""

    file: Path
    record: dict[str, Any]

    @property
    def picture(self) -> Path:
        """Beside it."""
        return self.file.with_suffix(".svg")


def keep(stack: str, name: str, found: dict[str, Any], estimate: dict[str, Any] | None) -> Kept:
    """Write it beside those before, with what the plan had estimated."""
    record = {**found, "estimate": estimate}
    return Kept(records.keep(stack, name, record), record)


def previous(stack: str, name: str, version: str) -> Kept | None:
    """The newest of another version: what served before this one."""
    for file in sorted((records.RECORDS / stack / name).glob("*.json"), reverse=True):
        record = json.loads(file.read_text(encoding="utf-8"))
        if record["about"]["version"] != version:
            return Kept(file, record)
    return None


def written(name: str, kept: Kept, before: Kept | None) -> str:
    """The outcome as a person reads it."""
    record = kept.record
    figures = record["figures"]
    lines = [f"{name}: {'passed' if record['passed'] else 'NOT PASSED'}"]
    if record["kind"] == "load":
        lines.append(
            f"  {figures['requests']:.0f} requests in {figures['seconds']:.0f} s, {figures['requests_per_second']:g} "
            f"whole answers/s, {figures['output_tokens_per_second']:g} tokens/s"
        )
    if replayed := record["about"].get("recorded"):
        lines.append(f"  replayed: {replayed}")
    if late := record.get("curves", {}).get("sent_late_seconds"):
        lines.append(f"  sent late by {late['95']:g} s at most for 95 % of them, by {late['100']:g} s at worst")
    rows = [("what must hold", "measured", "allowed", "")]
    for verdict in record["verdicts"]:
        measured = "nothing" if verdict["measured"] is None else f"{verdict['measured']:g}"
        rows.append((verdict["what"], measured, f"{verdict['allowed']:g}", "kept" if verdict["kept"] else "MISSED"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines += ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [f"  {count} × {error}" for error, count in record["errors"].items()]
    if record["wrong"]:
        lines.append(f"  not right: {', '.join(record['wrong'])}")
    if estimate := record["estimate"]:
        lines.append(
            f"  the plan's estimate of one replica: {estimate['requests_per_second']:g} requests/s, first token "
            f"{estimate['time_to_first_token_ms_low']} to {estimate['time_to_first_token_ms_high']} ms, "
            f"{estimate['time_per_output_token_ms']:.1f} ms/token"
        )
    if before is not None:
        # What a tool counts has the names of its tasks.
        own = {name: name for name in figures} if record["kind"] == "lm_evaluation_harness" else COMPARED
        was = [
            f"{what} {before.record['figures'][figure]:g} → {figures[figure]:g}"
            for figure, what in own.items()
            if figure in figures and figure in before.record["figures"]
        ]
        lines.append(f"  against version {before.record['about']['version']}: {'; '.join(was)}")
    lines.append(f"  record: {kept.file.relative_to(ROOT)}")
    if kept.picture.exists():
        lines.append(f"  picture: {kept.picture.relative_to(ROOT)}")
    return "\n".join(lines)
