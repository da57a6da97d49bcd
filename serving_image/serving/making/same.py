"""Whether two versions go on alike: at places of a text of ours, the token that each thinks most likely.

It tells much smaller differences than questions do, of any engine and without knowing its tokens: what is compared is
the text that each would write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp

from serving.making.measured import Unmeasured

# Before the first place there must be something to go on from.
_WORDS_BEFORE = 12
_WORDS_BETWEEN = 4
TEXT = Path(__file__).with_name("text.txt")


def places() -> list[str]:
    """The beginnings of the text that are looked at, each some words longer than the one before."""
    words = TEXT.read_text(encoding="utf-8").split()
    return [" ".join(words[:end]) for end in range(_WORDS_BEFORE, len(words), _WORDS_BETWEEN)]


async def continuations(
    url: str, model: str, key: str | None, seconds: float, told: Callable[[str], None]
) -> list[str]:
    """What the model would write next at each place. Raises Unmeasured.

    One after the other: with others beside it an engine rounds otherwise, and goes on otherwise where two tokens are
    nearly as likely. Each place begins with the one before, which engines keep.
    """
    headers = {"authorization": f"Bearer {key}"} if key else {}
    timeout = aiohttp.ClientTimeout(total=seconds)
    found: list[str] = []
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
        try:
            for prompt in places():
                body = {"model": model, "prompt": prompt, "max_tokens": 1, "temperature": 0}
                async with session.post(f"{url.rstrip('/')}/v1/completions", json=body) as answer:
                    if answer.status != 200:
                        raise Unmeasured(f"a completion was answered with {answer.status}")
                    found.append(str((await answer.json())["choices"][0]["text"]))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, IndexError) as lost:
            raise Unmeasured(f"a completion was not answered: {type(lost).__name__}") from None
    told(f"{len(found)} places of a text gone on from")
    return found


def same_percent(original: Sequence[str], result: Sequence[str]) -> float:
    """Of a hundred places, at how many both go on alike."""
    alike = sum(one == other for one, other in zip(original, result, strict=True))
    return round(100 * alike / len(original), 2)
