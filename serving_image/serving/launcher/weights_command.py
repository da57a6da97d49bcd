"""What the launcher's commands about weights have in common: their arguments, and a refusal instead of a traceback."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar

import msgspec

from serving.launcher.refusal import Refusal
from serving.launcher.weights import read_token

LOG = logging.getLogger("slipway.launcher")
_Read = TypeVar("_Read")


def for_each(
    arguments: list[str],
    act: Callable[[str, str | None], Coroutine[None, None, None]],
    *,
    command: str,
    about: str | None,
    fields: str,
) -> int:
    """0 when `act` is done with all of them, each a JSON text with `fields`; it is given the source's token too."""
    parser = argparse.ArgumentParser(prog=f"python -m serving.launcher {command}", description=about)
    parser.add_argument("weights", nargs="+", help=f"JSON: {fields}")
    parser.add_argument("--token-file", type=Path, help="the token for the source; without such a file, none")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        token = token_in(options.token_file)
        for text in options.weights:
            asyncio.run(act(text, token))
    except Refusal as refusal:
        LOG.error("%s", refusal)
        return 1
    return 0


def decoded(text: str, as_: type[_Read], place: str) -> _Read:
    """What an argument says. Raises Refusal."""
    try:
        return msgspec.json.decode(text, type=as_)
    except msgspec.MsgspecError as error:
        raise Refusal(
            where="weights to fetch",
            found=str(error),
            allowed=f"JSON with {place}, kind, location, file, revision and sha256",
            remedy="write it with the same version of slipway that fetches",
        ) from None


def token_in(file: Path | None) -> str | None:
    """An empty file is no token: a Secret may be there for those who have one."""
    if file is None or not file.exists() or not file.read_bytes().strip():
        return None
    return read_token(file)
