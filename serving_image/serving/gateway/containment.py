"""What is blocked in an incident: a file beside the configuration that no deployment writes, so that none undoes it.

Whoever handles the incident owns it (`python -m infra contain`). It is looked at every few seconds; while it is not
there nothing is blocked. What cannot be understood is refused as a configuration is: it never means "nothing".
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from serving.gateway.refusal import Refusal, four_parts
from serving.gateway.strict import Strict, problem, without_values

KINDS = ("clients", "keys", "models", "routes", "places")
Names = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=512)], ...], Meta(max_length=10_000)]


class Contained(Strict, frozen=True):
    """Names of each kind; one that is not known here blocks nothing. `keys` are credentials as the audit names them,
    `routes` are `MODEL/ROUTE`, `places` are boundaries that no request may go to."""

    clients: Names = ()
    keys: Names = ()
    models: Names = ()
    routes: Names = ()
    places: Names = ()


NOTHING = Contained()

# The same words for both: whoever holds a stolen key learns nothing from them.
SUSPENDED = Refusal(
    403,
    "access_suspended",
    four_parts(
        "authorization header",
        "a key whose use is suspended",
        "a key in use",
        "Ask the gateway's operator.",
    ),
    kind="permission_error",
)
MODEL_SUSPENDED = Refusal(
    503,
    "model_suspended",
    four_parts(
        "model",
        "a model whose use is suspended",
        "the others that are listed by GET /v1/models",
        "Use another one, or ask the gateway's operator when it is back.",
    ),
    kind="api_error",
    param="model",
)


def read_contained(file: Path | None, problems: list[str]) -> Contained:
    """The content of the file; nothing where there is none."""
    if file is None:
        return NOTHING
    try:
        return msgspec.json.decode(file.read_bytes(), type=Contained)
    except FileNotFoundError:
        return NOTHING
    except OSError as error:
        found = error.strerror or type(error).__name__
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = f"a problem ({without_values(str(error))})"
    remedy = "Write it with `python -m infra contain`, or remove it to block nothing."
    problems.append(problem(f"{file}", found, f"JSON with lists of names: {', '.join(KINDS)}", remedy))
    return NOTHING


def digest_of_contained(file: Path) -> str | None:
    """Another one whenever it is another; none there is a content too. None while it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except FileNotFoundError:
        return "nothing"
    except OSError:
        return None
