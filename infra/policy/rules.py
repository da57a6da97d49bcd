"""Every rule. All are mandatory: what breaks one is not deployed."""

from __future__ import annotations

from infra.policy.cloud_rules import CLOUD_RULES
from infra.policy.cloud_run_rules import CLOUD_RUN_RULES
from infra.policy.google_rules import GOOGLE_RULES
from infra.policy.object_rules import OBJECT_RULES
from infra.policy.pod_rules import POD_RULES
from infra.policy.rule import Rule, StackRule
from infra.policy.stack_rules import STACK_RULES

RULES: tuple[Rule | StackRule, ...] = (
    *POD_RULES,
    *OBJECT_RULES,
    *STACK_RULES,
    *CLOUD_RULES,
    *GOOGLE_RULES,
    *CLOUD_RUN_RULES,
)
