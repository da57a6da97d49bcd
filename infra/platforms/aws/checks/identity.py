"""Who we are to AWS, and whether that is the account for which the stack was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.doctor.finding import Finding, look, missing, ok
from infra.platforms.aws.account import Unanswered
from infra.platforms.aws.site_plan import AwsSitePlan

SIGN_IN = "sign in, such as by `aws sso login`, or name a profile: `export AWS_PROFILE=NAME`"
REMEDIES: Mapping[str, str] = {
    "credentials": SIGN_IN,
    "network": "see that this machine reaches AWS, and run this again",
    "refused": f"{SIGN_IN}; if that is done, see that the account has the region enabled",
}


def unreached(error: Unanswered) -> Finding:
    """Nobody answered the first question."""
    return missing("credentials", f"AWS does not know who asks: {error}", REMEDIES[error.reason])


def check(account: str, arn: str, details: AwsSitePlan) -> Iterator[Finding]:
    """An ARN that the stack names has its account in it."""
    yield ok("credentials", f"account {account}, as {arn}")
    boundary = details.roles.boundary_arn
    if boundary and (wanted := _account(boundary)) != account:
        yield missing(
            "account",
            f"{account}, but `permissions_boundary` is a policy of {wanted}: no role could be made with it",
            f"sign in to {wanted}, or name a policy of {account}",
        )
    others = {
        "administrators": [arn for arn in details.cluster.administrators if _account(arn) != account],
        "alarm_topics": [arn for arn in details.alarm_topics if _account(arn) != account],
    }
    for field, arns in others.items():
        if arns:
            yield look("account", f"`{field}` is of another: {', '.join(arns)}", f"see that {account} is right")


def _account(arn: str) -> str:
    return arn.split(":")[4]
