"""What one site's machine is told to do, as JSON on its standard input, and what it answers in its last line."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Order:
    """`document` is the text of the stack file that all sites share. `release` is the code that it was planned by.
    `asked` are the site's own models with their tasks, and `client` is who asks for them when it shows that it serves:
    empty where nobody can. `extras` are the packages that deploying its platform needs."""

    stack: str
    site: str
    document: str
    release: str
    client: str
    asked: dict[str, str]
    answer_seconds: float
    extras: list[str] = field(default_factory=list[str])

    @property
    def name(self) -> str:
        """The site's own Pulumi stack."""
        return site_stack(self.stack, self.site)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a site: whether it is as it should be, and in a few words why."""

    good: bool
    said: str
    seconds: float = 0.0


def site_stack(stack: str, site: str) -> str:
    """The name of a site's own Pulumi stack."""
    return f"{stack}-{site}"


def written(order: Order) -> str:
    """The order as it travels."""
    return json.dumps(asdict(order))


def read(text: str) -> Order:
    """The order as it arrived."""
    return Order(**json.loads(text))


def answered(printed: str) -> Outcome | None:
    """The outcome among what a machine has printed; None where it ended without one."""
    for line in reversed(printed.splitlines()):
        if line.startswith('{"good":'):
            known: dict[str, Any] = json.loads(line)
            return Outcome(good=bool(known["good"]), said=str(known["said"]))
    return None


def answer(outcome: Outcome) -> str:
    """The outcome as it travels."""
    return json.dumps({"good": outcome.good, "said": outcome.said})
