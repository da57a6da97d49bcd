"""What a cloud must allow an account before a site can be there, as its plan knows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class QuotaNeed:
    """How much of one quota a site has at most, while one machine of each kind is exchanged for another. `others` is
    how much that is where the dearest machines run that do as well as the planned ones: the same where none do.
    `uncounted` are machines of which nobody here knows how much they count. `code` and `default` are None where no
    quota is known for such machines. `counts` is what of machines is counted, None where things themselves are; `of`
    says which, and `per_zone` whether in each zone."""

    service: str
    code: str | None
    name: str
    needed: int
    others: int
    counts: str | None
    of: tuple[str, ...]
    uncounted: tuple[str, ...] = ()
    per_zone: bool = False
    default: int | None
    source: str
    as_of: str

    @property
    def enough_by_default(self) -> bool:
        """Whether a new account may have as much, so that nobody has to ask."""
        return self.default is not None and not self.uncounted and self.needed <= self.default
