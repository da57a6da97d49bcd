"""Whose tokens are accepted beside API keys, and which clients they are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from infra.gateway.address import HttpsUrl
from infra.gateway.secret import AbsolutePath
from infra.settings import Settings

Claim = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class ClaimRuleSettings(Settings):
    """Which tokens belong to which client."""

    claim: Claim = Field(description="Name of the claim, such as `azp` or `groups`.")
    matches: str = Field(
        pattern=r"^[^*]*\*?[^*]*$",
        min_length=1,
        max_length=1024,
        description="Its value; one `*` stands for any text.",
    )
    client: Claim = Field(description="The client of this deployment that such a token is.")


class IssuerSettings(Settings):
    """One issuer of JSON Web Tokens, such as an OpenID Connect provider."""

    issuer: Claim = Field(description="The `iss` claim, exactly.")
    audience: list[Claim] = Field(min_length=1, description="Accepted `aud` claims.")
    jwks_url: HttpsUrl | None = Field(
        default=None, description="Where its public keys are; https only. Either this or `jwks_file`."
    )
    jwks_file: AbsolutePath | None = Field(
        default=None, description="Its public keys (a JWKS) in a file on the machine that serves."
    )
    ca_file: AbsolutePath | None = Field(
        default=None, description="Authorities to trust for `jwks_url`, a PEM file; unset, the system's."
    )
    algorithms: list[
        Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
    ] = Field(
        default=["RS256"],
        min_length=1,
        description="Accepted signature algorithms; public-key ones only.",
    )
    leeway_seconds: float = Field(default=30, ge=0, le=300, description="Tolerated difference of clocks, in seconds.")
    clients: list[ClaimRuleSettings] = Field(
        min_length=1, description="Rules from claims to clients; the first counts."
    )
    required_claims: list[Claim] = Field(
        default_factory=list, max_length=32, description="Claims without which a token is refused."
    )
    subject_claim: Claim = Field(default="sub", description="The claim that the audit names a person by.")
    revoked_token_ids: list[Claim] = Field(
        default_factory=list, description="`jti` claims of tokens that are refused although not yet expired."
    )
    revoked_subjects: list[Claim] = Field(
        default_factory=list, description="Subjects whose tokens are refused, whatever else they say."
    )
    refresh_seconds: float = Field(
        default=300, ge=1, le=86_400, description="How often the keys are asked for again, in seconds."
    )
    refetch_seconds: float = Field(
        default=10, ge=1, le=86_400, description="Least time between two asks for an unknown key, in seconds."
    )
    stale_seconds: float = Field(
        default=86_400, ge=1, le=31_536_000, description="How long known keys count while new ones cannot be had."
    )

    @model_validator(mode="after")
    def _one_place_of_keys(self) -> IssuerSettings:
        if (self.jwks_url is None) == (self.jwks_file is None):
            raise PydanticCustomError(
                "slipway",
                "{found}",
                {
                    "found": "neither `jwks_url` nor `jwks_file`"
                    if self.jwks_url is None
                    else "both `jwks_url` and `jwks_file`",
                    "allowed": "one of them: where the issuer's public keys are",
                    "remedy": "name the issuer's `jwks_uri` as `jwks_url`",
                },
            )
        return self
