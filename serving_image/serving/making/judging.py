"""Whether a version is good enough beside the original, and what is kept of the comparison."""

from __future__ import annotations

from serving.making.config import MakingConfig
from serving.making.measured import Measured
from serving.making.same import same_percent
from serving.trials.record import Verdict


def figures(original: Measured, result: Measured) -> dict[str, float]:
    """What a person compares."""
    return {
        "right_percent_original": original.right_percent,
        "right_percent_result": result.right_percent,
        "same_percent": same_percent(original.continuations, result.continuations),
        "bytes_original": float(original.bytes),
        "bytes_result": float(result.bytes),
        "size_percent": round(100 * result.bytes / original.bytes, 2),
    }


def verdicts(config: MakingConfig, original: Measured, result: Measured) -> list[Verdict]:
    """What had to hold."""
    lost = round(original.right_percent - result.right_percent, 2)
    found = [
        Verdict(
            what="right answers lost, of a hundred, at most",
            measured=lost,
            allowed=config.at_most_loss_percent,
            kept=lost <= config.at_most_loss_percent,
        )
    ]
    if config.at_least_right_percent is not None:
        found.append(
            Verdict(
                what="right answers, of a hundred, at least",
                measured=result.right_percent,
                allowed=config.at_least_right_percent,
                kept=result.right_percent >= config.at_least_right_percent,
            )
        )
    if config.at_least_same_percent is not None:
        same = same_percent(original.continuations, result.continuations)
        found.append(
            Verdict(
                what="goes on alike, of a hundred places, at least",
                measured=same,
                allowed=config.at_least_same_percent,
                kept=same >= config.at_least_same_percent,
            )
        )
    return found
