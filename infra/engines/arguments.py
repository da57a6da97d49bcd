"""Flags that a user adds: checked against those the engine takes, those the plan decides, and those that are unsafe."""

from __future__ import annotations

from collections.abc import Iterator

from infra.engines.base import EngineRequest
from infra.engines.catalogue import Flags
from infra.problems import Problem, did_you_mean


def extra_argument_problems(request: EngineRequest, flags: Flags, negated: bool = False) -> Iterator[Problem]:
    """Each extra argument that the engine would refuse, that contradicts the plan, or that weakens the endpoint.

    `negated` says that the engine takes `--no-x` for a boolean `--x`.
    """
    engine = f"`{flags.kind}` {flags.version}"
    seen = set[str]()
    for index, argument in enumerate(request.settings.extra_arguments):
        flag = argument.partition("=")[0]
        # Both forms of a boolean are one flag.
        positive = f"--{flag.removeprefix('--no-')}" if negated and flag.startswith("--no-") else flag
        name = positive if positive in flags.taken else flag
        if name not in flags.taken:
            found = f"which {engine} {'no longer takes' if name in flags.removed else 'does not take'}"
            allowed = f"flags that {engine} takes (`infra/catalog/engine_flags.json`)"
            remedy = flags.removed.get(name) or did_you_mean(flag, flags.taken - set(flags.unsafe), "remove it")
        elif name in flags.unsafe:
            found, allowed = f"with it {flags.unsafe[name]}", "flags that leave the endpoint as safe as it is"
            remedy = "remove it"
        elif name in flags.decided:
            found, allowed = "which the plan renders itself", "flags beyond those of the plan"
            remedy = f"leave it to {flags.decided[name]}"
        elif name in seen:
            found, allowed, remedy = "which is there already", "each flag once", "keep one of them"
        else:
            seen.add(name)
            continue
        where = f"{request.where}.engine.extra_arguments[{index}]"
        yield Problem(where=where, found=f"`{flag}`, {found}", allowed=allowed, remedy=remedy)
