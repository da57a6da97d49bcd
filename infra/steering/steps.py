"""What a person's word makes of the state of a release. Pure; the judge goes on from whatever it finds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from infra.problems import Problem, Refused
from infra.releases.looks import looks_of

State = dict[str, Any]
# As the judge keeps them (serving/release/state.py); a contract test holds both together.
MOST_ENTRIES = 40
MOST_LOOKS = 160
DIGEST_CHARACTERS = 16


def identity(candidate: str, digest: str | None) -> str:
    """Which release it is, as gateways and the judge name it."""
    return f"{candidate}@{digest[:DIGEST_CHARACTERS]}" if digest else candidate


def states_of(text: str, where: str) -> dict[str, State]:
    """By model. Raises Refused with `where` it is."""
    try:
        found: dict[str, State] = json.loads(text or "{}")
        if not all({"release", "log"} <= state.keys() for state in found.values()):
            raise ValueError
        for state in found.values():
            looks_of(state)
    except (ValueError, AttributeError):
        problem = Problem(
            where=where,
            found="something else than what a judge writes",
            allowed="the state of releases by model, as JSON",
            remedy="correct or remove it: until then gateways go on as they are",
        )
        raise Refused("the command", [problem]) from None
    return found


def fresh(release: str, now: float) -> State:
    """At the beginning."""
    return {"release": release, "phase": "running", "step": -1, "percent": 0.0, "since": now, "log": []}


def steered(state: State | None, action: str, release: str, rules: Mapping[str, Any], now: float) -> State:
    """The state after a person's word."""
    if state is None or state["release"] != release or action == "restart":
        before: list[Any] = [] if state is None else state["log"]
        state = {**fresh(release, now), "log": before}
        if action == "restart":
            return _noted(state, now, "begins with 0 %, by hand")
    step = int(state.get("step", -1))
    if action == "abort":
        return _noted({**state, "phase": "rolled_back", "percent": 0.0}, now, "rolled back by hand")
    if action == "promote":
        following = 0 if state.get("phase") == "rolled_back" else step + 1
        if following >= len(rules["steps"]):
            last = rules["steps"][-1] if rules["sends"] == "share" else 0.0
            return _noted({**state, "phase": "done", "percent": last}, now, "done by hand")
        percent = rules["steps"][following]
        begun: State = {"phase": "running", "step": following, "percent": percent, "since": now, "totals": {}}
        # What was asked before this step is settled by hand; before the next one it is asked again.
        begun["evaluation"] = None
        return _noted({**state, **begun}, now, f"{percent:g} % by hand")
    if state.get("phase") not in ("running", "paused"):
        return state
    paused = action == "pause"
    said = f"{'paused' if paused else 'goes on'} at {state.get('percent', 0.0):g} %, by hand"
    return _noted({**state, "phase": "paused" if paused else "running"}, now, said)


def described(state: State | None, release: str, rules: Mapping[str, Any]) -> list[str]:
    """For a person: where it is, what it waits for, and what was decided."""
    steps = ", ".join(f"{step:g}" for step in rules["steps"])
    whole = f"`{rules['candidate']}` by {steps} %{'' if rules['sends'] == 'share' else ' as copies'}"
    if state is None or state["release"] != release:
        return [f"{whole}: not begun"]
    phase = str(state.get("phase", "running")).replace("_", " ")
    lines = [f"{whole}: {phase} at {state.get('percent', 0.0):g} %", f"  {state.get('says', '')}".rstrip()]
    lines += [f"  {_at(entry['at'])}  {entry['said']}" for entry in state["log"]]
    return [line for line in lines if line]


def _noted(state: State, now: float, said: str) -> State:
    """In words, and as a look without figures."""
    look = {"at": now, "said": said, **{name: state[name] for name in ("step", "percent", "phase")}}
    return {
        **state,
        "says": said,
        "log": [*state["log"], {"at": now, "said": said}][-MOST_ENTRIES:],
        "history": [*state.get("history", []), look][-MOST_LOOKS:],
    }


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
