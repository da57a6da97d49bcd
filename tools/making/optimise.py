"""Makes the smaller versions that models of a stack declare, and judges each beside the original.

On this machine the stack need not be up: engines are started for it on free ports, one after the other. What a cluster
of the stack makes is started there.
"""

import os
from typing import Any

from tools import jobs
from tools.checkout import ROOT
from tools.making import here, install, there
from tools.problem import Problem, run


def main(arguments: list[str]) -> int:
    """Every one, or those of the models that a pattern names; the status says whether all are registered."""
    options, plan, wanted = here.wanted(arguments, "tools/making/optimise", "optimisation", "gguf", __doc__)
    on_clusters = {name for name in wanted if jobs.pods(plan, name)}
    for name in wanted.keys() - on_clusters:
        _not_there_yet(name, wanted[name])
    good = [
        there.made(options, name, one, jobs.pods(plan, name))
        if name in on_clusters
        else here.made(options.stack, name, one, plan, _make(one))
        for name, one in wanted.items()
    ]
    return 0 if all(good) else 1


def _not_there_yet(name: str, one: dict[str, Any]) -> None:
    """A version is never made again: somebody may serve it."""
    folder = here.MODELS / one["model"] / one["version"]
    if folder.exists():
        raise Problem(
            where=f"{name}, version {one['version']}",
            found=f"{folder.relative_to(ROOT)} is there already",
            allowed="a version that is not there yet",
            do="Give the new one another name (`version`), or remove that folder if no stack serves it.",
        )


def _make(one: dict[str, Any]) -> dict[str, Any]:
    """What makes it. The quantiser is installed when it is first needed."""
    return {**one["work"]["told"], "program": str(install.program()), "threads": os.cpu_count() or 1}


if __name__ == "__main__":
    run(main)
