"""Optional: NVIDIA's measured operator database (extra `aiconfigurator`). Imported on first use only."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from infra.problems import Problem, Refused
from infra.sizing.types import Memory, Performance, Shape, Workload

_PACKAGE = "aiconfigurator_core"


@dataclass(frozen=True)
class AiConfigurator:
    """Says that it is not there, and how to get it."""

    def refusal(self, shape: Shape, workload: Workload) -> str | None:
        del shape, workload
        if find_spec(_PACKAGE) is None:
            raise Refused(
                "the estimator",
                [
                    Problem(
                        where="--estimator",
                        found="`aiconfigurator`, which is not installed",
                        allowed="`roofline`, `published_fit`, and `aiconfigurator` where its extra is installed",
                        remedy="install this project with the extra `aiconfigurator`, or use `roofline`",
                    )
                ],
            )
        return None

    def estimate(self, shape: Shape, workload: Workload, memory: Memory) -> Performance:
        raise NotImplementedError


AICONFIGURATOR = AiConfigurator()
