"""A refusal: the one exception by which a step declines a request, and its OpenAI-shaped body."""

from __future__ import annotations

import orjson


class Refusal(Exception):
    """Ends a request with `status` and an OpenAI-shaped error body.

    Owns what the client is told. `code` is also the `reason` label of the refusals metric, so it is always one of
    the constants written in this package, never something a client or an engine sent; `reason` is that label where
    one code is too coarse for it. `close` asks for the
    connection to be closed behind the answer (a body that was not read).
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        retry_after: bytes | None = None,
        close: bool = False,
        allow: bytes | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.close = close
        self.allow = allow
        self.reason = reason or code
        self.body = error_body(message, kind, param, code)


def error_body(message: str, kind: str, param: str | None, code: str) -> bytes:
    """The error object as OpenAI's clients expect it."""
    return orjson.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}})


def four_parts(where: str, found: str, allowed: str, remedy: str) -> str:
    """Every message of the gateway: where it is, what was found, what is allowed, what to do.

    `found` names sizes, types and numbers only; text a client wrote is never echoed (it may hold a prompt).
    """
    return f"{where}: found {found}; allowed is {allowed}. {remedy}"


def out_of_bounds(param: str, found: str, allowed: str, remedy: str) -> Refusal:
    """400: a field of the body has a type or value outside the limits."""
    return Refusal(400, "invalid_value", four_parts(param, found, allowed, remedy), param=param)


# One constant body for a missing, wrong or malformed key: the difference would help only a guesser.
UNAUTHENTICATED = Refusal(
    401,
    "invalid_api_key",
    four_parts(
        "authorization header",
        "no valid API key",
        "`Bearer KEY` with a key or token that this gateway accepts",
        "Ask the gateway's operator for a key.",
    ),
    kind="authentication_error",
)

# The issuer of a token is known, but not one of its keys could ever be had: refused (closed), but worth trying again.
ISSUER_KEYS_UNAVAILABLE = Refusal(
    503,
    "issuer_keys_unavailable",
    four_parts(
        "authorization header",
        "a token whose issuer's keys cannot be had now",
        "a token that can be verified",
        "Try again after the seconds in Retry-After.",
    ),
    kind="api_error",
    retry_after=b"5",
)

# The same for a model that does not exist and one the client may not use: nobody can list models by trying.
MODEL_NOT_FOUND = Refusal(
    404,
    "model_not_found",
    four_parts(
        "model",
        "a name that this key has no model under",
        "the models listed by GET /v1/models",
        "Use one of those, or ask the gateway's operator for access.",
    ),
    param="model",
)
