"""`python -m serving.launcher SPECIFICATION`: runs it until SIGTERM, restarts what crashes; SIGHUP reloads.

`python -m serving.launcher fetch …` brings weights to a place and ends, `… mirror …` from a hub into a bucket;
`… check …` reads those that are mounted.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from functools import partial
from pathlib import Path

from serving.launcher import checking, fetching, mirroring
from serving.launcher.first_process import run_below
from serving.launcher.generation import Generation
from serving.launcher.process_log import FileLog, JsonFormatter, JsonLog, Logs
from serving.launcher.refusal import Refusal, unusable

# Nobody sends a signal when a mounted file changes.
WATCH_SECONDS = 5.0


def main() -> int:
    commands = {"check": checking.main, "fetch": fetching.main, "mirror": mirroring.main}
    if (command := commands.get(sys.argv[1] if sys.argv[1:] else "")) is not None:
        return command(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m serving.launcher", description=__doc__)
    parser.add_argument(
        "specification", type=Path, help="the file that says what to run; its folder gets logs and status"
    )
    parser.add_argument("--take-over", type=Path, metavar="SOCKET", help="control socket of the generation before")
    parser.add_argument(
        "--container",
        type=Path,
        metavar="FOLDER",
        help="be the first process of a container: FOLDER gets the status, every log is JSON lines on standard output",
    )
    options = parser.parse_args()
    # Not resolved: Kubernetes replaces a mounted file by pointing a link on its way elsewhere.
    run = partial(_run, options.specification.absolute(), options.take_over, options.container)
    return run_below(run) if options.container else run()


def _run(specification: Path, before: Path | None, container: Path | None) -> int:
    handler = logging.StreamHandler(sys.stdout if container else sys.stderr)
    handler.setFormatter(JsonFormatter() if container else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    folder = container.resolve() if container else specification.parent
    logs: Logs = JsonLog if container else (lambda source: FileLog(folder / f"{source}.log"))
    # Unix socket paths are limited to about 100 bytes: from its own folder every one of them is short.
    take_over = Path(os.path.relpath(before.resolve(), folder)) if before else None
    os.umask(0o077)
    try:
        if container:
            folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        generation = Generation(specification, folder, take_over, logs, WATCH_SECONDS if container else None)
    except (Refusal, OSError) as problem:  # without its folder it cannot leave word of why
        logging.error("%s", problem if isinstance(problem, Refusal) else unusable(folder, problem))
        return 1
    return asyncio.run(generation.run())


if __name__ == "__main__":
    sys.exit(main())
