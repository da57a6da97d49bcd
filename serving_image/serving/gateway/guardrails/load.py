"""Compiles the `guardrails` part of a configuration for each client, and names every problem in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol
from urllib.parse import urlsplit

import msgspec

from serving.gateway.config_checks import read_key
from serving.gateway.guardrails.addresses import AllowedAddresses
from serving.gateway.guardrails.config import GuardrailsConfig, HookConfig, ModerationHookConfig
from serving.gateway.guardrails.moderation import ModerationHook
from serving.gateway.guardrails.patterns import DenyPatterns, pattern_problem
from serving.gateway.guardrails.python_hook import HookProblem, load_hook
from serving.gateway.guardrails.rules import NO_RULES, ClientGuardrails, Guardrails, Hook
from serving.gateway.privacy.linear_regex import PatternError
from serving.gateway.strict import problem


class GuardedClient(Protocol):
    """A client's configuration, as far as it is read here."""

    @property
    def guardrails(self) -> str | None: ...
    @property
    def system_policy(self) -> str | None: ...


def load_guardrails(
    where: str,
    config: Mapping[str, GuardrailsConfig],
    clients: Mapping[str, GuardedClient],
    engine_keys: dict[str, str],
    problems: list[str],
) -> dict[str, ClientGuardrails]:
    """By client; those without any are left out. Keys of hooks are read into `engine_keys`."""
    sets = {name: _load(f"{where}guardrails.{name}", rules, engine_keys, problems) for name, rules in config.items()}
    loaded: dict[str, ClientGuardrails] = {}
    for name, client in clients.items():
        named = client.guardrails
        if named is not None and named not in sets:
            allowed = f"the sets {', '.join(sorted(sets)) or 'none'}"
            found = "another name (not shown)"
            problems.append(problem(f"{where}clients.{name}.guardrails", found, allowed, "Correct it, or add the set."))
        elif named is not None or client.system_policy is not None:
            rules = NO_RULES if named is None else sets[named]
            written = "" if named is None else _written(config[named])
            loaded[name] = ClientGuardrails(rules=rules, system_policy=client.system_policy, written=written)
    return loaded


def _written(rules: GuardrailsConfig) -> str:
    """Where a hook's key is kept is no rule, and is another place after every change."""

    def bare(hooks: Mapping[str, HookConfig]) -> dict[str, HookConfig]:
        return {
            name: msgspec.structs.replace(hook, key_file=None) if isinstance(hook, ModerationHookConfig) else hook
            for name, hook in hooks.items()
        }

    return msgspec.json.encode(
        msgspec.structs.replace(rules, before=bare(rules.before), after=bare(rules.after))
    ).decode()


def _load(where: str, config: GuardrailsConfig, engine_keys: dict[str, str], problems: list[str]) -> Guardrails:
    return Guardrails(
        deny_prompt=_patterns(f"{where}.deny_patterns", config.deny_patterns, problems),
        deny_answer=_patterns(f"{where}.deny_answer_patterns", config.deny_answer_patterns, problems),
        media=_addresses(f"{where}.media_hosts", config.media_hosts, problems),
        tools=_addresses(f"{where}.tool_hosts", config.tool_hosts, problems),
        before=_hooks(where, "before", config.before, engine_keys, problems),
        after=_hooks(where, "after", config.after, engine_keys, problems),
        largest_answer_bytes=config.largest_answer_bytes,
        keep_alive_seconds=config.keep_alive_seconds,
    )


def _patterns(where: str, patterns: Mapping[str, str], problems: list[str]) -> DenyPatterns | None:
    bad = {name: why for name, pattern in patterns.items() if (why := pattern_problem(pattern)) is not None}
    allowed = "RE2 syntax (no look-around, no back-references) that does not match nothing"
    for name, why in bad.items():
        problems.append(
            problem(f"{where}.{name}", f"a pattern that cannot be used ({why})", allowed, "Correct the pattern.")
        )
    if bad or not patterns:
        return None
    try:
        return DenyPatterns(patterns)
    except PatternError:
        problems.append(problem(where, "patterns too large together", "64 MiB compiled", "Shorten them."))
        return None


def _addresses(where: str, entries: tuple[str, ...] | None, problems: list[str]) -> AllowedAddresses | None:
    if entries is None:
        return None
    good: list[str] = []
    for index, entry in enumerate(entries):
        try:
            AllowedAddresses((entry,))
            good.append(entry)
        except ValueError:
            allowed = "`HOST`, `*.HOST`, either with `http://` or `https://` in front and `:PORT` behind, or `data:`"
            problems.append(problem(f"{where}[{index}]", "something else", allowed, "Correct or remove it."))
    return AllowedAddresses(good)


def _hooks(
    where: str,
    place: Literal["before", "after"],
    hooks: Mapping[str, HookConfig],
    engine_keys: dict[str, str],
    problems: list[str],
) -> tuple[Hook, ...]:
    loaded: list[Hook] = []
    for name, config in hooks.items():
        at = f"{where}.{place}.{name}"
        if isinstance(config, ModerationHookConfig):
            loaded.append(_moderation(at, name, config, engine_keys, problems))
            continue
        try:
            loaded.append(load_hook(name, config, place))
        except HookProblem as wrong:
            arguments = "(request)" if place == "before" else "(request, answer)"
            allowed = f"an importable class, made without arguments, with `async def {place}{arguments}`"
            problems.append(problem(f"{at}.implementation", str(wrong), allowed, "Correct the class or its name."))
    return tuple(loaded)


def _moderation(
    where: str, name: str, config: ModerationHookConfig, engine_keys: dict[str, str], problems: list[str]
) -> ModerationHook:
    try:
        parts = urlsplit(config.url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        problems.append(
            problem(f"{where}.url", "something else", "http://HOST[:PORT]/PATH or https", "Give the endpoint's URL.")
        )
    if config.style == "chat" and config.model is None:
        problems.append(problem(f"{where}.model", "nothing", "a model's name with style `chat`", "Name the model."))
    if config.key_file is not None and config.key_file not in engine_keys:
        read_key(f"{where}.key_file", config.key_file, engine_keys, problems)
    return ModerationHook(name, config, engine_keys.get(config.key_file) if config.key_file is not None else None)
