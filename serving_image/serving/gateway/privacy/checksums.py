"""The check digits and formal rules by which a number is told from a number that only looks like it."""

from __future__ import annotations

from datetime import date

# ISO 13616 registry, lengths per country as of 2026-11.
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
    "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
    "YE": 30,
}  # fmt: skip

_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
# Codice fiscale, character values at odd places (Italian ministerial decree of 12 March 1974).
_ODD_LETTERS = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_ODD = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", _ODD_LETTERS, strict=True)) | dict(
    zip("0123456789", _ODD_LETTERS, strict=False)
)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812: every second digit from the right doubled, the sum a multiple of ten."""
    odd = sum(map(int, digits[-1::-2]))
    even = sum((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)[int(digit)] for digit in digits[-2::-2])
    return (odd + even) % 10 == 0


def card(digits: str) -> bool:
    """A payment card's number: a known prefix with a length that it comes in, and Luhn."""
    length = len(digits)
    two, three, four = int(digits[:2]), int(digits[:3]), int(digits[:4])
    if digits[0] == "4":  # Visa
        known = length in (13, 16, 19)
    elif 51 <= two <= 55 or 2221 <= four <= 2720:  # Mastercard
        known = length == 16
    elif two in (34, 37):  # American Express
        known = length == 15
    elif 300 <= three <= 305 or four == 3095 or two in (36, 38, 39):  # Diners Club
        known = 14 <= length <= 19
    elif _comes_in_16_to_19(two, three, four):
        known = 16 <= length <= 19
    elif two in (50, 56, 57, 58, 63, 67) or four == 9792:  # Maestro, Troy
        known = 13 <= length <= 19
    else:
        known = False
    return known and luhn(digits) and len(set(digits)) > 1


def _comes_in_16_to_19(two: int, three: int, four: int) -> bool:
    jcb_or_mir = 3528 <= four <= 3589 or 2200 <= four <= 2204
    discover_unionpay_or_rupay = four == 6011 or 644 <= three <= 649 or two in (65, 62, 60, 81, 82)
    return jcb_or_mir or discover_unionpay_or_rupay


def iban(text: str) -> bool:
    """ISO 13616 with the country's length already checked: mod 97 over the rearranged text is 1."""
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def us_ssn(digits: str) -> bool:
    """Area not 000, 666 or 9xx; group not 00; serial not 0000; not one of two that advertisements made worthless."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    void = area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000"
    return not void and digits not in ("078051120", "219099999")


def de_steuer_id(digits: str) -> bool:
    """German tax id (section 139b AO): one digit of the first ten twice or three times; ISO 7064 mod 11,10."""
    if digits[0] == "0":
        return False
    counts = sorted(digits[:10].count(digit) for digit in set(digits[:10]))
    if counts[-1] not in (2, 3) or (len(counts) > 1 and counts[-2] != 1):
        return False
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def uk_nino(text: str) -> bool:
    """UK national insurance number: the letter pairs that are issued."""
    first, second = text[0], text[1]
    if first in "DFIQUV" or second in "DFIQUVO":
        return False
    return text[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ") and text[-1] in "ABCD"


def es_dni(text: str) -> bool:
    """Spanish DNI (8 digits) or NIE (X, Y or Z and 7 digits), each with its letter."""
    number = str("XYZ".index(text[0])) + text[1:-1] if text[0] in "XYZ" else text[:-1]
    return _DNI_LETTERS[int(number) % 23] == text[-1]


def fr_nir(text: str) -> bool:
    """French social security number: 13 characters (2A and 2B for Corsica) and the key 97 minus mod 97."""
    body = text[:13].replace("2A", "19").replace("2B", "18")
    return body.isdigit() and 97 - int(body) % 97 == int(text[13:])


def it_codice_fiscale(text: str) -> bool:
    """Italian tax code: the last letter is the sum of the others' values mod 26."""
    total = sum(_ODD[character] for character in text[0:15:2])
    total += sum(int(c) if c.isdigit() else ord(c) - 65 for c in text[1:15:2])
    return chr(65 + total % 26) == text[15]


def nl_bsn(digits: str) -> bool:
    """Dutch citizen service number: the 11-test."""
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    total = sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=True))
    return total % 11 == 0 and total != 0


def pl_pesel(digits: str) -> bool:
    """Polish PESEL: a date of birth with the century in the month, and a weighted check digit."""
    century, month = divmod(int(digits[2:4]), 20)
    year = (1900, 2000, 2100, 2200, 1800)[century] + int(digits[:2])
    try:
        date(year, month, int(digits[4:6]))
    except ValueError:
        return False
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)
    return sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=True)) % 10 == 0
