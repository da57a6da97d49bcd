"""The gateway's configuration file: its shape, and a strict reader that names every problem it finds."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

EndpointName = Literal["chat_completions", "completions", "embeddings"]
T = TypeVar("T")
Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
KeyHash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]

# What may stand in a metric label, a log line and a JSON string without quoting. `unknown` is the label of the rest.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}")


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Unknown fields are refused: a misspelt limit must not silently be no limit."""


class UpstreamConfig(_Strict, frozen=True):
    """One engine. `key_file` holds the key the gateway shows to it; read once, at load."""

    url: str
    key_file: str | None


class ModelConfig(_Strict, frozen=True):
    """One model name. `longest_generation_seconds` bounds one upstream request in total."""

    upstreams: Annotated[list[UpstreamConfig], Meta(min_length=1)]
    context_tokens: Count
    max_output_tokens: Count
    endpoints: Annotated[list[EndpointName], Meta(min_length=1)]
    longest_generation_seconds: Seconds


class ClientConfig(_Strict, frozen=True):
    """One client. `key_sha256` are hex SHA-256 of its keys: several, so that a key can be rotated."""

    key_sha256: list[KeyHash]
    models: list[str]
    requests_per_minute: Count | None


class LimitsConfig(_Strict, frozen=True):
    """Bounds of one request and of one connection. Fields with a default may be left out of the file."""

    body_bytes: Count
    messages: Count
    choices: Count
    connect_seconds: Seconds
    keep_alive_seconds: Count
    # Until the first byte of an engine's answer; null: as long as the model's longest generation.
    first_byte_seconds: Seconds | None = None
    # Silence in the middle of a stream, from the engine or from a client that stopped reading.
    stream_idle_seconds: Seconds = 60.0
    # Request heads and bodies that trickle in (slow-loris).
    header_seconds: Seconds = 10.0
    body_seconds: Seconds = 60.0


class _Document(_Strict, frozen=True):
    version: Literal[1]
    models: dict[str, msgspec.Raw]
    clients: dict[str, msgspec.Raw]
    limits: LimitsConfig


class GatewayConfig(_Strict, frozen=True):
    """A whole file, checked; `sha256` is of its bytes, `engine_keys` maps each key_file to the key in it."""

    models: dict[str, ModelConfig]
    clients: dict[str, ClientConfig]
    limits: LimitsConfig
    sha256: str
    engine_keys: dict[str, str]


class ConfigProblem(Exception):
    """The file cannot be used; `problems` has one four-part line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def load_config(path: Path) -> GatewayConfig:
    """Read, decode and check `path`. Raises ConfigProblem with everything that is wrong, not only the first."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigProblem(
            [f"{path}: found {reason}; allowed is a readable file. Create it or fix --config."]
        ) from None
    problems: list[str] = []
    document = _decode(raw, _Document, f"{path}: $", problems)
    if document is None:
        raise ConfigProblem(problems)
    models = _decode_each(document.models, ModelConfig, f"{path}: models", problems)
    clients = _decode_each(document.clients, ClientConfig, f"{path}: clients", problems)
    engine_keys: dict[str, str] = {}
    for name, model in models.items():
        _check_model(f"{path}: models.{name}", model, engine_keys, problems)
    _check_clients(f"{path}: clients", clients, set(document.models), problems)
    if problems:
        raise ConfigProblem(problems)
    return GatewayConfig(
        models=models,
        clients=clients,
        limits=document.limits,
        sha256=hashlib.sha256(raw).hexdigest(),
        engine_keys=engine_keys,
    )


def _problem(where: str, found: str, allowed: str, remedy: str) -> str:
    return f"{where}: found {found}; allowed is {allowed}. {remedy}"


def _decode(raw: bytes | msgspec.Raw, kind: type[T], where: str, problems: list[str]) -> T | None:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        text = str(error).replace("\n", " ")
        problems.append(_problem(where, f"a problem ({text})", "what slipway writes there", "Correct this field."))
        return None


def _decode_each(raws: dict[str, msgspec.Raw], kind: type[T], where: str, problems: list[str]) -> dict[str, T]:
    decoded: dict[str, T] = {}
    for name, raw in raws.items():
        if not _NAME.fullmatch(name) or name == "unknown":
            problems.append(
                _problem(
                    where,
                    f"the name {name[:64]!r}",
                    "1 to 128 of A-Z a-z 0-9 . _ : / @ -, starting with a letter or digit, and not `unknown`",
                    "Rename it.",
                )
            )
        elif (value := _decode(raw, kind, f"{where}.{name}", problems)) is not None:
            decoded[name] = value
    return decoded


def _check_model(where: str, model: ModelConfig, engine_keys: dict[str, str], problems: list[str]) -> None:
    if model.max_output_tokens > model.context_tokens:
        problems.append(
            _problem(
                f"{where}.max_output_tokens",
                str(model.max_output_tokens),
                f"1 to context_tokens ({model.context_tokens})",
                "Lower it, or raise context_tokens.",
            )
        )
    for index, upstream in enumerate(model.upstreams):
        place = f"{where}.upstreams[{index}]"
        if not _is_origin(upstream.url):
            problems.append(
                _problem(
                    f"{place}.url",
                    "something else",
                    "http://HOST[:PORT] or https://HOST[:PORT] without path, query or credentials",
                    "Give the engine's origin only.",
                )
            )
        if upstream.key_file is not None and upstream.key_file not in engine_keys:
            _read_key(f"{place}.key_file", upstream.key_file, engine_keys, problems)


def _is_origin(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    plain = parts.path in ("", "/") and not parts.query and not parts.fragment and "@" not in parts.netloc
    return parts.scheme in ("http", "https") and bool(parts.hostname) and plain


def _read_key(where: str, key_file: str, engine_keys: dict[str, str], problems: list[str]) -> None:
    try:
        key = Path(key_file).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        found = f"{type(error).__name__} reading {key_file}"
    else:
        if key and key.isprintable() and " " not in key:
            engine_keys[key_file] = key
            return
        found = f"no single printable line in {key_file}"
    problems.append(
        _problem(where, found, "a readable file holding one key of printable ASCII", "Write the key there.")
    )


def _check_clients(where: str, clients: dict[str, ClientConfig], models: set[str], problems: list[str]) -> None:
    owner: dict[str, str] = {}
    for name, client in clients.items():
        for model in client.models:
            if model not in models:
                problems.append(
                    _problem(
                        f"{where}.{name}.models",
                        repr(model[:64]),
                        f"the configured models: {', '.join(sorted(models)) or 'none'}",
                        "Remove it or configure the model.",
                    )
                )
        for digest in client.key_sha256:
            if owner.setdefault(digest, name) != name:
                problems.append(
                    _problem(
                        f"{where}.{name}.key_sha256",
                        f"a key that also belongs to {owner[digest]}",
                        "a key of one client only",
                        "Give each client its own key.",
                    )
                )
