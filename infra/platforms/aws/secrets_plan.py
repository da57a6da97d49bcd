"""Secrets of Secrets Manager that gateways of a site on AWS read: by exact ARN, with their own role."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.plan.client_keys import ClientKeySource, KeysByDriver
from infra.problems import Problem

PROVIDER = "aws"
POD_IDENTITY = "usePodIdentity"
SECRET_ARN = re.compile(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+")


def secrets_read(*sources: ClientKeySource) -> tuple[str, ...]:
    """ARNs of those that the driver mounts into the gateways."""
    ours = [source for source in sources if isinstance(source, KeysByDriver) and source.provider == PROVIDER]
    found = [arn for source in ours for text in source.parameters.values() for arn in SECRET_ARN.findall(text)]
    return tuple(dict.fromkeys(found))


def secrets_problems(where: str, keys: ClientKeySource) -> Iterator[Problem]:
    """What the driver could not read: it asks with the gateways' role, which names each secret."""
    if not isinstance(keys, KeysByDriver) or keys.provider != PROVIDER:
        return
    if keys.parameters.get(POD_IDENTITY) != "true":
        yield Problem(
            where=f"{where}.parameters",
            found=f"`{POD_IDENTITY}: {keys.parameters[POD_IDENTITY]}`"
            if POD_IDENTITY in keys.parameters
            else f"no `{POD_IDENTITY}`",
            allowed=f'`{POD_IDENTITY}: "true"`: gateways have a role by Pod Identity and no other',
            remedy="write it so",
        )
    if not secrets_read(keys):
        yield Problem(
            where=f"{where}.parameters.objects",
            found="no ARN of a secret",
            allowed="each secret by its ARN: the gateways' role names exactly these",
            remedy="write `objectName: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX`",
        )
