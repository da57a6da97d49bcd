"""The outcome of a making as a person reads it, with what to write into a stack to serve the version."""

import json
from pathlib import Path
from typing import Any

from tools.checkout import ROOT

MEBIBYTE = 1 << 20


def registered(name: str, found: dict[str, Any], target: Path, kept: Path) -> str:
    """What it is, beside the original, and its source and card for a stack file."""
    card = json.loads((target / "card.json").read_text(encoding="utf-8"))
    return "\n".join(
        [
            f"{name}: registered as {target.relative_to(ROOT)}",
            *_compared(found),
            *_room(found),
            f"  record: {kept.relative_to(ROOT)}",
            "  to serve it, write into the model of a stack:",
            *(f"    {line}" for line in served(card, target)),
        ]
    )


def registered_there(name: str, one: dict[str, Any], found: dict[str, Any], kept: Path, pod: dict[str, Any]) -> str:
    """The same of a version on a cluster's volume, which a stack serves from where it is copied to."""
    card = one["card"]
    if digest := (found.get("taught") or {}).get("data_digest"):
        card = {**card, "trained_on": f"{card['trained_on']} (SHA-256 {digest})"}
    return "\n".join(
        [
            f"{name}: registered as {pod['config']['folder']}/{found['version']} on the volume {pod['claim']}",
            *_compared(found),
            *_room(found),
            f"  record: {kept.relative_to(ROOT)}",
            "  to serve it, copy it to where the stack has weights from, and write into the model beside its source:",
            *(f"    {line}" for line in carded(card, one["evaluation"], found["figures"])),
        ]
    )


def removed(name: str, found: dict[str, Any], kept: Path) -> str:
    """Why nothing is left of it."""
    return "\n".join(
        [
            f"{name}: NOT REGISTERED, and removed: {found['why']}",
            *_compared(found),
            *_room(found),
            f"  record: {kept.relative_to(ROOT)}",
        ]
    )


def served(card: dict[str, Any], target: Path) -> list[str]:
    """The `source` and the `card` of a model that serves this version. JSON is YAML, which quotes what has to be."""
    file, evaluated = card["files"][0], card["evaluated"]
    path = f"{target.relative_to(ROOT).as_posix()}/{file['file']}"
    return [
        f"source: {{kind: file, path: {path}, sha256: {file['sha256']}}}",
        *carded(card, evaluated["evaluation"], evaluated["figures"]),
    ]


def carded(card: dict[str, Any], evaluation: str, figures: dict[str, Any]) -> list[str]:
    """The `card` alone: what is known of a version, and how it was judged."""
    parent, made = card["parent"], card["made_by"]
    parameters = ", ".join(f"{key} {json.dumps(value)}" for key, value in made["parameters"].items())
    said = {
        "license": card["license"],
        "parent": f"{parent['source']} at {parent['version']}",
        "made_by": f"{made['tool']}: {parameters}",
        "trained_on": card["trained_on"],
        "evaluated": f"{evaluation}: {figures['right_percent_result']:g} % right (original "
        f"{figures['right_percent_original']:g} %), goes on alike at {figures['same_percent']:g} % of places",
    }
    return [
        "card:",
        *(f"  {key}: {json.dumps(value)}" for key, value in said.items() if value is not None),
    ]


def _room(found: dict[str, Any]) -> list[str]:
    """What had to go for it."""
    return [f"  removed: {', '.join(found['removed'])}"] if found.get("removed") else []


def _compared(found: dict[str, Any]) -> list[str]:
    """Both versions side by side."""
    figures = found["figures"]
    if not figures:
        return []
    sizes = [f"{figures[key] / MEBIBYTE:.1f} MiB" for key in ("bytes_original", "bytes_result")]
    rows = [("", "original", "result"), ("size", sizes[0], f"{sizes[1]} ({figures['size_percent']:g} %)")]
    right = [f"{figures[key]:g} %" for key in ("right_percent_original", "right_percent_result")]
    rows.append(("right answers", right[0], right[1]))
    rows.append(("goes on alike", "", f"{figures['same_percent']:g} % of places"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    for one in found["verdicts"]:
        lines.append(f"  {one['what']} {one['allowed']:g}: {one['measured']:g}, {'kept' if one['kept'] else 'MISSED'}")
    return lines
