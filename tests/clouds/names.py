"""What clouds take as names: refused are those that are too long or have other letters, as providers refuse them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# A dash and seven digits are put behind a logical name where the program gives none.
MADE_UP = 8


@dataclass(frozen=True, kw_only=True)
class NameRule:
    """`letters` is a regular expression for the whole name. Behind a prefix, Terraform puts `behind` letters,
    or `behind_long` where it would be too long with these. Is it `lowered`, the provider makes it of small letters."""

    letters: str
    longest: int
    shortest: int = 1
    behind: int = 26
    behind_long: int | None = None
    lowered: bool = False

    def wrong(self, name: str) -> str | None:
        """Why it is not taken."""
        if not self.shortest <= len(name) <= self.longest:
            return f"has to have {self.shortest} to {self.longest} characters"
        if not re.fullmatch(self.letters, name):
            return f"has to match ^{self.letters}$"
        return None

    def after(self, prefix: str) -> int:
        """How many letters are put behind a prefix."""
        short = self.behind_long is None or len(prefix) + self.behind <= self.longest
        return self.behind if short else self.behind_long or self.behind


def refusal(
    token: str, logical: str, held: str | None, rule: NameRule, inputs: Mapping[str, Any]
) -> tuple[str, str] | None:
    """The property, and what the provider says of it; None where the name is taken. `held` is the property that has
    it, which the provider fills in where there is neither a name nor a prefix."""
    if held is None:
        return None
    given, prefix = inputs.get(held), inputs.get(f"{held}Prefix")
    if given:
        why = rule.wrong(str(given))
        return (held, f'"{held}" ("{given}") {why}') if why else None
    if prefix:
        name = f"{prefix}{'0' * rule.after(str(prefix))}"
        why = rule.wrong(name)
        return (f"{held}Prefix", f'"{held}Prefix" ("{prefix}"): with what follows it, it {why}') if why else None
    if len(logical) + MADE_UP > rule.longest:
        too_long = f"name '{logical}-' plus {MADE_UP - 1} random chars is longer than maximum length {rule.longest}"
        return held, f"could not make instance of '{token}': {too_long}"
    made = made_name(logical, rule, "0" * (MADE_UP - 1))
    why = rule.wrong(made)
    return (held, f'"{held}" ("{made}") {why}') if why else None


def made_name(logical: str, rule: NameRule, digits: str) -> str:
    """As the provider makes one."""
    made = f"{logical}-{digits}"
    return made.lower() if rule.lowered else made
