"""What is tried on a model that serves: whether its answers are right, and whether it holds its objective under load.

A kind is a file and a line here. Each is declared with the model, planned without a cloud, and run by
`serving.trials`, or by a well-kept tool whose results that judges.
"""

from infra.registry import Registry
from infra.trials.base import TrialKind

EVALUATIONS: Registry[TrialKind] = Registry(
    name="evaluations",
    builtin={
        "prompts": "infra.trials.prompts:PROMPTS",
        "lm_evaluation_harness": "infra.trials.lm_evaluation_harness:LM_EVALUATION_HARNESS",
    },
)
LOAD_TESTS: Registry[TrialKind] = Registry(
    name="load_tests",
    builtin={
        "requests": "infra.trials.requests:REQUESTS",
        "trace": "infra.trials.trace:TRACE",
        "guidellm": "infra.trials.guidellm:GUIDELLM",
    },
)
