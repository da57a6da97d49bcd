"""`make up`: from a clean checkout to a stack that is up, and how to use it."""

import argparse
import os

from tools.checkout import LOCAL, ROOT, require_room
from tools.problem import run
from tools.progress import say
from tools.pulumi import environment, install
from tools.stack import backend, packages, pending, stack_file
from tools.stack.announce import announce
from tools.stack.engine import Engine

STATE_MEBIBYTES = 100  # state, its backups, logs and sockets of a local deployment


def main(arguments: list[str]) -> int:
    """Install what is missing, make the stack if there is none, bring it up, print endpoint, key and a curl."""
    parser = argparse.ArgumentParser(prog="tools/up", description=__doc__)
    parser.add_argument("stack", nargs="?", default="dev")
    stack = parser.parse_args(arguments).stack
    stack_file.tracked(stack)
    require_room(ROOT, 1, "the tools")
    require_room(LOCAL, STATE_MEBIBYTES, "the deployment's state")
    packages.install(stack)
    engine = prepare()
    if engine.environment.own_state:
        backend.repair(stack)
        init_own(engine, stack)
        free(engine, stack)
    else:
        init_of_user(engine, stack)
    deploy(engine, "up", stack)
    announce(engine, stack)
    return 0


def prepare() -> Engine:
    """The CLI, installed if needed, and the environment it runs in, with its folders made."""
    command_line = install.install()
    computed = environment.compute(command_line, os.environ)
    if computed.own_state:
        environment.prepare(computed)
    return Engine(command_line, computed)


def deploy(engine: Engine, command: str, stack: str) -> None:
    """`pulumi up` or `pulumi destroy`: what is really there is read first, and nothing is asked."""
    options = [command, "--yes", "--refresh", "--skip-preview", "--stack", stack]
    if engine.environment.own_state:
        options += ["--config-file", str(stack_file.write(stack))]
    try:
        engine.run(*options, where=f"stack {stack}")
    finally:
        if engine.environment.own_state:
            stack_file.keep_salt(stack)


def free(engine: Engine, stack: str) -> bool:
    """Undo what a killed pulumi leaves on a stack: its lock, its processes, its open questions. False where nothing is.

    Whose lock it is can be told only for the state of this checkout. With a backend of the user's the lock stays, and
    pulumi's own message says who holds it.
    """
    found = engine.environment.own_state and backend.refuse_or_find_stale(stack)
    if found:
        backend.end_orphans()
        engine.run("cancel", "--yes", "--stack", stack, where=f"the lock of stack {stack}")
        say(f"stack {stack} was locked by a pulumi that was killed; it is free again")
    if engine.environment.own_state and not backend.interrupted_creates(stack):
        return found
    known, unknown = pending.settle(engine, stack)
    if known:
        say(f"the creation of {len(known)} object(s) was cut off; the next refresh shows which of them are there")
    if unknown:
        say(f"the creation of {len(unknown)} resource(s) was cut off; they are created again")
    return found or bool(known or unknown)


def init_own(engine: Engine, stack: str) -> None:
    """Make the stack where the salt that this writes is nobody's change."""
    if stack not in backend.stacks():
        scratch = stack_file.scratch_project(stack)
        engine.run("stack", "init", stack, "--no-select", where=f"stack {stack}", cwd=scratch)


def init_of_user(engine: Engine, stack: str) -> None:
    listed = engine.ask("stack", "ls", "--project", backend.project_name(), "--json")
    if stack not in {str(one["name"]).rsplit("/", 1)[-1] for one in listed}:
        engine.run("stack", "init", stack, "--no-select", where=f"stack {stack}")


if __name__ == "__main__":
    run(main)
