"""What is wrong with audit files or with a command, in four parts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Where it is, what was found, what is allowed, what to do."""

    where: str
    found: str
    allowed: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}; allowed is {self.allowed}. {self.remedy}"


class CommandProblem(Exception):
    """Ends a command. `status`: 2 for what was typed, 1 for what the files are."""

    def __init__(self, where: str, found: str, allowed: str, remedy: str, *, status: int = 2) -> None:
        self.problem = Problem(where, found, allowed, remedy)
        self.status = status
        super().__init__(str(self.problem))


def unreadable(error: OSError) -> CommandProblem:
    """A file or folder cannot be used."""
    reason = error.strerror or type(error).__name__
    allowed = "a file or folder that this user can use"
    return CommandProblem(str(error.filename or "files"), reason, allowed, "Correct the path or its permissions.")
