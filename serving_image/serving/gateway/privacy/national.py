"""Recognisers of national identity, tax and social security numbers. Each kind can be switched by itself."""

from __future__ import annotations

from collections.abc import Callable

from serving.gateway.privacy import checksums
from serving.gateway.privacy.contact import DIGITS, LETTERS_AND_DIGITS
from serving.gateway.privacy.recogniser import (
    Check,
    Recogniser,
    begins_word,
    ends_word,
    inside_number,
    plain,
)


def _numbered(valid: Callable[[str], bool]) -> Check:
    def check(text: bytes, start: int, end: int) -> int:
        whole = begins_word(text, start) and ends_word(text, end) and not inside_number(text, start, end)
        return end if whole and valid(plain(text[start:end])) else 0

    return check


_ES = r"(?:[0-9]{2}\.?[0-9]{3}\.?[0-9]{3}|[XYZxyz][ \-.]?[0-9]{7})[ \-]?[A-Za-z]"

NATIONAL = (
    # Nine digits in one piece are an order number more often than a person: without dashes it must be announced.
    Recogniser(
        kind="us_ssn",
        triggers=DIGITS,
        pattern=r"\b[0-9]{3}(?:-[0-9]{2}-| [0-9]{2} )[0-9]{4}",
        check=_numbered(checksums.us_ssn),
    ),
    Recogniser(
        kind="us_ssn",
        triggers=DIGITS,
        pattern=r"(?i)\b(?:ssn|soc\.? ?sec\.?|social security)\b[^0-9\n]{0,24}([0-9]{3}[ .\-]?[0-9]{2}[ .\-]?[0-9]{4})",
        check=_numbered(checksums.us_ssn),
    ),
    Recogniser(
        kind="de_steuer_id",
        triggers=DIGITS,
        pattern=r"\b[1-9][0-9](?:[0-9]{9}|[ ./\-][0-9]{3}[ ./\-][0-9]{3}[ ./\-][0-9]{3})",
        check=_numbered(checksums.de_steuer_id),
    ),
    Recogniser(
        kind="uk_nino",
        triggers=DIGITS,
        pattern=r"\b[A-Za-z]{2}[ \-]?[0-9]{2}[ \-]?[0-9]{2}[ \-]?[0-9]{2}[ \-]?[A-Da-d]",
        check=_numbered(checksums.uk_nino),
    ),
    Recogniser(kind="es_dni", triggers=DIGITS, pattern=r"\b" + _ES, check=_numbered(checksums.es_dni)),
    Recogniser(
        kind="fr_nir",
        triggers=DIGITS,
        pattern=(
            r"\b[1-478][ .\-]?[0-9]{2}[ .\-]?(?:0[1-9]|1[0-2]|[2-9][0-9])[ .\-]?[0-9][0-9ABab][ .\-]?[0-9]{3}"
            r"[ .\-]?[0-9]{3}[ .\-]?[0-9]{2}"
        ),
        check=_numbered(checksums.fr_nir),
    ),
    Recogniser(
        kind="it_codice_fiscale",
        # Where two people would share a code, its digits become letters from the right; the year is touched last.
        triggers=LETTERS_AND_DIGITS,
        pattern=(
            r"\b[A-Za-z]{6}[0-9]{2}[A-EHLMPR-Ta-ehlmpr-t][0-9L-NP-Vl-np-v]{2}[A-Za-z][0-9L-NP-Vl-np-v]{3}[A-Za-z]"
        ),
        check=_numbered(checksums.it_codice_fiscale),
    ),
    Recogniser(
        kind="nl_bsn",
        triggers=DIGITS,
        pattern=r"\b[0-9](?:[0-9]{8}|[0-9]{3}[. ][0-9]{2}[. ][0-9]{3}|[0-9]{2}[. ][0-9]{3}[. ][0-9]{3})",
        check=_numbered(checksums.nl_bsn),
    ),
    Recogniser(kind="pl_pesel", triggers=DIGITS, pattern=r"\b[0-9]{11}", check=_numbered(checksums.pl_pesel)),
)
