"""The secrets a user set beside the deployment: checked like everything else, and never shown in a problem."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from infra.config import CLIENT_KEYS_KEY
from infra.explain import presentable
from infra.problems import Problem, Refused, did_you_mean, listing

# 128 bits in base64 are 22 characters. Keys are stored as plain SHA-256, so a short one could be guessed from its hash.
LEAST_KEY_CHARACTERS = 24


@dataclass(frozen=True, kw_only=True)
class GivenSecrets:
    """Keys by client (only for clients that have some), and the Hugging Face token or empty text."""

    client_keys: Mapping[str, tuple[str, ...]]
    huggingface_token: str


def parse_secrets(client_keys: str | None, huggingface_token: str | None, clients: Collection[str]) -> GivenSecrets:
    """From Pulumi's texts. Raises Refused with every problem."""
    keys: dict[str, tuple[Any, ...]] = {}
    problems: list[Problem] = []
    given = _decoded(client_keys)
    if not isinstance(given, dict):
        problems.append(
            _problem(
                CLIENT_KEYS_KEY, "something else than a map (not shown)", "a map from client to key or list of keys"
            )
        )
    else:
        for client, value in cast(dict[str, Any], given).items():
            keys[client] = tuple(cast(list[Any], value)) if isinstance(value, list) else (value,)
            problems += _key_problems(client, keys[client], clients)
    twice = [
        key
        for key, count in Counter(key for of in keys.values() for key in of if isinstance(key, str)).items()
        if count > 1
    ]
    if twice:
        problems.append(
            _problem(
                CLIENT_KEYS_KEY, "one key more than once (not shown)", "a key belongs to one client", "make a new key"
            )
        )
    if problems:
        raise Refused("the stack's secrets", problems)
    return GivenSecrets(client_keys=keys, huggingface_token=huggingface_token or "")


def _key_problems(client: str, keys: tuple[Any, ...], clients: Collection[str]) -> Iterator[Problem]:
    where = f"{CLIENT_KEYS_KEY}.{client}"
    if client not in clients:
        remedy = did_you_mean(client, clients, "remove it, or add the client to the deployment")
        yield _problem(where, f"a key for `{client}`, who is not a client", listing(clients), remedy)
    if not keys:
        yield _problem(where, "an empty list", "at least one key", "add a key, or remove the entry to have one made")
    for key in keys:
        if not isinstance(key, str) or len(key) < LEAST_KEY_CHARACTERS or not key.isascii() or not key.isprintable():
            yield _problem(
                where,
                "a key that is too short or not plain text (not shown)",
                f"{LEAST_KEY_CHARACTERS} or more printable ASCII characters, random",
                "make one: `python3 -c 'import secrets; print(secrets.token_urlsafe(32))'`, or remove the entry",
            )


def _decoded(text: str | None) -> Any:
    if not text:
        return {}
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _problem(where: str, found: str, allowed: str, remedy: str = "") -> Problem:
    example = f"set it again: `pulumi config set --secret --path '{CLIENT_KEYS_KEY}.CLIENT' KEY`"
    # A secret may have been written in the place of a name.
    parts = (where, found, allowed, remedy or example)
    where, found, allowed, remedy = map(presentable, parts)
    return Problem(where=where, found=found, allowed=allowed, remedy=remedy)
