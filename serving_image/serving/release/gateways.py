"""Reads what gateways counted: every address that a name has is one of them."""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from serving.release.counting import Reading
from serving.release.state import Counts, VersionCounts

_SECONDS = 5.0
_LARGEST = 16 * 1024 * 1024
_PREFIX = "slipway_gateway_"
Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


class Fleet:
    """What all gateways said at one look; None of those that did not answer."""

    def __init__(self, answers: Mapping[str, Samples | None]) -> None:
        self._answers = answers

    @property
    def silent(self) -> int:
        return sum(samples is None for samples in self._answers.values())

    def of(self, model: str, candidate: str) -> list[Reading]:
        """Those that answered, about one model. One that knows of no release has none."""
        return [
            _reading(address, samples, model, candidate)
            for address, samples in sorted(self._answers.items())
            if samples is not None
        ]


def fleet(origins: Iterable[str]) -> Fleet:
    """Asks each. A name that cannot be resolved is a gateway that does not answer."""
    return Fleet({address: _asked(address) for origin in origins for address in _addresses(origin)})


def _addresses(origin: str) -> list[str]:
    parts = urlsplit(origin)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
    except OSError:
        return [origin]
    hosts = sorted({str(entry[4][0]) for entry in found})
    return [f"http://{f'[{host}]' if ':' in host else host}:{parts.port or 80}" for host in hosts]


def _asked(address: str) -> Samples | None:
    # Inside a cluster and on one machine: no proxy has anything to do with it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address}/metrics", timeout=_SECONDS) as answer:
            text = answer.read(_LARGEST).decode()
        families = text_string_to_metric_families(text)
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }
    except (OSError, ValueError, http.client.HTTPException, urllib.error.URLError):
        return None


def _reading(address: str, samples: Samples, model: str, candidate: str) -> Reading:
    release, percent = "", 0.0
    for (name, labels), value in samples.items():
        said = dict(labels)
        if name == f"{_PREFIX}release_percent" and said.get("model") == model:
            release, percent = said.get("release", ""), value
    reachable = samples.get((f"{_PREFIX}model_reachable", frozenset({("model", candidate)})), 0.0)
    return Reading(
        address=address,
        started=samples.get(("process_start_time_seconds", frozenset()), 0.0),
        release=release,
        percent=percent,
        candidate_reachable=bool(reachable),
        counts=Counts(stable=_version(samples, model, "stable"), candidate=_version(samples, model, "candidate")),
    )


def _version(samples: Samples, model: str, version: str) -> VersionCounts:
    def counted(name: str, result: str) -> int:
        labels = frozenset({("model", model), ("version", version), ("result", result)})
        return int(samples.get((f"{_PREFIX}{name}_total", labels), 0.0))

    return VersionCounts(
        good=counted("release_answers", "good"),
        failed=counted("release_answers", "failed"),
        in_time=counted("release_first_tokens", "in_time"),
        late=counted("release_first_tokens", "late"),
        waited=_waited(samples, model, version),
    )


def _waited(samples: Samples, model: str, version: str) -> tuple[int, ...]:
    """First tokens between one bound and the next; nothing where there were none."""
    own, below = {("model", model), ("version", version)}, 0
    upto = [
        (float(dict(labels)["le"]), int(value))
        for (name, labels), value in samples.items()
        if name == f"{_PREFIX}release_first_token_seconds_bucket" and own <= labels
    ]
    found: list[int] = []
    for _, count in sorted(upto):
        found.append(count - below)
        below = count
    return tuple(found)
