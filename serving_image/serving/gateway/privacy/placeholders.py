"""Placeholders: what stands for a value on its way to the model, and the vault that knows the way back.

A placeholder is `<EMAIL_K7QWMZXD>`: a label, which tells the model what it is, and eight characters of a keyed hash of
the value. So the same value has the same placeholder in every turn of a conversation that a client sends again, and
nobody without the key can test a guess. The characters leave out vowels, 0 and 1: no words come out, and models copy
capitals and digits faithfully. Text of the client that already has this shape is put into the vault as well, so it
comes back as it was and never as somebody's value.
"""

from __future__ import annotations

from hashlib import blake2b

ALPHABET = "BCDFGHJKLMNPQRSTVWXYZ3456789"
HASH_LENGTH = 8
LITERAL = "text"
"""The kind of a client's own text in the shape of a placeholder."""

_BASE = len(ALPHABET)


def label(kind: str) -> str:
    """A kind's name as it stands in placeholders and masks."""
    return kind.replace("_", "").upper()


def literal_pattern(kinds: list[str]) -> str:
    """What a placeholder's core looks like, for any of `kinds`. Longer labels first: one may begin another."""
    labels = sorted({label(kind) for kind in kinds}, key=lambda text: (-len(text), text))
    return f"(?:{'|'.join(labels)})_[{ALPHABET}]{{{HASH_LENGTH}}}"


class Vault:
    """The values of one request. Lives as long as the request and is written nowhere."""

    __slots__ = ("_core_of", "_key", "value_of")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._core_of: dict[tuple[str, str], str] = {}
        self.value_of: dict[str, str] = {}

    def placeholder(self, kind: str, value: str) -> str:
        """The placeholder for `value`; the same one when asked again."""
        core = self._core_of.get((kind, value))
        if core is None:
            core = self._new_core(kind, value)
            self._core_of[kind, value] = core
            self.value_of[core] = value
        return f"<{core}>"

    def _new_core(self, kind: str, value: str) -> str:
        attempt = 0
        while True:
            text = f"{kind}\0{attempt}\0{value}".encode()
            number = int.from_bytes(blake2b(text, digest_size=8, key=self._key).digest())
            letters: list[str] = []
            for _ in range(HASH_LENGTH):
                number, place = divmod(number, _BASE)
                letters.append(ALPHABET[place])
            core = f"{label(kind)}_{''.join(letters)}"
            if core not in self.value_of:
                return core
            attempt += 1  # two values of one request with the same hash: one in 10^11 per pair
