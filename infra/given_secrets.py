"""The secrets a user set beside the deployment: checked like everything else, and never shown in a problem."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from infra.config import CLIENT_KEYS_KEY, GATEWAY_SECRETS_KEY
from infra.explain import presentable
from infra.problems import Problem, Refused, did_you_mean, listing

MOST_SECRET_CHARACTERS = 16_384
# 128 bits in base64 are 22 characters. Keys are stored as plain SHA-256, so a short one could be guessed from its hash.
LEAST_KEY_CHARACTERS = 24


@dataclass(frozen=True, kw_only=True)
class GivenSecrets:
    """Keys by client (only for clients that have some), the Hugging Face token or empty text, and what the gateway
    shows to others, by name."""

    client_keys: Mapping[str, tuple[str, ...]]
    huggingface_token: str
    gateway_secrets: Mapping[str, str]


def parse_secrets(
    client_keys: str | None,
    huggingface_token: str | None,
    clients: Collection[str],
    gateway_secrets: str | None = None,
    wanted: Collection[str] = (),
) -> GivenSecrets:
    """From Pulumi's texts; `wanted` are the names that the deployment expects in `gateway_secrets`. Raises Refused
    with every problem."""
    keys: dict[str, tuple[Any, ...]] = {}
    named = _decoded(gateway_secrets)
    problems = list(_gateway_problems(named, wanted))
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
    return GivenSecrets(client_keys=keys, huggingface_token=huggingface_token or "", gateway_secrets=named)


def _gateway_problems(given: Any, wanted: Collection[str]) -> Iterator[Problem]:
    set_it = f"`pulumi config set --secret --path '{GATEWAY_SECRETS_KEY}.NAME' SECRET`"
    if not isinstance(given, dict):
        found = "something else than a map (not shown)"
        yield _problem(GATEWAY_SECRETS_KEY, found, "a map from name to secret", set_it)
        return
    secrets = cast(dict[str, Any], given)
    for name in dict.fromkeys(wanted):
        if name not in secrets:
            remedy = f"set it: {set_it.replace('NAME', name)}"
            yield _problem(f"{GATEWAY_SECRETS_KEY}.{name}", "nothing", "a secret: the deployment names it", remedy)
    for name, value in secrets.items():
        where = f"{GATEWAY_SECRETS_KEY}.{name}"
        if name not in wanted:
            yield _problem(
                where, "a secret that nothing names", listing(wanted), did_you_mean(name, wanted, "remove it")
            )
        elif (
            not isinstance(value, str)
            or not value.strip()
            or len(value) > MOST_SECRET_CHARACTERS
            or not value.isascii()
            or not value.replace("\n", "").isprintable()
        ):
            allowed = f"1 to {MOST_SECRET_CHARACTERS} printable ASCII characters"
            yield _problem(where, "something else than plain text (not shown)", allowed, f"set it again: {set_it}")


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
