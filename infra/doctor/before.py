"""What would end a deployment halfway, such as a kind that a cluster does not know: asked before anything is made."""

from __future__ import annotations

from infra.doctor.finding import Doctor, State
from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.types import DeploymentPlan
from infra.platforms import PLATFORMS
from infra.problems import Problem, Refused
from infra.registry import load_object


def refuse_halfway(plan: DeploymentPlan) -> None:
    """Raises Refused with everything that is missing. What cannot be asked is left to the deployment itself."""
    problems: list[Problem] = []
    for name in plan.deployed_sites:
        reference = PLATFORMS[plan.sites[name].platform].doctor
        if reference is None:
            continue
        doctor: Doctor = load_object(reference)
        problems += [
            Problem(
                where=dotted(DEPLOYMENT_KEY, ("sites", name, "platform")),
                found=f"{row.what}: {row.found}",
                allowed="a place that knows every kind of object that this stack makes",
                remedy=f"{row.remedy}; `make doctor STACK={plan.stack}` shows all that it lacks",
            )
            for row in doctor.before(name, plan.sites[name])
            if row.state is State.MISSING
        ]
    if problems:
        raise Refused(f"what the stack `{plan.stack}` is deployed to", problems)
