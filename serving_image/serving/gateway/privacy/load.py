"""Compiles the `privacy` part of a configuration, and names every problem in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from serving.gateway.privacy.config import ClientPrivacyConfig, NamesConfig, PrivacyConfig
from serving.gateway.privacy.contact import CONTACT
from serving.gateway.privacy.linear_regex import PatternError, escape
from serving.gateway.privacy.national import NATIONAL
from serving.gateway.privacy.placeholders import LITERAL, label, literal_pattern
from serving.gateway.privacy.prefilter import ENGINE
from serving.gateway.privacy.recogniser import Recogniser, Searcher
from serving.gateway.privacy.rules import OutsideRecogniser, PrivacySetup
from serving.gateway.privacy.scanner import Scanner
from serving.gateway.privacy.secret_shapes import SECRETS
from serving.gateway.strict import path_shown, problem

BUILT_IN = (*CONTACT, *NATIONAL, *SECRETS)
BUILT_IN_KINDS = tuple(dict.fromkeys(recogniser.kind for recogniser in BUILT_IN))
_MOST_NAMES = 20_000
_SHORTEST_KEY = 16


class PrivateClient(Protocol):
    """A client's configuration, as far as it is read here."""

    @property
    def privacy(self) -> ClientPrivacyConfig | None: ...


def load_privacy(
    where: str,
    config: PrivacyConfig | None,
    clients: Mapping[str, PrivateClient],
    problems: list[str],
    engine: str = ENGINE,
) -> PrivacySetup | None:
    """Everything compiled, or None when no client asks for privacy or there are problems."""
    asking = {name: client.privacy for name, client in clients.items() if client.privacy is not None}
    if config is None and not asking:
        return None
    config = config or PrivacyConfig()
    before = len(problems)
    own = (*config.patterns, *config.names, *(config.recogniser.kinds if config.recogniser else ()))
    kinds = (*BUILT_IN_KINDS, *own)
    _check_kinds(where, own, problems)
    for name, client in asking.items():
        rules = {f"{where}clients.{name}.privacy.kinds": client.kinds}
        rules |= {f"{where}clients.{name}.privacy.boundaries.{b}.kinds": r.kinds for b, r in client.boundaries.items()}
        for place, named in rules.items():
            if unknown := sorted(set(named) - set(kinds)):
                found = f"{len(unknown)} other names (not shown)"
                problems.append(problem(place, found, f"the kinds {', '.join(kinds)}", "Correct or remove it."))
    key = _read_key(f"{where}privacy.key_file", config.key_file, problems)
    patterns = _compile_patterns(f"{where}privacy.patterns", config.patterns, problems)
    names = [_read_names(f"{where}privacy.names.{name}", name, entry, problems) for name, entry in config.names.items()]
    if config.recogniser is not None:
        _check_url(f"{where}privacy.recogniser.url", config.recogniser.url, problems)
    if len(problems) > before:
        return None
    literal = Recogniser(kind=LITERAL, triggers=(r"_[B-DF-HJ-NP-TV-Z3-9]{8}",), pattern=literal_pattern(list(kinds)))
    try:
        scanner = Scanner((*BUILT_IN, *patterns, literal), [entry for entry in names if entry is not None], engine)
    except Exception as error:  # noqa: BLE001, RUF100 - whatever the engine raises: without a scanner nothing may start
        found = f"names that {engine} cannot compile ({type(error).__name__})"
        problems.append(problem(f"{where}privacy", found, "fewer or shorter names", "Shorten the lists."))
        return None
    outside = OutsideRecogniser(config.recogniser) if config.recogniser else None
    return PrivacySetup(config=config, scanner=scanner, kinds=kinds, key=key, engine=engine, outside=outside)


def _check_kinds(where: str, own: Sequence[str], problems: list[str]) -> None:
    taken = {label(kind): kind for kind in (*BUILT_IN_KINDS, LITERAL)}
    for kind in own:
        other = taken.setdefault(label(kind), kind)
        if other != kind or kind in BUILT_IN_KINDS or kind == LITERAL or own.count(kind) > 1:
            text = problem(
                f"{where}privacy",
                f"the kind {kind}, whose placeholder would look like that of {other}",
                "names that differ from each other and from the built-in kinds without their underscores",
                "Rename it.",
            )
            if text not in problems:
                problems.append(text)


def _read_key(where: str, key_file: str | None, problems: list[str]) -> bytes | None:
    if key_file is None:
        return None
    try:
        key = Path(key_file).read_bytes().strip()
    except OSError as error:
        found = f"{type(error).__name__} reading {path_shown(key_file)}"
    else:
        if _SHORTEST_KEY <= len(key) <= 64:
            return key
        found = f"{len(key)} bytes in {path_shown(key_file)}"
    allowed = f"a readable file with {_SHORTEST_KEY} to 64 random bytes"
    problems.append(problem(where, found, allowed, "Write a fresh secret there (openssl rand -hex 32)."))
    return None


def _compile_patterns(where: str, patterns: Mapping[str, str], problems: list[str]) -> list[Recogniser]:
    compiled: list[Recogniser] = []
    for name, pattern in patterns.items():
        recogniser = Recogniser(kind=name, triggers=(), pattern=pattern)
        try:
            searcher = Searcher(recogniser)
            if any(True for _ in searcher.find(b"")):
                raise PatternError("it matches the empty text")
        except PatternError as error:
            found = f"a pattern that cannot be used ({str(error)[:200]})"
            allowed = "RE2 syntax (no look-around, no back-references) that does not match nothing"
            problems.append(problem(f"{where}.{name}", found, allowed, "Correct the pattern."))
        else:
            compiled.append(recogniser)
    return compiled


def _read_names(where: str, kind: str, config: NamesConfig, problems: list[str]) -> tuple[Searcher, list[str]] | None:
    """A searcher for all names of a list, and a word of each name for the prefilter."""
    try:
        lines = Path(config.file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        found = f"{type(error).__name__} reading {config.file}"
        problems.append(problem(f"{where}.file", found, "a readable UTF-8 file, a name per line", "Write it there."))
        return None
    names = sorted({unicodedata.normalize("NFC", " ".join(line.split())) for line in lines if line.strip()})
    short = sum(len(name) < 3 for name in names)
    if not names or short or len(names) > _MOST_NAMES or len(max(names, key=len)) > 200:
        found = f"{len(names)} names, {short} of them shorter than 3 characters"
        allowed = f"1 to {_MOST_NAMES} names of 3 to 200 characters"
        problems.append(problem(f"{where}.file", found, allowed, "Correct the file."))
        return None
    # Longer first: where one name begins another, the whole of it is meant.
    ordered = sorted(names, key=lambda name: (-len(name), name))
    pattern = "|".join(r"\s+".join(escape(word) for word in name.split(" ")) for name in ordered)
    recogniser = Recogniser(kind=kind, triggers=(), pattern=f"(?:{pattern})", check=_whole_name)
    try:
        searcher = Searcher(recogniser, 128, ignore_case=config.ignore_case)
    except PatternError:
        allowed = "lists that fit into 128 MiB compiled"
        problems.append(problem(f"{where}.file", "a list too large to compile", allowed, "Shorten the list."))
        return None
    return searcher, sorted({max(name.split(" "), key=len) for name in names})


def _whole_name(text: bytes, start: int, end: int) -> int:
    """Names stand alone: not inside a longer word, whatever its alphabet."""
    before = text[max(0, start - 4) : start].decode(errors="ignore")[-1:]
    after = text[end : end + 4].decode(errors="ignore")[:1]
    return 0 if before.isalnum() or after.isalnum() else end


def _check_url(where: str, url: str, problems: list[str]) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        problems.append(problem(where, "something else", "http://HOST[:PORT]/PATH or https", "Give its URL."))
