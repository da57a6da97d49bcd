"""`make clean`: removes .venv, .tools and .slipway, unless something of this checkout is still up."""

import shutil

from tools.checkout import LOCAL, ROOT, TOOLS, VENV
from tools.problem import Problem, run
from tools.stack import backend, processes


def main(arguments: list[str]) -> int:
    """Remove what the tools installed and wrote."""
    del arguments
    for stack in backend.stacks():
        backend.repair(stack)
        up = backend.resources_up(stack)
        if up or any(not lock.stale for lock in backend.locks(stack)):
            raise Problem(
                where=f"stack {stack}",
                found=f"{len(up)} resource(s) up" if up else "a pulumi that is changing it",
                allowed="nothing up: without state and tools it could not be taken down any more",
                do=f"Run `make down STACK={stack}` first.",
            )
    running = _running()
    if running:
        raise Problem(
            where=".slipway",
            found=f"a process that runs from it:\n{running[0]}",
            allowed="no process of a local deployment",
            do="Run `make down` first, with the backend that it was brought up with.",
        )
    for folder in (VENV, TOOLS, LOCAL):
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            print(f"removing {folder.relative_to(ROOT)}")
            shutil.rmtree(folder)
    return 0


def _running() -> list[str]:
    """Processes that were started with a file of .slipway on their command line, as launcher and gateway are."""
    found = (f"{process.number} {process.command}" for process in processes.running().values())
    return [line for line in found if f"{LOCAL}/" in line]


if __name__ == "__main__":
    run(main)
