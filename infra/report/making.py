"""What versions are to be made of the models, and what must hold of them."""

from __future__ import annotations

from infra.plan.making_types import MakingPlan
from infra.plan.types import DeploymentPlan
from infra.report.section import Section, Table

# By sort: what makes it on this machine, or starts the job that does.
BY = {"optimisation": "`make optimise`", "refresh": "`make refresh`"}


def making(plan: DeploymentPlan) -> Section | None:
    """One row each."""
    if not plan.makings:
        return None
    rows = [
        (
            one.model,
            one.version,
            how(one.kind, one.work.quantization),
            one.evaluation,
            "; ".join(one.holds),
            f"newest {one.keep_versions}",
            where(one),
        )
        for one in plan.makings.values()
    ]
    return Section(
        name="making",
        title="Versions to make",
        note="measured beside the original; registered only if it holds",
        tables=(Table(header=("model", "version", "made", "evaluation", "must hold", "kept", "by"), rows=rows),),
    )


def how(kind: str, quantization: str | None) -> str:
    """The kind, and what it makes."""
    return f"{kind}, {quantization.removeprefix('gguf-')}" if quantization else kind


def where(one: MakingPlan) -> str:
    """Who runs it."""
    if one.work.image is None:
        return BY[one.sort]
    return f"a job, {one.work.schedule}, and {BY[one.sort]}" if one.work.schedule else f"a job of {BY[one.sort]}"
