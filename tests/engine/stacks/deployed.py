"""An example stack that is up, once for all tests of it; taken down at the end, and then nothing may be left."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.engine.checkout import Checkout
from tests.engine.stacks.places import Place
from tests.engine.stacks.rows import CLIENT_KEY, SECRETS, ExampleStack, with_a_secret


def prepared(example: ExampleStack, place: Place, folder: Path) -> Checkout:
    """A checkout with the stack adapted to its place and every secret given; nothing is deployed yet."""
    checkout = Checkout(folder, example.name)
    place.prepare(checkout)
    checkout.change(example.adapt)
    checkout.pulumi("stack", "init", example.name)
    return checkout


def give_secrets(example: ExampleStack, checkout: Checkout) -> None:
    """Sets every secret that a user can set."""
    checkout.change(with_a_secret)
    given = {**SECRETS, **example.secrets, f"slipway:client_keys.{example.client}": CLIENT_KEY}
    arguments = [argument for key, value in given.items() for argument in ("--secret", f"{key}={value}")]
    checkout.pulumi("config", "set-all", "--stack", example.name, "--path", *arguments)


class Deployed:
    """Previewed, then up; what both printed and what was there before them is kept."""

    def __init__(self, example: ExampleStack, place: Place, folder: Path) -> None:
        self.example, self.place = example, place
        self.checkout = prepared(example, place, folder)
        give_secrets(example, self.checkout)
        self.before = place.things(self.checkout)
        self.previewed = self.pulumi("preview")
        self.after_preview = place.things(self.checkout)
        started = time.monotonic()
        self.printed = self.up()
        print(f"{example.name} was up after {time.monotonic() - started:.0f} s")

    def pulumi(self, command: str, *arguments: str, check: bool = True) -> str:
        return self.checkout.pulumi(command, "--stack", self.example.name, *arguments, check=check)

    def up(self, *arguments: str, check: bool = True) -> str:
        return self.pulumi("up", "--yes", "--skip-preview", *arguments, check=check)

    def planned(self, *arguments: str) -> dict[str, frozenset[str]]:
        """What a preview would do: operation → logical names. Empty when nothing."""
        found: dict[str, set[str]] = {}
        for step in json.loads(self.pulumi("preview", "--json", *arguments))["steps"]:
            if step["op"] not in ("same", "refresh"):
                found.setdefault(step["op"], set()).add(step["urn"].rsplit("::", 1)[-1])
        return {operation: frozenset(names) for operation, names in found.items()}

    def resources(self) -> list[dict[str, Any]]:
        """What the state holds; not the default providers, which nobody counts."""
        held = json.loads(self.pulumi("stack", "export"))["deployment"].get("resources", [])
        return [one for one in held if not one["urn"].rsplit("::", 1)[-1].startswith("default")]

    def take_down(self) -> None:
        """Destroys; fails when anything is left in the place."""
        self.pulumi("destroy", "--yes", "--skip-preview")
        left = self.place.things(self.checkout) - self.before
        assert not left, f"destroy left {sorted(left)}"
        assert not self.resources()


class Deployments:
    """Deploys a stack the first time that it is asked for."""

    def __init__(self, place_of: Callable[[str], Place], folder_for: Callable[[str], Path]) -> None:
        self._place_of, self._folder_for = place_of, folder_for
        self._made: dict[str, Deployed] = {}

    def of(self, example: ExampleStack) -> Deployed:
        if example.name not in self._made:
            place, folder = self._place_of(example.place), self._folder_for(example.name)
            self._made[example.name] = Deployed(example, place, folder / "checkout")
        return self._made[example.name]

    def close(self) -> None:
        """Takes every stack down, and ends what is left running even where that fails."""
        problems: list[str] = []
        for deployed in self._made.values():
            try:
                deployed.take_down()
            except AssertionError as problem:
                problems.append(f"{deployed.example.name}: {problem}")
            finally:
                deployed.checkout.close()
        assert not problems, "\n".join(problems)


def counted(printed: str) -> dict[str, int]:
    """The numbers that pulumi ends with: `{"created": 3, "unchanged": 7}`."""
    block = printed.rsplit("Resources:", 1)[-1]
    return {what: int(number) for number, what in re.findall(r"^\s+[-+~=>]* ?(\d+) ([a-z ]+?)$", block, re.MULTILINE)}
