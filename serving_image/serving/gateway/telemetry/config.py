"""The `telemetry` part of the configuration file: how finely metrics tell clients apart, and where traces go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from serving.gateway.identity.config import is_safe_url
from serving.gateway.strict import Strict, path_shown, problem

Count = Annotated[int, Meta(ge=1)]


class TracesConfig(Strict, frozen=True):
    """Spans to an OTLP/HTTP collector, as JSON. `ratio` of the requests that no trace began for are sampled; where one
    did (traceparent), its own decision counts, unless `parent` says to ignore it."""

    url: str
    ratio: Annotated[float, Meta(ge=0, le=1)] = 0.01
    parent: Literal["follow", "ignore"] = "follow"
    # The value of the Authorization header for the collector.
    authorization_file: str | None = None
    service_name: Annotated[str, Meta(min_length=1, max_length=128)] = "slipway-gateway"
    # Requests whose spans wait for the collector; one more is dropped and counted.
    queue: Annotated[int, Meta(ge=1, le=100_000)] = 2048


class TelemetryConfig(Strict, frozen=True):
    """`clients` is how many clients have a label of their own in metrics; all others are counted as `other`."""

    clients: Annotated[int, Meta(ge=0, le=10_000)] = 100
    traces: TracesConfig | None = None


def check_telemetry(where: str, telemetry: TelemetryConfig, problems: list[str]) -> None:
    """Add a line for everything that types alone cannot tell."""
    traces = telemetry.traces
    if traces is None:
        return
    if not is_safe_url(traces.url) and not traces.url.startswith("http://"):
        problems.append(
            problem(
                f"{where}.traces.url",
                "something else",
                "the http or https address of an OTLP/HTTP collector, such as http://127.0.0.1:4318/v1/traces",
                "Give the whole address with its path.",
            )
        )
    if traces.authorization_file is not None:
        try:
            good = read_authorization(traces.authorization_file).isprintable()
        except (OSError, UnicodeDecodeError):
            good = False
        if not good:
            problems.append(
                problem(
                    f"{where}.traces.authorization_file",
                    f"nothing usable in {path_shown(traces.authorization_file)}",
                    "a readable file with one line of printable ASCII",
                    "Write the header's value there.",
                )
            )


def read_authorization(file: str) -> str:
    """The header's value. Raises OSError or UnicodeDecodeError."""
    return Path(file).read_text(encoding="ascii").strip()
