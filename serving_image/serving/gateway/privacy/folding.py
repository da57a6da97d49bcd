"""A second view of a text in which look-alike digits are digits and what is invisible is gone.

A number written with full-width digits, with a soft hyphen, a zero-width joiner or a no-break space inside, or as
JSON escapes inside a text, is the same number. Recognisers look at the text as it is and at this view; what they find
here is mapped back, so that what is replaced is the original with everything invisible in it. Folded: what Unicode's
NFKC makes one ASCII character of; decimal digits of all scripts; dashes and spaces of all kinds. Dropped: format
characters, variation selectors, tags and combining marks. Not folded: letters of other scripts that look like Latin
ones, HTML entities, base64.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import chain

_SCANNED = (range(0x80, 0x3100), range(0xA620, 0xAC00), range(0xF900, 0x20000), range(0xE0000, 0xE0200))
_DASHES = "‐‑‒–—―−⁃﹘﹣－"
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([nrtbf/\"\\]))")
_SHORT = {"n": "\n", "r": "\n", "t": "\t", "b": " ", "f": " ", "/": "/", '"': '"', "\\": "\\"}


@cache
def table() -> dict[int, str | None]:
    """What each character becomes; None: nothing. Built once, when the first policy needs it (some 40 ms)."""
    folded: dict[int, str | None] = {}
    for code in chain(*_SCANNED):
        character = chr(code)
        category = unicodedata.category(character)
        if category in ("Cf", "Mn", "Me") or 0xFE00 <= code <= 0xFE0F:
            folded[code] = None
        elif category == "Nd":
            folded[code] = str(unicodedata.digit(character))
        elif category in ("Zs", "Zl", "Zp"):
            folded[code] = " " if category == "Zs" else "\n"
        elif category != "Cn" and category != "Co":
            compatible = unicodedata.normalize("NFKC", character)
            if len(compatible) == 1 and compatible.isascii() and compatible != character:
                folded[code] = compatible
    for dash in _DASHES:
        folded[ord(dash)] = "-"
    return folded


def trigger() -> str:
    """A character class of all that folding changes, in the syntax that re2 and Hyperscan share."""
    codes = sorted(table())
    spans: list[list[int]] = []
    for code in codes:
        if spans and spans[-1][1] == code - 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return "[" + "".join(rf"\x{{{low:x}}}-\x{{{high:x}}}" for low, high in spans) + "]"


def fold(text: str) -> tuple[str, list[int] | None]:
    """The folded view, and where each of its characters begins in `text` (with one entry more, for the end); None
    when every character stays in its place."""
    if "\\" in text:
        return _unescaped(text)
    if text.isascii():
        return text, None
    folded = text.translate(table())
    return folded, None if len(folded) == len(text) else _places(text)


def _places(text: str) -> list[int]:
    dropped = table()
    places = [place for place, character in enumerate(text) if dropped.get(ord(character), "") is not None]
    places.append(len(text))
    return places


def _unescaped(text: str) -> tuple[str, list[int]]:
    """JSON's escapes count as what they stand for: texts often hold JSON (tool results, logs)."""
    pieces: list[str] = []
    places: list[int] = []
    at = 0
    for escape in _ESCAPE.finditer(text):
        start, end = escape.span()
        pieces.append(text[at:start])
        places.extend(range(at, start))
        code, short = escape.groups()
        pieces.append(chr(int(code, 16)) if code else _SHORT[short])
        places.append(start)
        at = end
    pieces.append(text[at:])
    places.extend(range(at, len(text) + 1))
    plain = "".join(pieces)
    if plain.isascii():
        return plain, places
    # Halves of surrogate pairs cannot be encoded; nothing that is looked for has any.
    plain = "".join("\ufffd" if 0xD800 <= ord(character) <= 0xDFFF else character for character in plain)
    dropped = table()
    kept = [
        place for place, character in zip(places, plain, strict=False) if dropped.get(ord(character), "") is not None
    ]
    kept.append(places[-1])
    return plain.translate(dropped), kept
