"""Step: who is asking? An API key or a token as `Authorization: Bearer`, otherwise the client's certificate."""

from __future__ import annotations

from collections.abc import Awaitable

from serving.gateway.context import RequestContext
from serving.gateway.identity.api_keys import ApiKey
from serving.gateway.identity.certificates import CertificateOwner
from serving.gateway.identity.tokens import BadToken, TokenVerifier, UnknownKey, Verified
from serving.gateway.policy import Client
from serving.gateway.refusal import ISSUER_KEYS_UNAVAILABLE, UNAUTHENTICATED

# No key of ours is longer; a megabyte in the header need not be hashed.
_LONGEST_KEY = 512


def authenticate(context: RequestContext) -> Awaitable[None] | None:
    """Fill `context.client`, `key_id` and `subject`, or refuse with the one constant 401.

    A credential in the header is the one that counts: when it is bad, a certificate does not make it good.
    """
    header = context.authorization
    if header is None:
        _by_certificate(context)
        return None
    if header[:7].lower() != b"bearer ":
        raise UNAUTHENTICATED
    credential = header[7:].strip(b" ")
    tokens = context.policy.tokens
    if tokens is not None and credential.count(b".") == 2:
        remembered = tokens.known(credential)
        if remembered is None:
            return _by_token(context, tokens, credential)
        _accept(context, remembered)
        context.subject = remembered.subject
        return None
    key = context.policy.keys.find(credential) if len(credential) <= _LONGEST_KEY else None
    if key is None:
        raise UNAUTHENTICATED
    _accept(context, key)
    return None


def _by_certificate(context: RequestContext) -> None:
    names = context.policy.certificates
    owner = names.find(context.connection.peer_names()) if names is not None and context.connection else None
    if owner is None:
        raise UNAUTHENTICATED
    _accept(context, owner)
    context.subject = owner.name


def _by_token(context: RequestContext, tokens: TokenVerifier[Client], credential: bytes) -> Awaitable[None] | None:
    """The first time a token is seen. Waits only when the issuer's keys must be asked for."""
    try:
        verified = tokens.verify(credential)
    except BadToken:
        raise UNAUTHENTICATED from None
    except UnknownKey as unknown:
        if unknown.keys.may_have(unknown.key_id):
            return _after_asking_again(context, tokens, credential, unknown)
        raise _not_found(unknown) from None
    _accept(context, verified)
    context.subject = verified.subject
    return None


async def _after_asking_again(
    context: RequestContext, tokens: TokenVerifier[Client], credential: bytes, unknown: UnknownKey
) -> None:
    await unknown.keys.ask_again(unknown.key_id)
    try:
        verified = tokens.verify(credential)
    except BadToken:
        raise UNAUTHENTICATED from None
    except UnknownKey as still:
        raise _not_found(still) from None
    _accept(context, verified)
    context.subject = verified.subject


def _not_found(unknown: UnknownKey) -> Exception:
    # Without any key of the issuer nobody can say whether the token is good: that is no 401.
    return UNAUTHENTICATED if unknown.keys.loaded else ISSUER_KEYS_UNAVAILABLE


def _accept(context: RequestContext, by: ApiKey[Client] | Verified[Client] | CertificateOwner[Client]) -> None:
    context.client = by.client
    context.client_name = by.client.name
    context.key_id = by.id
