"""Teaches models of a stack what their data says, wherever it has changed since the last version: on this machine, or
by a job of the stack's cluster.

Whoever is interrupted runs it again: it goes on from its last checkpoint.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

from tools import jobs
from tools.checkout import LOCAL, ROOT, private_folder
from tools.making import here, there, tuning
from tools.problem import Problem, run
from tools.progress import say

CHECKPOINTS = LOCAL / "checkpoints"
# What sites on other machines and their coordinator know each other by, by model.
INVITATIONS = LOCAL / "invitations"
# As many digits of the data's digest as tell its versions apart.
_DIGITS = 8


def main(arguments: list[str]) -> int:
    """Every one, or those of the models that a pattern names; the status says whether all are as their data is."""
    options, plan, wanted = here.wanted(arguments, "tools/making/refresh", "refresh", "lora", __doc__)
    local = {name: one for name, one in wanted.items() if not jobs.pods(plan, name)}
    digests = {
        name: None if one["work"]["told"].get("of_data") else _digests(name, one["work"]["told"]["data"])
        for name, one in local.items()
    }
    for name, one in local.items():
        _invited(name, one)
    good = [
        _one(options.stack, name, one, plan, digests[name])
        if name in local
        else there.made(options, name, one, jobs.pods(plan, name))
        for name, one in wanted.items()
    ]
    return 0 if all(good) else 1


def _one(stack: str, name: str, one: dict[str, Any], plan: dict[str, Any], digest: str | None) -> bool:
    if digest is None:
        # Named when all sites have said what they learn.
        return here.made(stack, name, one, plan, _make(one))
    version = f"{one['version']}-{digest[:_DIGITS]}"
    target = here.MODELS / one["model"] / version
    if target.exists():
        say(f"{name}: the data is that of {target.relative_to(ROOT)}: nothing to do")
        return True
    told = one["work"]["told"]
    card = one["card"]
    data = told["data"]
    taught = f"{data if isinstance(data, str) else ', '.join(data.values())} (SHA-256 {digest})"
    before = card["parent"].get("trained_on")
    dated = {
        **one,
        "version": version,
        "card": {**card, "trained_on": f"{taught}, after {before}" if before else taught},
    }
    return here.made(stack, name, dated, plan, _make(one))


def _invited(name: str, one: dict[str, Any]) -> None:
    """Refuses a site that has not got its invitation."""
    joins = one["work"]["told"].get("settings", {}).get("joins")
    if joins and not (file := _invitation(one["model"], joins["site"])).exists():
        raise Problem(
            where=f"{name}, site {joins['site']}",
            found=f"no {file.relative_to(LOCAL.parent)}",
            allowed=f"the invitation that {joins['coordinator']} made for this site",
            do=f"Run `make refresh` there, and bring {file.relative_to(LOCAL.parent)} of its checkout here, as a key.",
        )


def _invitation(model: str, site: str) -> Path:
    return INVITATIONS / model / f"{site}.json"


def _make(one: dict[str, Any]) -> dict[str, Any]:
    """What teaches it, in its own Python, which is installed when it is first needed."""
    told = one["work"]["told"]
    data, settings = told["data"], dict(told["settings"])
    if elsewhere := settings.get("elsewhere"):
        private_folder(INVITATIONS)
        settings["elsewhere"] = {**elsewhere, "invitations": str(private_folder(INVITATIONS / one["model"]))}
    if joins := settings.get("joins"):
        settings["joins"] = {**joins, "invitation": str(_invitation(one["model"], joins["site"]))}
    return {
        **told,
        "data": str(ROOT / data) if isinstance(data, str) else {site: str(ROOT / one) for site, one in data.items()},
        "program": str(tuning.install()),
        "module": str(ROOT / "tuning_image"),
        "checkpoints": str(private_folder(CHECKPOINTS)),
        # Half of the processors: more wait for each other wherever something else runs.
        "settings": {**settings, "threads": max(1, (os.cpu_count() or 2) // 2)},
    }


def _digests(name: str, data: str | dict[str, str]) -> str:
    """Of one place; of sites, of their digests and names, as the tuning has it."""
    if isinstance(data, str):
        return _digest(name, ROOT / data)
    listed = "".join(f"{_digest(name, ROOT / place)}  {site}\n" for site, place in sorted(data.items()))
    return hashlib.sha256(listed.encode()).hexdigest()


def _digest(name: str, data: Path) -> str:
    """As the tuning has it: of all lines, in the order of the files' names."""
    files = sorted(data.rglob("*.jsonl")) if data.is_dir() else [data]
    found = hashlib.sha256()
    try:
        for file in files:
            found.update(file.read_bytes())
    except OSError as error:
        raise Problem(
            where=f"{name}, data {data.relative_to(ROOT)}",
            found=(error.strerror or "not a file").lower(),
            allowed="a file of JSON lines, or a folder of them, below the checkout",
            do="Put it there, or name another in `data`.",
        ) from None
    return found.hexdigest()


if __name__ == "__main__":
    run(main)
