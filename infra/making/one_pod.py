"""What a making by a job needs of a model: the job is one pod, which reads the weights from a folder."""

from __future__ import annotations

from collections.abc import Iterator

from infra.making.base import MakingRequest
from infra.problems import Problem


def one_pod_problems(where: str, request: MakingRequest) -> Iterator[Problem]:
    """Models that no such pod can hold or read."""
    if request.accelerator is None:
        yield Problem(
            where=where,
            found="a model without an `accelerator`",
            allowed="a model with GPUs: the job gets as many as one replica",
            remedy="give the model an `accelerator`, or remove it",
        )
    elif request.accelerator.nodes > 1:
        yield Problem(
            where=where,
            found=f"a model over {request.accelerator.nodes} machines",
            allowed="a model that one machine holds: the job is one pod",
            remedy="remove it, or let one machine hold the model",
        )
    if request.streamed:
        yield Problem(
            where=where,
            found="an engine that reads weights out of a bucket by itself",
            allowed="an engine whose weights are a folder, which the tool can read",
            remedy="remove `engine.stream_weights`, or what is made of it",
        )
    if request.in_a_bucket:
        yield Problem(
            where=where,
            found="weights in a bucket, which the job has no identity for",
            allowed="weights that are published, or in a volume or an image of the cluster",
            remedy="name where they are from as `source`, or remove what is made of it",
        )
