"""Hashes of clients' keys from a folder of files, one for each client: so that no configuration has to hold them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from serving.gateway.identity.config import ApiKeyConfig
from serving.gateway.strict import problem


def read_key_folder(folder: Path, clients: Iterable[str], problems: list[str]) -> dict[str, tuple[ApiKeyConfig, ...]]:
    """The keys of those clients that have a file there: in each line a key's SHA-256 in hexadecimal, then, for a key
    that ends, a space and when (RFC 3339 with a zone). Files of others are not looked at."""
    if not folder.is_dir():
        problems.append(
            problem("client keys", f"no folder {folder}", "a folder with a file for each client", "Mount or create it.")
        )
        return {}
    found: dict[str, tuple[ApiKeyConfig, ...]] = {}
    for name in sorted(clients):
        try:
            lines = (folder / name).read_text(encoding="ascii").split("\n")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            kind = type(error).__name__
            problems.append(problem(f"client keys: {name}", kind, "a readable file of ASCII", "Write it again."))
            continue
        keys = [_key(f"client keys: {name}, line {number}", line, problems) for number, line in enumerate(lines, 1)]
        found[name] = tuple(key for key in keys if key is not None)
    return found


def digest_of_folder(folder: Path) -> str | None:
    """Another one whenever a file of it is another; None while it cannot be read."""
    digest = hashlib.sha256()
    try:
        # A mounted Secret has its files behind links, and folders of its own whose names begin with a dot.
        for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
            content = path.read_bytes()
            digest.update(f"{path.name} {len(content)} ".encode() + content)
    except OSError:
        return None
    return digest.hexdigest()


def _key(where: str, line: str, problems: list[str]) -> ApiKeyConfig | None:
    sha256, _, expires = line.strip().partition(" ")
    if not sha256:
        return None
    raw: Mapping[str, str] = {"sha256": sha256, **({"expires": expires} if expires else {})}
    try:
        return msgspec.convert(raw, ApiKeyConfig)
    except msgspec.ValidationError:
        # Not shown: somebody may have written a key there.
        allowed = "64 hexadecimal digits, or these, a space and a point in time with a zone"
        problems.append(problem(where, "something else", allowed, "Write the hash of the key there."))
        return None
