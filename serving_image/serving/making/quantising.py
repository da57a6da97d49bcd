"""Makes another type of a GGUF file, by llama.cpp's own quantiser."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from serving.making.config import Gguf

# Its last lines say why it could not.
_LAST_LINES = 5
# Rows that are no multiple of 256 take a type with smaller blocks. Where llama.cpp takes q5_1, its relative has one of
# its own, which no engine but itself loads.
_FOREIGN, _INSTEAD = "q6_0", "q5_1"
_TENSOR = re.compile(r"^\[ *\d+/ *\d+\] +(\S+) - \[", re.MULTILINE)


class Unmade(Exception):
    """A version that could not be made; the text says why, in one line."""


async def quantise(make: Gguf, original: Path, folder: Path) -> Path:
    """The new file. Of weights that are quantised already what they have lost stays lost: the result is compared with
    what is served now. Raises Unmade."""
    target = folder / make.file
    words = [str(original), str(target), make.quantization.upper(), str(make.threads)]
    foreign = _foreign(await _said(make.program, "--dry-run", *words))
    rules = ["--custom-q", ",".join(f"^{re.escape(name)}$={_INSTEAD}" for name in foreign)] if foreign else []
    await _said(make.program, *rules, *words)
    return target


def _foreign(said: str) -> list[str]:
    """The tensors that would get a type which only the quantiser's own engine knows."""
    _, *told = _TENSOR.split(said)
    return [name for name, what in zip(told[::2], told[1::2], strict=True) if f"converting to {_FOREIGN} " in what]


async def _said(program: str, *words: str) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            program, "--allow-requantize", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except OSError as error:
        raise Unmade(f"{program} cannot be started: {(error.strerror or 'unknown').lower()}") from None
    output, _ = await process.communicate()
    said = output.decode("utf-8", "replace")
    if process.returncode:
        last = " / ".join(said.strip().splitlines()[-_LAST_LINES:])
        raise Unmade(f"{program} ended with status {process.returncode}: {last}")
    return said
