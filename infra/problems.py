"""A problem a user can mend: where it is, what was found, what is allowed, what to do; and many of them at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, order=True)
class Problem:
    """One thing wrong. `found` never repeats a value that may be a secret."""

    where: str
    found: str
    allowed: str
    remedy: str

    def text(self) -> str:
        return f"{self.where}\n   found    {self.found}\n   allowed  {self.allowed}\n   do       {self.remedy}"


class Refused(Exception):
    """Raised with every problem at once; its text is all a user needs to see."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems: Sequence[Problem] = tuple(dict.fromkeys(problems))
        super().__init__(source, self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        heading = f"{count} problem{'s' if count != 1 else ''} in {self.source}"
        return "\n\n".join([heading, *(f"{i}. {p.text()}" for i, p in enumerate(self.problems, 1))])


def listing(names: Iterable[str]) -> str:
    """Names as a reader wants them: quoted, in order, or the word `none`."""
    return ", ".join(f"`{name}`" for name in names) or "none"


def nearest(wanted: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, or nothing when none is near."""
    by_folded = {name.lower().replace("-", "_"): name for name in known}
    close = difflib.get_close_matches(wanted.lower().replace("-", "_"), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def did_you_mean(wanted: str, known: Iterable[str], otherwise: str) -> str:
    """The remedy for an unknown name: the nearest one if any is near."""
    near = nearest(wanted, known)
    return f"did you mean `{near}`?" if near else otherwise
