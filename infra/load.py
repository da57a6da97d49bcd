"""Reads configuration once and reports every problem in it at once, each by its YAML path."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from infra.chosen_site import SITE_KEY
from infra.config import (
    CLIENT_KEYS_KEY,
    DEPLOYMENT_KEY,
    GATEWAY_SECRETS_KEY,
    HUGGINGFACE_TOKEN_KEY,
    PROJECT,
    StackConfig,
)
from infra.explain import (
    CREDENTIAL_REMEDY,
    Schema,
    dotted,
    explain,
    looks_like_credential,
    presentable,
    shown,
)
from infra.gateway.references import gateway_references
from infra.given_secrets import GivenSecrets, parse_secrets
from infra.problems import Problem, Refused, listing, nearest
from infra.references import Found, colliding_names, references, section
from infra.stack_file import KeyPath, read_stack_file

SECRET_KEYS = (CLIENT_KEYS_KEY, HUGGINGFACE_TOKEN_KEY, GATEWAY_SECRETS_KEY)


class _ClosedMaps(GenerateJsonSchema):
    """pydantic's own schema lets a map's key pass that does not match the pattern for names; its validator does not."""

    def dict_schema(self, schema: core_schema.DictSchema) -> dict[str, Any]:
        result = super().dict_schema(schema)
        return {**result, "additionalProperties": False} if "patternProperties" in result else result


@cache
def config_schema() -> Schema:
    """The JSON schema of a deployment, with every registered kind."""
    return StackConfig.model_json_schema(schema_generator=_ClosedMaps)


def load_file(path: Path) -> StackConfig:
    """The deployment in a stack file; needs neither Pulumi nor a network. Raises Refused."""
    try:
        file = read_stack_file(path)
    except Refused as refused:
        raise _refused(refused.source, refused.problems) from None
    config = section(file.values, "config")
    plain = [key for key in SECRET_KEYS if key in config and not _is_encrypted(config[key])]
    lines = {path[1:]: line for path, line in file.lines.items() if path[:1] == ("config",)}
    problems = [
        replace(problem, where=_with_line(problem.where, (problem.where,), lines))
        for problem in (*_unknown_keys(config), *map(_plain_secret, plain))
    ]
    if DEPLOYMENT_KEY not in config:
        raise _refused(path.name, [_no_deployment(_what_is_there(file.values)), *problems])
    below = {path[1:]: line for path, line in lines.items() if path[:1] == (DEPLOYMENT_KEY,)}
    return validate(config[DEPLOYMENT_KEY], path.name, below, problems)


def load_pulumi() -> StackConfig:
    """The deployment of the running Pulumi program. Raises Refused."""
    from pulumi.runtime.config import get_config, is_config_secret

    source = f"the configuration of stack `{os.environ.get('PULUMI_STACK', '')}`".replace(" of stack ``", "")
    text = get_config(DEPLOYMENT_KEY)
    keys = cast(dict[str, Any], json.loads(os.environ.get("PULUMI_CONFIG", "{}")))
    if text is None:
        raise _refused(source, [_no_deployment("no deployment"), *_unknown_keys(keys)])
    try:
        raw: Any = json.loads(text)
    except ValueError:  # `pulumi config set slipway:deployment text`
        raw = text
    problems = [*_unknown_keys(keys)]
    problems += [_plain_secret(key) for key in SECRET_KEYS if get_config(key) and not is_config_secret(key)]
    if is_config_secret(DEPLOYMENT_KEY):
        problems.append(_nested_secret())
    return validate(raw, source, {}, problems)


def load_site() -> str | None:
    """The site that the running Pulumi program deploys; None: all of them."""
    from pulumi.runtime.config import get_config

    return get_config(SITE_KEY)


def load_secrets(clients: Collection[str], gateway_secrets: Collection[str]) -> GivenSecrets:
    """The secrets of the running Pulumi program, for these clients and by these names. Raises Refused; no problem
    shows a secret."""
    from pulumi.runtime.config import get_config

    return parse_secrets(
        get_config(CLIENT_KEYS_KEY),
        get_config(HUGGINGFACE_TOKEN_KEY),
        clients,
        get_config(GATEWAY_SECRETS_KEY),
        gateway_secrets,
    )


def validate(raw: Any, source: str, lines: Mapping[KeyPath, int], problems: list[Problem] | None = None) -> StackConfig:
    """A deployment from plain data, or Refused with everything that is wrong with it."""
    problems = list(problems or [])
    config = None
    secrets = list(credentials(raw))
    found = [*colliding_names(raw), *references(raw), *gateway_references(raw)]
    try:
        # JSON mode: strict about types, while a list may still become a tuple.
        config = StackConfig.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        found = [*explain(error, raw, config_schema()), *found]
    # A secret goes whatever else is wrong with it or below it.
    found = [(path, p) for path, p in found if not any(path[: len(secret)] == secret for secret, _ in secrets)]
    found = sorted([*secrets, *found], key=lambda item: _line(item[0], lines))
    problems += [replace(p, where=_with_line(dotted(DEPLOYMENT_KEY, path), path, lines)) for path, p in found]
    if problems or config is None:
        raise _refused(source, problems)
    return config


def _refused(source: str, problems: Sequence[Problem]) -> Refused:
    """The last word on secrets: whatever a problem says, in a path or a list of names, none is shown."""
    return Refused(source, [Problem(**{part: presentable(text) for part, text in asdict(p).items()}) for p in problems])


def _with_line(where: str, path: KeyPath, lines: Mapping[KeyPath, int]) -> str:
    line = _line(path, lines)
    return f"{where} (line {line})" if line else where


def _line(path: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    """The line of the path, or of the nearest thing around it that is in the file; 0 when there is no file."""
    return next((lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in lines), 0)


def credentials(raw: Any, path: KeyPath = ()) -> Found:
    """Names and values that look like secrets, wherever they are, and what Pulumi has encrypted."""
    plain = Problem(where="", found=shown(raw), allowed="no secret inside the deployment", remedy=CREDENTIAL_REMEDY)
    if isinstance(raw, dict):
        section = cast(dict[str, Any], raw)
        if set(section) == {"secure"} and isinstance(section["secure"], str):
            yield path, replace(_nested_secret(), where="")
        for key, value in section.items():
            if looks_like_credential(key):
                yield (*path, key), replace(plain, found="a name that looks like a secret (not shown)")
            yield from credentials(value, (*path, key))
    elif isinstance(raw, list):
        for index, value in enumerate(cast(list[Any], raw)):
            yield from credentials(value, (*path, index))
    elif isinstance(raw, str) and looks_like_credential(raw):
        yield path, plain


def _unknown_keys(config: Mapping[str, Any]) -> Iterator[Problem]:
    known = (DEPLOYMENT_KEY, SITE_KEY, *SECRET_KEYS)
    prefix = f"{PROJECT}:"
    for key in config:
        if key.startswith(prefix) and key not in known:
            near = nearest(key.removeprefix(prefix), [name.removeprefix(prefix) for name in known])
            yield Problem(
                where=key,
                found="a key that this project does not read",
                allowed=listing(known),
                remedy=f"did you mean `{prefix}{near}`?" if near else "remove it",
            )


def _is_encrypted(value: Any) -> bool:
    """Whether every leaf is Pulumi's `secure:` cipher text."""
    if isinstance(value, dict):
        mapping = cast(dict[str, Any], value)
        return set(mapping) == {"secure"} or all(map(_is_encrypted, mapping.values()))
    return isinstance(value, list) and all(map(_is_encrypted, cast(list[Any], value)))


def _plain_secret(key: str) -> Problem:
    target = {CLIENT_KEYS_KEY: f"--path {key}.CLIENT", GATEWAY_SECRETS_KEY: f"--path {key}.NAME"}.get(key, key)
    return Problem(
        where=key,
        found="a secret in plain text (not shown)",
        allowed="a value that Pulumi has encrypted (`secure: …`)",
        remedy=f"take it out, replace the secret itself, and run `pulumi config set --secret {target}`",
    )


def _nested_secret() -> Problem:
    return Problem(
        where=DEPLOYMENT_KEY,
        found="an encrypted value inside the deployment",
        allowed="secrets beside the deployment only: Pulumi would hand a nested one on as plain text",
        remedy=CREDENTIAL_REMEDY,
    )


def _what_is_there(values: Any) -> str:
    """What a file without a deployment has instead."""
    if not isinstance(values, dict):
        return "an empty file" if values is None else shown(values)
    if "config" not in values:
        return "no `config:`"
    config = cast(dict[str, Any], values)["config"]
    return "no deployment" if isinstance(config, dict) else f"{shown(config)} under `config:`"


def _no_deployment(found: str) -> Problem:
    return Problem(
        where=DEPLOYMENT_KEY,
        found=found,
        allowed=f"`config:` with `{DEPLOYMENT_KEY}:` below it",
        remedy="start from Pulumi.dev.yaml, the smallest deployment",
    )
