"""Chains of the folder that no process writes any more. What happens to them is written into them, and they end closed.

A box has several: a new gateway begins one beside the chain of the one that it replaces. Whoever starts after a crash
continues one of them only, and the others would rest as the crash left them.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from pathlib import Path

from serving.gateway.audit.beginning import Note
from serving.gateway.audit.segments import chains_in, is_being_written, is_closed
from serving.gateway.audit.signing import Signer
from serving.gateway.audit.store import ChainStore


class Resting:
    """The folder's chains but those that some process writes."""

    def __init__(self, folder: Path, signer: Signer, note: Note) -> None:
        self._folder = folder
        self._signer = signer
        self._note = note

    def close_ends(self) -> None:
        """Only whole segments are copied to an object store: without this, the last rows before a crash would not be
        until somebody continues just this chain."""
        for chain, segments in chains_in(self._folder).items():
            if segments and not is_being_written(self._folder, chain) and not is_closed(segments[-1]):
                self.write(chain, lambda _: None)

    def write(self, chain: str, what: Callable[[ChainStore], None]) -> None:
        """Take this chain, do that, and leave it closed; nothing where another process writes it. What fails is told
        and tried again another time: the chain that is written does not depend on it."""
        never = float(sys.maxsize)
        store = ChainStore(
            self._folder, self._signer, self._note, segment_bytes=sys.maxsize, segment_seconds=never, head_seconds=never
        )
        try:
            if store.resume(chain):
                what(store)
                store.close()
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, "EIO")
            self._note("audit_chain_left", "error", chain=chain, error=name)
        finally:
            store.let_go()
