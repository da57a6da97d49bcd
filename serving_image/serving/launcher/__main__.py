"""`python -m serving.launcher SPECIFICATION`: runs it until SIGTERM, restarts what crashes; SIGHUP reloads.

`python -m serving.launcher fetch …` brings weights to a place and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from serving.launcher import fetching
from serving.launcher.generation import Generation
from serving.launcher.refusal import Refusal, unusable


def main() -> int:
    if sys.argv[1:2] == ["fetch"]:
        return fetching.main(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m serving.launcher", description=__doc__)
    parser.add_argument(
        "specification", type=Path, help="the file that says what to run; its folder gets logs and status"
    )
    parser.add_argument("--take-over", type=Path, metavar="SOCKET", help="control socket of the generation before")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    specification: Path = options.specification.resolve()
    before: Path | None = options.take_over
    # Unix socket paths are limited to about 100 bytes: from its own folder every one of them is short.
    take_over = Path(os.path.relpath(before.resolve(), specification.parent)) if before else None
    os.umask(0o077)
    try:
        os.chdir(specification.parent)
        generation = Generation(specification, take_over)
    except (Refusal, OSError) as problem:  # without its folder it cannot leave word of why
        logging.error("%s", problem if isinstance(problem, Refusal) else unusable(specification.parent, problem))
        return 1
    return asyncio.run(generation.run())


if __name__ == "__main__":
    sys.exit(main())
