"""`erase`: removes a subject's key, so that all text encrypted with it is gone, and writes that into a chain."""

from __future__ import annotations

import time
from pathlib import Path

from serving.audit.problem import CommandProblem
from serving.gateway.audit.clock import rfc3339
from serving.gateway.audit.content import erase_key, key_file
from serving.gateway.audit.signing import SigningKeyUnusable, load_signer
from serving.gateway.audit.store import ChainStore


def erase(folder: Path, keys: Path, signing_key: Path, subject: str) -> str:
    """Returns the chain that holds the record. Raises OSError and CommandProblem.

    A gateway that runs keeps its own chain; the record goes into one that is free, or a new one, so it may run on.
    """
    if not key_file(keys, subject).exists():
        raise CommandProblem(
            "--subject",
            "no key for it in the folder given by --keys",
            "a subject whose text was encrypted and not erased yet",
            "Check the spelling with `show`, and the folder.",
            status=1,
        )
    if not signing_key.exists():
        raise CommandProblem(
            "--signing-key", "no such file", "the gateway's signing key", "Name it with --signing-key."
        )
    try:
        signer = load_signer(signing_key)
    except SigningKeyUnusable:
        raise CommandProblem(
            "--signing-key", "no Ed25519 key in PEM", "the gateway's signing key", "Name the right file."
        ) from None
    # Opened before anything is erased: a folder that takes no record is a reason not to begin.
    store = ChainStore(
        folder, signer, lambda *_, **__: None, segment_bytes=1 << 30, segment_seconds=3600, head_seconds=3600
    )
    try:
        store.open()
        erase_key(keys, subject)
        name = key_file(keys, subject).stem
        store.add({"kind": "erasure", "time": rfc3339(time.time()), "subject": subject, "key_file": name})
        store.close()
        return store.chain
    finally:
        store.let_go()
