"""Recognisers of how people and machines are reached and paid: e-mail, phone, card, IBAN, IP addresses."""

from __future__ import annotations

import ipaddress
import re

from serving.gateway.privacy.checksums import IBAN_LENGTHS, card, iban
from serving.gateway.privacy.recogniser import (
    Recogniser,
    begins_word,
    digit_groups,
    ends_word,
    inside_number,
    plain,
)

# Triggers are few and simple on purpose: nine patterns cost 50 µs per 64 KB, one exact pattern per kind 170 (2026-11).
# Six digits with little between them: every kind of number but IBANs, which may have letters inside.
DIGITS = (r"[0-9](?:[ \t().\-/]{0,3}[0-9]){5}",)
# Two letters, two digits, four of either: IBANs and Italian tax codes.
LETTERS_AND_DIGITS = (r"[A-Za-z]{2}[0-9]{2}[ \-]?[A-Za-z0-9]{4}",)

_DATE = re.compile(rb"\D?\d{1,2}[./-]\d{1,2}[./-](?:\d\d){1,2}\b|\D?\d{4}[./-]\d\d[./-]\d\d\b")


def _phone(text: bytes, start: int, end: int, fewest: int, most: int) -> int:
    if not begins_word(text, start) or (start and text[start - 1] in b"+.,-/=" and text[start] != ord("+")):
        return 0
    if _DATE.match(text, start):
        return 0
    groups = digit_groups(text, start, end)
    count = sum([end - begin for begin, end in groups])
    while count >= fewest:
        begin, stop = groups.pop()
        if count <= most and ends_word(text, stop) and not inside_number(text, start, stop):
            return stop
        count -= stop - begin
    return 0


def _international(text: bytes, start: int, end: int) -> int:
    return _phone(text, start, end, 8, 15) if text[start] == ord("+") else _phone(text, start, end, 10, 17)


def _national(text: bytes, start: int, end: int) -> int:
    return _phone(text, start, end, 9, 12)


def _north_american(text: bytes, start: int, end: int) -> int:
    return _phone(text, start, end, 10, 11)


def _announced(text: bytes, start: int, end: int) -> int:
    return _phone(text, start, end, 8, 15)


def _card(text: bytes, start: int, end: int) -> int:
    groups = digit_groups(text, start, end)
    sizes = [end - begin for begin, end in groups]
    count = sum(sizes)
    while count >= 13:
        stop = groups.pop()[1]
        if (
            count <= 19
            and _grouped_as_cards_are(sizes)
            and ends_word(text, stop)
            and not inside_number(text, start, stop)
            and card(plain(text[start:stop]))
        ):
            return stop
        count -= sizes.pop()
    return 0


def _grouped_as_cards_are(sizes: list[int]) -> bool:
    """In one piece, in groups of three or more, or evenly spelt out: a table of small numbers is no card."""
    return min(sizes[:-1], default=4) >= 3 or set(sizes) in ({1}, {2})


def _iban(text: bytes, start: int, end: int) -> int:
    length = IBAN_LENGTHS.get(text[start : start + 2].decode("ascii").upper())
    if length is None:
        return 0
    count = 0
    for at in range(start, end):
        count += text[at] not in b" -"
        if count == length:
            stop = at + 1
            return stop if ends_word(text, stop) and iban(plain(text[start:stop])) else 0
    return 0


def _ipv4(text: bytes, start: int, end: int) -> int:
    if not ends_word(text, end) or inside_number(text, start, end):
        return 0
    try:
        address = ipaddress.IPv4Address(text[start:end].decode("ascii"))
    except ValueError:
        return 0
    # 127.0.0.1, 0.0.0.0 and 255.255.255.255 are nobody's.
    return 0 if address.is_loopback or address.is_unspecified or int(address) == 0xFFFFFFFF else end


def _ipv6(text: bytes, start: int, end: int) -> int:
    if not begins_word(text, start) or not ends_word(text, end) or (start and text[start - 1] == ord(":")):
        return 0
    span = text[start:end].rstrip(b".")
    if span.endswith(b":") and not span.endswith(b"::"):
        span = span[:-1]
    # `a::b` and `dec::add` are names in program text; addresses have a digit.
    if not any(character in b"0123456789" for character in span):
        return 0
    try:
        address = ipaddress.IPv6Address(span.decode("ascii"))
    except ValueError:
        return 0
    return 0 if address.is_loopback or address.is_unspecified else start + len(span)


# No bounded repeats here: 64 copies of a class of three alphabets made each match cost 100 µs instead of 3 (2026-11).
_LETTER = r"\p{Latin}\p{Greek}\p{Cyrillic}0-9"
_LOCAL = _LETTER + r"._%+'\-"
_LABEL = rf"[{_LETTER}](?:[{_LETTER}\-]*[{_LETTER}])?"
_ANNOUNCED = (
    r"(?i)\b(?:tel|phone|telephone|telefon|telefono|teléfono|téléphone|mobile|mobil|mob|cell|handy|fax|call|whatsapp"
    r"|sms|rufnummer|numer|portable)\b[^0-9\n]{0,24}(\+?[0-9](?:[ .\-/()]{0,2}[0-9]){7,14})"
)

CONTACT = (
    Recogniser(
        kind="email",
        triggers=(r"@[^ ]", r"%40[^ ]"),
        pattern=rf"[{_LOCAL}]+(?:@|%40)(?:{_LABEL}\.)+(?:xn--[a-z0-9\-]+|\p{{Latin}}{{2,24}})",
    ),
    Recogniser(
        kind="phone",
        triggers=DIGITS,
        pattern=r"(?:\+[ (]{0,2}|\b00)[1-9][0-9]{0,2}(?:[ ().\-/]{0,3}[0-9]){5,15}",
        check=_international,
    ),
    Recogniser(kind="phone", triggers=DIGITS, pattern=r"(?:\b|\()0[1-9](?:[ ().\-/]{0,3}[0-9]){7,10}", check=_national),
    Recogniser(
        kind="phone",
        triggers=DIGITS,
        pattern=r"(?:\b1[-. ])?(?:\([2-9][0-9]{2}\) ?|\b[2-9][0-9]{2}[-. ])[2-9][0-9]{2}[-. ][0-9]{4}",
        check=_north_american,
    ),
    Recogniser(kind="phone", triggers=DIGITS, pattern=_ANNOUNCED, check=_announced),
    Recogniser(
        kind="card",
        triggers=DIGITS,
        pattern=r"(?:^|[^0-9])([2-689](?:[ \t.\-/]{0,2}[0-9]){12,18})",
        check=_card,
    ),
    Recogniser(
        kind="iban",
        triggers=LETTERS_AND_DIGITS,
        pattern=r"\b[A-Za-z]{2}[0-9]{2}[ \-]?[A-Za-z0-9]{4}(?:[ \-]?[A-Za-z0-9]){7,26}",
        check=_iban,
    ),
    Recogniser(
        kind="ip",
        triggers=(r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",),
        pattern=r"\b[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}",
        check=_ipv4,
    ),
    Recogniser(
        kind="ip",
        triggers=(r"::[0-9A-Fa-f]", r":[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]", r"[0-9A-Fa-f]::"),
        pattern=r"(?:[0-9A-Fa-f]{1,4}::?|::)(?:[0-9A-Fa-f]{1,4}::?){0,7}(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4})",
        check=_ipv6,
    ),
)
