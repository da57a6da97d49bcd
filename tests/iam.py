"""What policies of AWS allow, and by which of it somebody could give himself more: own, small, and for any document.

The ways up are those of "AWS IAM Privilege Escalation Methods" (Rhino Security Labs) and of Principal Mapper's edges,
from memory, 2026-11. `allows` knows the operators that policies here use, and refuses to guess at others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]
Statement = Mapping[str, Any]
Context = Mapping[str, str]

# Whoever may do one of these has, or soon has, the rights of somebody else. No policy needs them.
NEVER = (
    *("iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeletePolicy", "iam:CreatePolicy"),
    *("iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile", "iam:UpdateAccessKey"),
    *("iam:CreateUser", "iam:AttachUserPolicy", "iam:PutUserPolicy", "iam:AddUserToGroup", "iam:AttachGroupPolicy"),
    *("iam:PutGroupPolicy", "iam:DeleteRolePermissionsBoundary", "iam:DeleteUserPermissionsBoundary"),
    *("iam:PutUserPermissionsBoundary", "iam:CreateServiceSpecificCredential", "iam:ResetServiceSpecificCredential"),
    *("iam:CreateSAMLProvider", "iam:UpdateSAMLProvider", "iam:CreateOpenIDConnectProvider"),
    *("iam:UpdateOpenIDConnectProviderThumbprint", "iam:AddClientIDToOpenIDConnectProvider"),
    *("iam:DeactivateMFADevice", "iam:DeleteVirtualMFADevice", "sts:AssumeRole", "sts:GetFederationToken"),
    *("lambda:CreateFunction", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"),
    *("lambda:InvokeFunction", "lambda:AddPermission", "lambda:CreateEventSourceMapping"),
    *("cloudformation:CreateStack", "cloudformation:UpdateStack", "cloudformation:CreateChangeSet"),
    *("ssm:SendCommand", "ssm:StartSession", "ssm:CreateAssociation", "ec2-instance-connect:SendSSHPublicKey"),
    *("glue:CreateDevEndpoint", "glue:UpdateDevEndpoint", "glue:CreateJob", "glue:UpdateJob"),
    *("datapipeline:CreatePipeline", "sagemaker:CreateNotebookInstance", "sagemaker:CreateTrainingJob"),
    *("sagemaker:CreatePresignedNotebookInstanceUrl", "codebuild:CreateProject", "codebuild:UpdateProject"),
    *("codebuild:StartBuild", "codestar:CreateProject", "ecs:RunTask", "ecs:RegisterTaskDefinition"),
    *("states:CreateStateMachine", "events:PutTargets", "batch:SubmitJob", "apprunner:CreateService"),
    *("organizations:LeaveOrganization", "account:CloseAccount", "ec2:ReplaceIamInstanceProfileAssociation"),
    *("ec2:AssociateIamInstanceProfile", "ec2:ModifyInstanceAttribute", "autoscaling:CreateLaunchConfiguration"),
)
# These make or change roles: only within a boundary, and only those that are called alike.
BOUNDED = (
    *("iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:DetachRolePolicy", "iam:DeleteRolePolicy"),
    "iam:PutRolePermissionsBoundary",
)
# Roles that are called alike are bounded, since nobody can make another.
NAMED = ("iam:UpdateAssumeRolePolicy", "iam:DeleteRole", "iam:TagRole", "iam:UntagRole", "iam:UpdateRole")
PASS, LINKED = "iam:PassRole", "iam:CreateServiceLinkedRole"
ROLE_BEGINS = re.compile(r"^arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9_-]{8,}\*?$")
LINKED_ROLE = re.compile(r"^arn:aws:iam::[0-9]{12}:role/aws-service-role/\*$")


def listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, str | Mapping) else list(value)


def statements(document: Document) -> list[Statement]:
    return listed(document["Statement"])


def matches(pattern: str, value: str) -> bool:
    """As IAM does: `*` and `?`, and nothing else."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), value, re.DOTALL) is not None


def names(statement: Statement, action: str) -> bool:
    return any(matches(one.lower(), action.lower()) for one in listed(statement.get("Action", ())))


def escalations(document: Document, *, is_boundary: bool = False) -> Iterator[str]:
    """Every way up that a document leaves. A boundary gives nothing: there, only what would free somebody of it."""
    for one in statements(document):
        if one["Effect"] != "Allow":
            continue
        for inverted in ("NotAction", "NotResource", "NotPrincipal"):
            if inverted in one:
                yield f"`{inverted}` allows whatever it does not name"
        own_key = one.get("Principal", {}) != {} and one.get("Resource") == ["*"]
        for action in NEVER:
            harmless = is_boundary and action.startswith(("ec2:", "elasticloadbalancing:"))
            if names(one, action) and not own_key and not harmless and "Principal" not in one:
                yield f"allows {action}"
        for action in (*BOUNDED, *NAMED, PASS, LINKED):
            if names(one, action):
                yield from _loose(action, one, is_boundary)
        yield from _anybody(one)


def _loose(action: str, one: Statement, is_boundary: bool) -> Iterator[str]:
    conditions, resources = one.get("Condition", {}), listed(one.get("Resource", ()))
    shape = LINKED_ROLE if action == LINKED else ROLE_BEGINS
    for resource in resources:
        if not shape.match(resource):
            yield f"allows {action} on `{resource}`"
    exact = conditions.get("StringEquals", {})
    if action in BOUNDED and "*" in "".join(listed(exact.get("iam:PermissionsBoundary", "*"))):
        yield f"allows {action} without a boundary"
    if action == PASS and not is_boundary and "*" in "".join(listed(exact.get("iam:PassedToService", "*"))):
        yield "allows a role to be handed to any service"
    if action == LINKED and "iam:AWSServiceName" not in exact:
        yield "allows roles of any service"


def _anybody(one: Statement) -> Iterator[str]:
    """Who may take a role, or reach a thing, by its own policy."""
    principal, conditions = one.get("Principal"), one.get("Condition", {})
    if principal is None:
        return
    if principal == "*" or "*" in [each for group in principal.values() for each in listed(group)]:
        one_role = conditions.get("StringEquals", {}).get("aws:PrincipalArn", "*")
        if not isinstance(one_role, str) or "*" in one_role:
            yield "allows everybody"
    elif "Federated" in principal:
        exact = {key.rpartition(":")[2]: value for key, value in conditions.get("StringEquals", {}).items()}
        for claim in ("aud", "sub"):
            if not isinstance(exact.get(claim), str) or "*" in exact[claim]:
                yield f"lets tokens in whatever their `{claim}` is"
        if set(conditions) - {"StringEquals"}:
            yield "compares claims other than as a whole"


def allows(documents: Iterable[Document], action: str, resource: str, context: Context | None = None) -> bool:
    """Whether these policies of one role, together, let it do that."""
    held = [one for document in documents for one in statements(document)]
    applies = [one for one in held if names(one, action) and _on(one, resource) and _holds(one, context or {})]
    return any(one["Effect"] == "Allow" for one in applies) and not any(one["Effect"] == "Deny" for one in applies)


def _on(one: Statement, resource: str) -> bool:
    return any(matches(pattern, resource) for pattern in listed(one["Resource"]))


def _holds(one: Statement, context: Context) -> bool:
    return all(
        _compared(operator, context.get(key), [str(v) for v in listed(wanted)])
        for operator, keys in one.get("Condition", {}).items()
        for key, wanted in keys.items()
    )


def _compared(operator: str, found: str | None, wanted: Sequence[str]) -> bool:
    if operator == "Null":
        return (found is None) == (wanted[0] == "true")
    if operator.endswith("IfExists"):
        return found is None or _compared(operator.removesuffix("IfExists"), found, wanted)
    if operator == "StringNotEquals":
        return found not in wanted
    if found is None:
        return False
    if operator in ("StringEquals", "Bool"):
        return found in wanted
    if operator in ("StringLike", "ArnLike", "ArnEquals"):
        return any(matches(pattern, found) for pattern in wanted)
    raise AssertionError(f"{operator}: nobody here knows what it does")
