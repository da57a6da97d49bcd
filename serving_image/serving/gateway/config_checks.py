"""What the types of the configuration file cannot say: relations between fields, and files that must be readable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from serving.gateway.engine_trust import EngineTrust, load_trust
from serving.gateway.identity.config import ApiKeyConfig
from serving.gateway.routing.config import UpstreamConfig, UpstreamTls
from serving.gateway.strict import path_shown, problem
from serving.gateway.tls.certificates import TlsProblem


class CheckedModel(Protocol):
    """The part of a model that is looked at here."""

    @property
    def upstreams(self) -> Sequence[UpstreamConfig]: ...
    @property
    def context_tokens(self) -> int: ...
    @property
    def max_output_tokens(self) -> int: ...


class CheckedClient(Protocol):
    """The part of a client that is looked at here."""

    @property
    def models(self) -> Sequence[str]: ...
    @property
    def key_sha256(self) -> Sequence[str]: ...
    @property
    def keys(self) -> Sequence[ApiKeyConfig]: ...
    @property
    def certificates(self) -> Sequence[str]: ...


def check_model(
    where: str,
    model: CheckedModel,
    engine_keys: dict[str, str],
    trusted: dict[UpstreamTls, EngineTrust],
    problems: list[str],
) -> None:
    """A model whose bounds and engines make sense; keys of engines are read into `engine_keys`, who vouches for them
    into `trusted`."""
    if model.max_output_tokens > model.context_tokens:
        problems.append(
            problem(
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
                problem(
                    f"{place}.url",
                    "something else",
                    "http://HOST[:PORT] or https://HOST[:PORT] without path, query or credentials",
                    "Give the engine's origin only.",
                )
            )
        if upstream.key_file is not None and upstream.key_file not in engine_keys:
            read_key(f"{place}.key_file", upstream.key_file, engine_keys, problems)
        if upstream.tls is not None and upstream.tls not in trusted:
            try:
                trusted[upstream.tls] = load_trust(upstream.tls)
            except TlsProblem as tls_problem:
                problems.append(f"{place}.tls.{tls_problem}")


def _is_origin(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    plain = parts.path in ("", "/") and not parts.query and not parts.fragment and "@" not in parts.netloc
    return parts.scheme in ("http", "https") and bool(parts.hostname) and plain


def read_key(where: str, key_file: str, engine_keys: dict[str, str], problems: list[str]) -> None:
    """The key in a file, into `engine_keys` under the file."""
    try:
        key = Path(key_file).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        found = f"{type(error).__name__} reading {path_shown(key_file)}"
    else:
        if key and key.isprintable() and " " not in key:
            engine_keys[key_file] = key
            return
        found = f"no single printable line in {path_shown(key_file)}"
    problems.append(problem(where, found, "a readable file holding one key of printable ASCII", "Write the key there."))


def check_clients(where: str, clients: Mapping[str, CheckedClient], models: set[str], problems: list[str]) -> None:
    """Clients that name models which are there, and credentials of one client each."""
    owner: dict[str, str] = {}
    for name, client in clients.items():
        for index, model in enumerate(client.models):
            if model not in models:
                problems.append(
                    problem(
                        f"{where}.{name}.models[{index}]",
                        "another name (not shown)",
                        f"the configured models: {', '.join(sorted(models)) or 'none'}",
                        "Remove it or configure the model.",
                    )
                )
        credentials = [("key_sha256", digest) for digest in client.key_sha256]
        credentials += [("keys", key.sha256) for key in client.keys]
        credentials += [("certificates", certificate) for certificate in client.certificates]
        for field, credential in credentials:
            if owner.setdefault(credential, name) != name:
                problems.append(
                    problem(
                        f"{where}.{name}.{field}",
                        f"a key that also belongs to {owner[credential]}",
                        "a key of one client only",
                        "Give each client its own key.",
                    )
                )
