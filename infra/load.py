"""Reads configuration once and reports every problem in it at once, each by its YAML path."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from infra.config import CLIENT_KEYS_KEY, DEPLOYMENT_KEY, HUGGINGFACE_TOKEN_KEY, PROJECT, StackConfig
from infra.explain import CREDENTIAL_REMEDY, Schema, explain, looks_like_credential, shown
from infra.given_secrets import GivenSecrets, parse_secrets
from infra.naming import normalised
from infra.problems import Problem, Refused, did_you_mean, listing
from infra.stack_file import read_stack_file

SECRET_KEYS = (CLIENT_KEYS_KEY, HUGGINGFACE_TOKEN_KEY)


@cache
def config_schema() -> Schema:
    """The JSON schema of a deployment, with every registered kind."""
    return StackConfig.model_json_schema()


def load_file(path: Path) -> StackConfig:
    """The deployment in a stack file; needs neither Pulumi nor a network. Raises Refused."""
    file = read_stack_file(path)
    config = _section(file.values, "config")
    if DEPLOYMENT_KEY not in config:
        raise Refused(path.name, [_no_deployment(file.values)])
    lines = {path[2:]: line for path, line in file.lines.items() if path[:2] == ("config", DEPLOYMENT_KEY)}
    plain = [key for key in SECRET_KEYS if key in config and not _is_encrypted(config[key])]
    return validate(config[DEPLOYMENT_KEY], path.name, lines, [*_unknown_keys(config), *map(_plain_secret, plain)])


def load_pulumi() -> StackConfig:
    """The deployment of the running Pulumi program. Raises Refused."""
    from pulumi.runtime.config import get_config, is_config_secret

    source = f"the configuration of stack `{os.environ.get('PULUMI_STACK', '')}`".replace(" of stack ``", "")
    text = get_config(DEPLOYMENT_KEY)
    keys = cast(dict[str, Any], json.loads(os.environ.get("PULUMI_CONFIG", "{}")))
    if text is None:
        raise Refused(source, [_no_deployment(None)])
    try:
        raw: Any = json.loads(text)
    except ValueError:  # `pulumi config set slipway:deployment text`
        raw = text
    problems = [*_unknown_keys(keys)]
    problems += [_plain_secret(key) for key in SECRET_KEYS if get_config(key) and not is_config_secret(key)]
    if is_config_secret(DEPLOYMENT_KEY):
        problems.append(_nested_secret())
    return validate(raw, source, {}, problems)


def load_secrets(clients: Collection[str]) -> GivenSecrets:
    """The secrets of the running Pulumi program. Raises Refused; no problem shows a secret."""
    from pulumi.runtime.config import get_config

    return parse_secrets(get_config(CLIENT_KEYS_KEY), get_config(HUGGINGFACE_TOKEN_KEY), clients)


def validate(
    raw: Any, source: str, lines: Mapping[tuple[str, ...], int], problems: list[Problem] | None = None
) -> StackConfig:
    """A deployment from plain data, or Refused with everything that is wrong with it."""
    problems = list(problems or [])

    def located(path: tuple[str, ...], problem: Problem) -> Problem:
        line = lines.get(path) or next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), None)
        where = dotted(DEPLOYMENT_KEY, path)
        return replace(problem, where=f"{where} (line {line})" if line else where)

    config = None
    try:
        # JSON mode: strict about types, while a list may still become a tuple.
        config = StackConfig.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        problems += [located(*found) for found in explain(error, raw, config_schema())]
    except (ValueError, RecursionError, UnicodeError):
        problems.append(
            located(
                (),
                Problem(
                    where="",
                    found="values that JSON cannot hold",
                    allowed="text, numbers, maps and lists",
                    remedy="remove NaN, infinity and broken characters",
                ),
            )
        )
    problems += [located(*found) for check in (_credentials, _colliding_names, _references) for found in check(raw)]
    if problems or config is None:
        raise Refused(source, problems)
    return config


def dotted(root: str, path: Sequence[str]) -> str:
    """A path as Pulumi writes it: `models.chat.engine`, `models["chat.v2"].engine`."""
    return root + "".join(f".{key}" if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'["{key}"]' for key in path)


Found = Iterator[tuple[tuple[str, ...], Problem]]


def _credentials(raw: Any, path: tuple[str, ...] = ()) -> Found:
    """Values that look like secrets, wherever they are."""
    if isinstance(raw, dict):
        for key, value in cast(dict[str, Any], raw).items():
            yield from _credentials(value, (*path, key))
            if key == "secure":
                yield path, replace(_nested_secret(), where="")
    elif isinstance(raw, list):
        for index, value in enumerate(cast(list[Any], raw)):
            yield from _credentials(value, (*path, str(index)))
    elif isinstance(raw, str) and looks_like_credential(raw):
        yield (
            path,
            Problem(where="", found=shown(raw), allowed="no secret inside the deployment", remedy=CREDENTIAL_REMEDY),
        )


def _colliding_names(raw: Any) -> Found:
    """Names that are different here and the same where only lower case and dashes exist."""
    for section in ("sites", "models", "clients"):
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for name in _section(raw, section):
            groups[normalised(name)].append(name)
        for label, names in groups.items():
            if len(names) > 1:
                yield (
                    (section, names[-1]),
                    Problem(
                        where="",
                        found=f"{listing(names)}, which all become `{label}` in resource and host names",
                        allowed="names that differ in more than case, `.`, `_` and `-`",
                        remedy="rename all but one of them",
                    ),
                )


def _references(raw: Any) -> Found:
    """Clients that name models which are not there."""
    known = tuple(_section(raw, "models"))
    for client, settings in _section(raw, "clients").items():
        named = cast(dict[str, Any], settings).get("models") if isinstance(settings, dict) else None
        for index, model in enumerate(cast(list[Any], named) if isinstance(named, list) else []):
            if isinstance(model, str) and model not in known:
                yield (
                    ("clients", client, "models", str(index)),
                    Problem(
                        where="",
                        found=f"{shown(model)}, which is not among the models",
                        allowed=listing(known),
                        remedy=did_you_mean(model, known, "name a model of this deployment"),
                    ),
                )


def _section(raw: Any, name: str) -> dict[str, Any]:
    section = cast(dict[str, Any], raw).get(name) if isinstance(raw, dict) else None
    return cast(dict[str, Any], section) if isinstance(section, dict) else {}


def _unknown_keys(config: Mapping[str, Any]) -> Iterator[Problem]:
    known = (DEPLOYMENT_KEY, *SECRET_KEYS)
    for key in config:
        if key.startswith(f"{PROJECT}:") and key not in known:
            yield Problem(
                where=key,
                found="a key that this project does not read",
                allowed=listing(known),
                remedy=did_you_mean(key, known, "remove it"),
            )


def _is_encrypted(value: Any) -> bool:
    """Whether every leaf is Pulumi's `secure:` cipher text."""
    if isinstance(value, dict):
        mapping = cast(dict[str, Any], value)
        return set(mapping) == {"secure"} or (bool(mapping) and all(map(_is_encrypted, mapping.values())))
    items = cast(list[Any], value) if isinstance(value, list) else []
    return bool(items) and all(map(_is_encrypted, items))


def _plain_secret(key: str) -> Problem:
    return Problem(
        where=key,
        found="a secret in plain text (not shown)",
        allowed="a value that Pulumi has encrypted (`secure: …`)",
        remedy=f"take it out, replace the secret itself, and run `pulumi config set --secret {key}`",
    )


def _nested_secret() -> Problem:
    return Problem(
        where=DEPLOYMENT_KEY,
        found="an encrypted value inside the deployment",
        allowed="secrets beside the deployment only: Pulumi would hand a nested one on as plain text",
        remedy=CREDENTIAL_REMEDY,
    )


def _no_deployment(values: Any) -> Problem:
    return Problem(
        where=f"config.{DEPLOYMENT_KEY}",
        found="an empty file" if values is None else "no deployment",
        allowed=f"`config:` with `{DEPLOYMENT_KEY}:` below it",
        remedy="start from Pulumi.dev.yaml, the smallest deployment",
    )
