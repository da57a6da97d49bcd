"""Quotas in the configuration file: prices, limits of a client, where what was spent is kept, and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Protocol
from urllib.parse import urlsplit

from msgspec import Meta

from serving.gateway.strict import Strict, path_shown

_Amount = Annotated[int, Meta(ge=1, le=10**12)]
_Dollars = Annotated[float, Meta(gt=0, le=1_000_000)]
_Price = Annotated[float, Meta(ge=0, le=100_000)]
_Namespace = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class PriceConfig(Strict, frozen=True):
    """What a model costs. Counted in thousandths of a millionth of a dollar, so finer prices are rounded."""

    input_dollars_per_million_tokens: _Price
    output_dollars_per_million_tokens: _Price


class QuotaConfig(Strict, frozen=True):
    """Limits of one client with one model, beside the client's own. null or absent: no such limit."""

    requests_per_minute: _Amount | None = None
    tokens_per_minute: _Amount | None = None
    tokens_per_day: _Amount | None = None
    concurrent_requests: _Amount | None = None
    dollars_per_month: _Dollars | None = None


class MemoryStoreConfig(Strict, frozen=True, tag_field="kind", tag="memory"):
    """What was spent is known to this process only, and forgotten when it ends."""


class RedisStoreConfig(Strict, frozen=True, tag_field="kind", tag="redis"):
    """What was spent is shared by all gateways that use the same Redis or Valkey and `namespace`.

    `url_file` holds one line `redis://`, `rediss://` (TLS) or `unix://`, with the password in it, so that no secret
    is in the configuration. `gateways` is how many share: each gets that part of every limit while the store is away.
    """

    url_file: str
    when_away: Literal["closed", "local"]
    gateways: Annotated[int, Meta(ge=1, le=10_000)] = 1
    namespace: _Namespace = "slipway"
    # One exchange, connecting included. An exchange that takes longer opens the breaker.
    timeout_seconds: Annotated[float, Meta(ge=0.01, le=0.5)] = 0.25
    # Certificates to trust for rediss://; absent: the system's.
    ca_file: str | None = None
    # false: any certificate of `ca_file` will do. Right where that authority signs for this store alone, and does not
    # write addresses into its certificates.
    verify_host: bool = True
    # Instead of a password in `url_file`: the access token of this gateway's own identity, asked for at each connecting
    # (Memorystore with IAM authentication).
    token_from: Literal["metadata_server"] | None = None


LimitsStoreConfig = MemoryStoreConfig | RedisStoreConfig


class LimitedClient(Protocol):
    """The part of a client's configuration that this feature reads."""

    @property
    def models(self) -> list[str]: ...
    @property
    def requests_per_minute(self) -> int | None: ...
    @property
    def tokens_per_minute(self) -> int | None: ...
    @property
    def tokens_per_day(self) -> int | None: ...
    @property
    def concurrent_requests(self) -> int | None: ...
    @property
    def dollars_per_month(self) -> float | None: ...
    @property
    def per_model(self) -> dict[str, QuotaConfig]: ...


def client_quota(client: LimitedClient) -> QuotaConfig:
    """The limits over all of a client's models."""
    return QuotaConfig(
        requests_per_minute=client.requests_per_minute,
        tokens_per_minute=client.tokens_per_minute,
        tokens_per_day=client.tokens_per_day,
        concurrent_requests=client.concurrent_requests,
        dollars_per_month=client.dollars_per_month,
    )


def check_limits(
    where: str,
    prices: Mapping[str, PriceConfig | None],
    clients: Mapping[str, LimitedClient],
    store: LimitsStoreConfig,
    problems: list[str],
) -> str | None:
    """Append what is wrong to `problems`; the store's URL when there is one and it is good."""
    for name, client in clients.items():
        place = f"{where}: clients.{name}"
        for model in client.per_model:
            if model not in client.models:
                problems.append(
                    f"{place}.per_model: found another name (not shown); allowed is a model of this client: "
                    f"{', '.join(sorted(client.models)) or 'none'}. Remove it or add it to `models`."
                )
        for model in sorted(set(client.models)):
            quota = client.per_model.get(model)
            budget = client.dollars_per_month or (quota and quota.dollars_per_month)
            if budget and model in prices and prices[model] is None:
                # A budget that nothing counts against would be a budget in name only.
                problems.append(
                    f"{place}.dollars_per_month: found a budget over the model {model}, which has no price; allowed "
                    f"is a budget over models with a price. Set models.{model}.price."
                )
    if not isinstance(store, RedisStoreConfig):
        return None
    url = read_store_url(f"{where}: limits_store", store.url_file, store.ca_file, problems)
    if not store.verify_host and store.ca_file is None:
        problems.append(
            f"{where}: limits_store.verify_host: found false without `ca_file`; allowed is false where that authority "
            "signs for this store alone. Write its certificate to a file and name it, or remove the field."
        )
    if store.token_from is not None and url is not None and not _takes_token(url):
        # Whoever reads a token on its way is this gateway for an hour.
        problems.append(
            f"{where}: limits_store.token_from: found a url_file with another scheme than rediss://, or with a "
            "password; allowed is rediss:// without one. Write the URL so, or remove the field."
        )
        return None
    return url


def read_store_url(where: str, url_file: str, ca_file: str | None, problems: list[str]) -> str | None:
    """The URL of a Redis from its file; None and a problem when there is none in it."""
    if ca_file is not None and not Path(ca_file).is_file():
        problems.append(
            f"{where}.ca_file: found no file {path_shown(ca_file)}; allowed is a file with PEM certificates. "
            "Write it there or leave the field out."
        )
    try:
        url = Path(url_file).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        found = f"{type(error).__name__} reading {path_shown(url_file)}"
    else:
        if _is_store_url(url):
            return url
        found = f"something else in {path_shown(url_file)}"
    problems.append(
        f"{where}.url_file: found {found}; allowed is a readable file holding one line redis://, rediss:// or unix:// "
        "with a host or path. Write the URL there."
    )
    return None


def _is_store_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if not url.isprintable() or " " in url:
        return False
    return bool(parts.hostname) if parts.scheme in ("redis", "rediss") else parts.scheme == "unix" and bool(parts.path)


def _takes_token(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "rediss" and parts.username is None and parts.password is None
