"""Why the launcher cannot do what it was told, in four parts that a user can act on."""

from __future__ import annotations

from pathlib import Path


class Refusal(Exception):
    """Where it is, what was found, what is allowed, what to do."""

    def __init__(self, *, where: str, found: str, allowed: str, remedy: str) -> None:
        self.where, self.found, self.allowed, self.remedy = where, found, allowed, remedy
        super().__init__(where, found, allowed, remedy)

    def as_data(self) -> dict[str, str]:
        return {"where": self.where, "found": self.found, "allowed": self.allowed, "remedy": self.remedy}

    def __str__(self) -> str:
        return f"{self.where}\n   found    {self.found}\n   allowed  {self.allowed}\n   do       {self.remedy}"


def unusable(path: Path, error: OSError) -> Refusal:
    """What the system says when a file or folder that the launcher needs cannot be used."""
    return Refusal(
        where=str(error.filename or path),
        found=(error.strerror or "an error without a name").lower(),
        allowed="a folder that this user can write, with room on its disk",
        remedy="make room or correct the permissions, then start it again",
    )
