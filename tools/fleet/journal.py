"""What a rollout has reached, kept after every step: whoever was interrupted goes on where it stopped."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path

from tools.checkout import private_folder, write_private


class Journal:
    """The sites that serve as planned, each with the digest of that plan. Written whole, after every change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            known = {}
        self._serving: dict[str, str] = known if isinstance(known, dict) else {}

    def serving(self, digests: Mapping[str, str]) -> set[str]:
        """Of these sites, those that serve this very plan."""
        return {site for site, digest in digests.items() if self._serving.get(site) == digest}

    def reached(self, site: str, digest: str) -> None:
        """It serves this plan."""
        with self._lock:
            self._serving[site] = digest
            self._write()

    def left(self, site: str) -> None:
        """It is being changed: what it serves is not known."""
        with self._lock:
            if self._serving.pop(site, None) is not None:
                self._write()

    def _write(self) -> None:
        private_folder(self._path.parent)
        write_private(self._path, json.dumps(self._serving, indent=1, sort_keys=True))
