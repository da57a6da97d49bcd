"""Certificates of clients: whether the files are there that the load balancer is to read."""

from __future__ import annotations

from collections.abc import Iterator

from infra.doctor.finding import Finding, missing, ok
from infra.platforms.aws.account import Account, Unanswered
from infra.platforms.aws.client_authority import StoredObject
from infra.platforms.aws.site_plan import AwsSitePlan

# Of an answer without a body AWS tells only the number. 403 is also what it says of a file that is not there to whoever
# may not list the bucket (S3 API reference, HeadObject, read 2026-11).
NOT_THERE = ("404", "403", "400", "NoSuchKey", "NoSuchVersion")


def check(account: Account, details: AwsSitePlan) -> Iterator[Finding]:
    """Each file that is named; nothing where none is."""
    known = details.front_door.client_authority
    if known is None:
        return
    yield _found(account, known.bucket, known.authorities)
    if known.revoked:
        yield _found(account, known.bucket, known.revoked)


def _found(account: Account, bucket: str, file: StoredObject) -> Finding:
    what = f"s3://{bucket}/{file.key}"
    version = {"VersionId": file.version} if file.version else {}
    try:
        answer = account.ask("s3", "head_object", Bucket=bucket, Key=file.key, **version)
    except Unanswered as answer:
        if answer.code not in NOT_THERE:
            raise
        return missing(what, "no file that may be read here", "put it there, or correct `client_authority`")
    return ok(what, f"{answer['ContentLength']} bytes")
