"""A policy: one loaded configuration turned into what requests look up. Immutable; a reload swaps it whole."""

from __future__ import annotations

import hashlib
import hmac
import time

import orjson

from serving.gateway.config import ClientConfig, GatewayConfig, LimitsConfig, ModelConfig
from serving.gateway.refusal import MODEL_NOT_FOUND
from serving.gateway.request_rate import RequestRate


class Target:
    """One engine to send to. `reachable` is what the last probe said; admission never depends on it."""

    __slots__ = ("authorization", "reachable", "url")

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url.rstrip("/")
        self.authorization = None if key is None else f"Bearer {key}"
        self.reachable = False


class Load:
    """How many requests of one model are at an engine. Outlives reloads, or requests across one would be lost."""

    __slots__ = ("in_flight",)

    def __init__(self) -> None:
        self.in_flight = 0


class Model:
    """One model name: its bounds and its engines."""

    __slots__ = (
        "context_tokens",
        "endpoints",
        "load",
        "longest_generation_seconds",
        "max_output_tokens",
        "name",
        "next_target",
        "targets",
    )

    def __init__(self, name: str, config: ModelConfig, targets: tuple[Target, ...], load: Load) -> None:
        self.name = name
        self.targets = targets
        self.load = load
        self.context_tokens = config.context_tokens
        self.max_output_tokens = config.max_output_tokens
        self.endpoints = frozenset(config.endpoints)
        self.longest_generation_seconds = config.longest_generation_seconds
        self.next_target = 0


class Client:
    """One client: the models it may use and its request limit."""

    __slots__ = ("models", "models_body", "name", "rate")

    def __init__(self, name: str, config: ClientConfig, models: dict[str, Model], created: int) -> None:
        self.name = name
        self.models = {model: models[model] for model in sorted(set(config.models))}
        self.rate = None if config.requests_per_minute is None else RequestRate(config.requests_per_minute)
        listed = [_model_entry(model, created) for model in self.models]
        self.models_body = orjson.dumps({"object": "list", "data": listed})


class Policy:
    """Everything one configuration file decides. `targets` are all engines, each once."""

    def __init__(self, config: GatewayConfig, previous: Policy | None = None) -> None:
        self.sha256 = config.sha256
        self.limits: LimitsConfig = config.limits
        self.created = int(time.time())
        self.targets: dict[tuple[str, str | None], Target] = {}
        self.models: dict[str, Model] = {}
        self.clients: dict[str, Client] = {}
        self._by_key: dict[bytes, tuple[bytes, Client]] = {}
        for name, model in config.models.items():
            targets = tuple(
                self._target(upstream.url, config.engine_keys.get(upstream.key_file or ""), previous)
                for upstream in model.upstreams
            )
            known = previous.models.get(name) if previous else None
            self.models[name] = Model(name, model, targets, known.load if known else Load())
        for name, client_config in config.clients.items():
            client = Client(name, client_config, self.models, self.created)
            self.clients[name] = client
            if previous is not None and name in previous.clients and client.rate is not None:
                before = previous.clients[name].rate
                if before is not None:
                    client.rate.inherit(before)
            for digest in client_config.key_sha256:
                self._by_key[bytes.fromhex(digest)] = (bytes.fromhex(digest), client)

    def _target(self, url: str, key: str | None, previous: Policy | None) -> Target:
        known = self.targets.get((url, key)) or (previous.targets.get((url, key)) if previous else None)
        target = known or Target(url, key)
        self.targets[url, key] = target
        return target

    def client_with_key(self, key: bytes) -> Client | None:
        """The client that owns `key`, or None.

        The dictionary is over digests, so what its timing could tell is about the digest of a guess, not about
        the key; the found entry is then compared in constant time all the same.
        """
        digest = hashlib.sha256(key).digest()
        found = self._by_key.get(digest)
        if found is None or not hmac.compare_digest(found[0], digest):
            return None
        return found[1]

    def model_entry(self, client: Client, name: str) -> bytes:
        """The body of GET /v1/models/{name}. Raises the same refusal for unknown and forbidden."""
        if name not in client.models:
            raise MODEL_NOT_FOUND
        return orjson.dumps(_model_entry(name, self.created))


def _model_entry(name: str, created: int) -> dict[str, str | int]:
    return {"id": name, "object": "model", "created": created, "owned_by": "slipway"}
