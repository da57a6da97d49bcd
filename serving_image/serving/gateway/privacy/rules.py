"""What is to be done for one client: its lens for each model, chosen when the configuration is loaded."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from serving.gateway.privacy.config import ClientPrivacyConfig, Mode, PrivacyConfig, RecogniserConfig
from serving.gateway.privacy.scanner import STRICTNESS, Lens, Scanner

# Drawn once per process, so that a reload changes no placeholder.
_process_key = secrets.token_bytes(32)


class OutsideRecogniser:
    """The recogniser outside this process, and how many requests wait for it. Outlives reloads that keep it."""

    def __init__(self, config: RecogniserConfig) -> None:
        self.config = config
        self.places = asyncio.Semaphore(config.concurrent_requests)


@dataclass(frozen=True, kw_only=True)
class PrivacySetup:
    """The `privacy` part of a configuration, compiled. `kinds` are all there are, own ones too."""

    config: PrivacyConfig
    scanner: Scanner
    kinds: tuple[str, ...]
    key: bytes | None
    engine: str
    outside: OutsideRecogniser | None


class ClientPrivacy:
    """One client's rules."""

    __slots__ = ("_lenses", "_off", "allow_media", "config", "key", "output", "outside", "spans_words")

    def __init__(
        self,
        name: str,
        client: ClientPrivacyConfig,
        setup: PrivacySetup,
        models: Mapping[str, Iterable[str]],
        outside: OutsideRecogniser | None,
    ) -> None:
        """`models`: for each model's name, the boundaries in which its requests may be served."""
        self.config = setup.config
        self.allow_media = client.media == "allow"
        self.key = blake2b(name.encode(), digest_size=32, key=setup.key or _process_key).digest()
        self.outside = outside
        lenses: dict[tuple[tuple[str, Mode], ...], Lens] = {}
        self._off = Lens(setup.scanner, {})
        self._lenses: dict[str, Lens] = {}
        for model, boundaries in models.items():
            modes = _strictest(client, setup.kinds, boundaries)
            self._lenses[model] = lenses.setdefault(tuple(modes.items()), Lens(setup.scanner, modes))
        # What the model writes is looked at for every kind that is not switched off for this client.
        on: dict[str, Mode] = {
            kind: "mask" for kind in setup.kinds if client.kinds.get(kind) != "off" and client.scan_output != "off"
        }
        self.output = (Lens(setup.scanner, on), client.scan_output == "block") if on else None
        own = set(setup.config.patterns) | set(setup.config.names)
        self.spans_words = bool(own.intersection(on))

    def lens(self, model: str) -> Lens:
        """How requests for this model are looked at."""
        return self._lenses.get(model, self._off)


def _strictest(client: ClientPrivacyConfig, kinds: Iterable[str], boundaries: Iterable[str]) -> dict[str, Mode]:
    """For each kind the strictest mode of all places where the request may end up."""
    rules = [client.boundaries.get(boundary, client) for boundary in boundaries] or [client]
    modes: dict[str, Mode] = {}
    for kind in kinds:
        modes[kind] = max((rule.kinds.get(kind, rule.mode) for rule in rules), key=STRICTNESS.__getitem__)
    return modes
