"""Where gateways of a site on AWS find what they show to others: in the stack, or in Secrets Manager."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from infra.plan.client_keys import KEYS_OF_STACK, KeysByDriver, KeysOfStack
from infra.platforms.aws.secrets_plan import POD_IDENTITY, PROVIDER
from infra.problems import Problem, did_you_mean, listing
from infra.settings import Name, Settings

SecretArn = Annotated[
    str,
    StringConstraints(
        pattern=r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}$"
    ),
    Field(json_schema_extra={"x-remedy": "write the secret's whole ARN, with the six characters that AWS adds"}),
]


class SecretsOfStackSettings(Settings):
    """The stack's own."""

    kind: Literal["stack"] = Field(description="Those of `slipway:gateway_secrets`, which are in the stack's state.")


class SecretsOfStoreSettings(Settings):
    """Secrets of Secrets Manager, which neither the stack nor the cluster ever holds."""

    kind: Literal["store"] = Field(
        description="Mounted from Secrets Manager by the Secrets Store CSI driver, never kept in the stack's state or "
        "in the cluster. `slipway:gateway_secrets` is not asked for them."
    )
    secrets: dict[Name, SecretArn] = Field(
        min_length=1,
        description="By the name that the deployment gives it, the ARN of each; its value is the secret and nothing "
        "else. A new value reaches running gateways within some minutes. Where it has a key of its own, that key must "
        "let the gateways' role decrypt.",
    )


GatewaySecretsSettings = Annotated[SecretsOfStackSettings | SecretsOfStoreSettings, Field(discriminator="kind")]


def secrets_source(settings: GatewaySecretsSettings, region: str) -> KeysOfStack | KeysByDriver:
    """A file for each secret by its name, read with the gateways' own role."""
    if isinstance(settings, SecretsOfStackSettings):
        return KEYS_OF_STACK
    objects = [{"objectName": arn, "objectAlias": name} for name, arn in sorted(settings.secrets.items())]
    parameters = {POD_IDENTITY: "true", "region": region, "objects": json.dumps(objects, indent=2)}
    return KeysByDriver(provider=PROVIDER, parameters=parameters)


def gateway_secrets_problems(
    where: str, settings: GatewaySecretsSettings, region: str, wanted: Sequence[str]
) -> Iterator[Problem]:
    """A store that has not exactly what gateways read, or has it elsewhere."""
    if isinstance(settings, SecretsOfStackSettings):
        return
    for name in wanted:
        if name not in settings.secrets:
            yield Problem(
                where=f"{where}.secrets.{name}",
                found="nothing",
                allowed="the ARN of a secret: the deployment names it",
                remedy="add it: with `kind: store` no secret of a gateway comes from the stack",
            )
    for name, arn in settings.secrets.items():
        if name not in wanted:
            yield Problem(
                where=f"{where}.secrets.{name}",
                found="a secret that nothing names",
                allowed=listing(wanted),
                remedy=did_you_mean(name, wanted, "remove it"),
            )
        if (of := arn.split(":")[3]) != region:
            yield Problem(
                where=f"{where}.secrets.{name}",
                found=f"a secret of `{of}`",
                allowed=f"secrets of the site's own region, `{region}`: the site is to start without any other",
                remedy="replicate the secret to that region, and write the replica's ARN",
            )
