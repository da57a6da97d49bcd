"""Sources of weights that a place cannot read: a bucket asks who comes, and not every place gives its pods a name; and
weights that an engine would read out of a bucket, which are in none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.config import ModelSettings
from infra.platforms.base import Abilities
from infra.problems import Problem, listing
from infra.sources import SOURCES
from infra.sources.base import SourceSettings


def reads_a_bucket(settings: ModelSettings) -> bool:
    """Whether any of its weights are in one."""
    return any(SOURCES[source.kind].in_a_bucket for _, source in _sources(settings))


def source_problems(where: str, settings: ModelSettings, sites: Mapping[str, Abilities]) -> Iterator[Problem]:
    """A model's own, and those of its adapters and its draft."""
    for field, source in _sources(settings):
        for site, able in sites.items():
            if SOURCES[source.kind].in_a_bucket and not able.reads_buckets:
                others = listing(kind for kind, known in SOURCES.items() if not known.in_a_bucket)
                yield Problem(
                    where=f"{where}.{field}.kind",
                    found=f"`{source.kind}`, on the site `{site}`, whose engines have no identity that a bucket knows",
                    allowed=f"a bucket on AWS, where each engine has a role; there: {others}",
                    remedy="place the model on AWS only, or name another source",
                )


def streams(settings: ModelSettings) -> bool:
    """Whether its engine reads its weights out of a bucket, as those that can are told to."""
    return getattr(settings.engine, "stream_weights", False)


def stream_problems(where: str, settings: ModelSettings, sites: Mapping[str, Abilities]) -> Iterator[Problem]:
    """Weights that are in no bucket which the engine itself could read."""
    for site, able in sites.items():
        if not streams(settings) or (able.reads_buckets and (able.keeps_weights or reads_a_bucket(settings))):
            continue
        why = "whose replicas get them from their hub" if able.reads_buckets else "whose engines read no bucket"
        yield Problem(
            where=f"{where}.engine.stream_weights",
            found=f"true, on the site `{site}`, {why}",
            allowed="weights in a bucket on AWS: that of the site (`weights_from: bucket`), or one's own "
            "(`source: {kind: s3}`)",
            remedy="remove it, or place the model where such a bucket is",
        )


def _sources(settings: ModelSettings) -> Iterator[tuple[str, SourceSettings]]:
    yield "source", settings.source
    for name, adapter in settings.adapters.items():
        yield f"adapters.{name}.source", adapter.source
    if settings.speculative and settings.speculative.draft:
        yield "speculative.draft", settings.speculative.draft
