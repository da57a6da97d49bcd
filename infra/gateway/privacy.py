"""What is private: kinds of personal data, and what happens to them in requests and answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from infra.gateway.address import Url
from infra.gateway.guardrails import LinearPattern
from infra.gateway.secret import AbsolutePath, SecretSettings
from infra.settings import Name, Settings

Mode = Literal["off", "tokenise", "mask", "block"]
# Becomes a placeholder's label, and so a part of what a stream holds back.
KindName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,23}$"),
    Field(description="A kind of personal data: 2 to 24 of a-z, 0-9 and `_`, beginning with a letter."),
]
# What the gateway finds by itself; a contract test holds this against the gateway's own list.
PRIVACY_KINDS = (
    *("email", "phone", "card", "iban", "ip", "secret"),
    *("us_ssn", "de_steuer_id", "uk_nino", "es_dni", "fr_nir", "it_codice_fiscale", "nl_bsn", "pl_pesel"),
)
# The gateway's own word for a client's text that looks like a placeholder.
RESERVED_KIND = "text"


class PrivacyRuleSettings(Settings):
    """What happens to each kind."""

    mode: Mode = Field(
        default="off",
        description="`tokenise` puts placeholders in and the values back into the answer, `mask` only takes them out, "
        "`block` refuses the request.",
    )
    kinds: dict[str, Mode] = Field(
        default_factory=dict, max_length=256, description="Another mode for some kinds, such as `ip: off`."
    )


class ClientPrivacySettings(PrivacyRuleSettings):
    """What happens to personal data and secrets in a client's requests."""

    boundaries: dict[Name, PrivacyRuleSettings] = Field(
        default_factory=dict,
        max_length=64,
        description="Rules for what may leave to a boundary, by boundary. Where several apply, the strictest counts.",
    )
    scan_output: Literal["off", "mask", "block"] = Field(
        default="off", description="What happens to personal data that the model itself writes."
    )
    media: Literal["refuse", "allow"] = Field(
        default="refuse", description="Images, sound and files cannot be scanned; `allow` lets them pass all the same."
    )


class NamesSettings(Settings):
    """A list of names: people, projects, customers."""

    file: AbsolutePath = Field(
        description="Absolute path of a text file on the machine that serves, a name per line; read at every reload."
    )
    ignore_case: bool = Field(default=True, description="Whether `ada lovelace` is Ada Lovelace too.")


class RecogniserSettings(Settings):
    """A recogniser of your own, asked over HTTP before a request goes on. Without its answer the request is refused."""

    url: Url = Field(description="Where it is asked, such as http://127.0.0.1:9000/find.")
    kinds: list[KindName] = Field(min_length=1, max_length=32, description="The kinds that it finds.")
    largest_text_bytes: int = Field(default=65_536, ge=1, le=2**30, description="Longest text it is asked about.")
    largest_answer_bytes: int = Field(default=1_048_576, ge=1, le=2**30, description="Longest answer taken from it.")
    seconds: float = Field(default=1.0, ge=0.01, le=60, description="Longest time for its answer, in seconds.")
    concurrent_requests: int = Field(default=8, ge=1, le=1024, description="Questions to it at the same time.")


class PrivacySettings(Settings):
    """What all clients' privacy shares."""

    patterns: dict[KindName, LinearPattern] = Field(
        default_factory=dict, max_length=64, description="Own kinds, by name: a regular expression (RE2) for each."
    )
    names: dict[KindName, NamesSettings] = Field(
        default_factory=dict, max_length=32, description="Own kinds, by name: a list of names for each."
    )
    recogniser: RecogniserSettings | None = Field(
        default=None, description="A recogniser outside the gateway; unset, none is asked."
    )
    key: SecretSettings | None = Field(
        default=None,
        description="What placeholders are made with, 16 to 64 characters: with the same one, several gateways (and "
        "one after a restart) give a value the same placeholder; unset, drawn at every start.",
    )
    largest_text_bytes: int = Field(
        default=4_194_304, ge=1, le=2**30, description="A request with more text is refused."
    )
    scan_milliseconds: float = Field(
        default=500.0, ge=1, le=60_000, description="A request that takes longer to scan is refused, in milliseconds."
    )
    largest_answer_bytes: int = Field(
        default=16_777_216, ge=1, le=2**30, description="A longer answer that is to be scanned is refused."
    )
    output_window_bytes: int = Field(
        default=256, ge=64, le=65_536, description="How much of a stream `scan_output` holds back, to see whole values."
    )
