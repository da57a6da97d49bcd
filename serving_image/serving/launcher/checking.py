"""`python -m serving.launcher check WEIGHTS…`: reads weights that somebody has mounted, refuses others, and ends.

Each argument is JSON: `path` is the place, the rest is what must be there, as in a specification. What is one file must
have its digest; of a folder every file that an engine reads must have that of the list in it. All of it is read: what
mounts a bucket then has it in its cache, and the engine that comes next waits for no network.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from serving.launcher.bucket_weights import DIGESTS, chosen_of, digests_in
from serving.launcher.fetching import Wanted
from serving.launcher.refusal import Refusal
from serving.launcher.weights import check_digest
from serving.launcher.weights_command import decoded, for_each

LOG = logging.getLogger("slipway.launcher")
# Files at once: each is read in parallel pieces by whoever mounts it, and hashed by one processor.
AT_ONCE = 4


def main(arguments: list[str]) -> int:
    """0 when everything is what it should be."""
    fields = "path, kind, location, file, revision, sha256"
    return for_each(arguments, _check, command="check", about=__doc__, fields=fields)


async def _check(text: str, token: str | None) -> None:
    await check(decoded(text, Wanted, "path"))


async def check(wanted: Wanted) -> None:
    """Raises Refusal unless exactly those weights are at their place."""
    target = Path(wanted.path)
    expected = {target: wanted.sha256} if wanted.file else _listed(wanted, target)
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(path: Path, sha256: str | None) -> None:
        async with turns:
            await check_digest(path, sha256)

    try:
        async with asyncio.TaskGroup() as group:
            for path, sha256 in expected.items():
                group.create_task(one(path, sha256))
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    LOG.info("%s is what it should be: %d files", target, len(expected))


def _listed(wanted: Wanted, target: Path) -> dict[Path, str | None]:
    """What an engine reads there, and what it must hash to."""
    file = target / DIGESTS
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Refusal(
            where=f"weights at {target}",
            found=f"no list of digests: {(error.strerror or type(error).__name__).lower()}",
            allowed=f"a mounted folder with `{DIGESTS}`, which is written when everything else is there",
            remedy="look at the job that fills the bucket, and at whether this pod may read it",
        ) from None
    # Of what a hub has at a commit, the list is whoever's who copied it; `sha256` is of a list that a user names.
    digests = digests_in(content, str(file), wanted.sha256)
    return {target / path: digests[path] for path in chosen_of(digests, wanted.location)}
