"""Deploys the plan of a site on Cloud Run: keys, network, secrets, weights, the service, and what is in front of it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp

from infra.components.client_keys import ClientKey
from infra.components.gateway_image import gateway_image
from infra.plan.in_cluster import GATEWAY
from infra.plan.types import SitePlan
from infra.platforms.base import SiteSecrets
from infra.platforms.cloud_run.component_buckets import Audit, Weights
from infra.platforms.cloud_run.component_fetch import Fetch
from infra.platforms.cloud_run.component_front_door import FrontDoor
from infra.platforms.cloud_run.component_keys import Keys
from infra.platforms.cloud_run.component_network import Network
from infra.platforms.cloud_run.component_secrets import Secrets
from infra.platforms.cloud_run.component_service import Service
from infra.platforms.cloud_run.containers import FetchPlan, SecretFile
from infra.platforms.cloud_run.engine_container import ENGINE_KEY, ENGINE_OPTIONS
from infra.platforms.cloud_run.gateway_container import (
    GATEWAY_FILE,
    filled_in,
    secret_of,
)
from infra.platforms.cloud_run.site_plan import CloudRunSitePlan
from infra.platforms.gcp.component_provider import google_provider


class CloudRunSite(pulumi.ComponentResource):
    """A site on Cloud Run. Owns all of it; the project, and the zone that its name is in, are there."""

    def __init__(
        self, name: str, plan: SitePlan, secrets: SiteSecrets, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:cloud_run:Site", name, None, opts)
        details: CloudRunSitePlan = plan.details
        self._name, self._plan = name, details
        provider = google_provider(
            f"{name}-gcp", project=details.project, region=details.region, labels=details.labels, parent=self
        )
        self._child = pulumi.ResourceOptions(parent=self, providers=[provider])
        self._keys = Keys(
            f"{name}-keys",
            project=details.project,
            region=details.region,
            protected=details.deletion_protection,
            provider=provider,
            opts=self._child,
        )
        # Whoever encrypts with the key needs the right to, and is not told to wait for it by anything else.
        self._encrypted = self._after(*self._keys.granted)
        self._network = Network(
            f"{name}-network",
            cidr=details.egress_cidr,
            ports=details.egress_ports,
            region=details.region,
            opts=self._child,
        )
        account = self._account("run", "The gateway and the engine of a site")
        image = gateway_image(f"{name}-image", details.gateway_build, details.service.containers[0].image, self)
        audit = self._audit(account)
        kept = self._secrets(secrets, account, audit)
        weights = self._weights(secrets, account, image) if details.fetch else None
        service = Service(
            f"{name}-service",
            details.service,
            region=details.region,
            images={one.name: one.image or "" for one in details.service.containers} | {GATEWAY: image},
            account=account.email,
            network=self._network,
            files=kept.kept,
            weights_bucket=weights[0] if weights else None,
            key_id=self._keys.key_id,
            protected=details.deletion_protection,
            opts=self._after(
                *(*self._keys.granted, *kept.granted, self._network),
                *([audit.granted] if audit else ()),
                *(weights[1:] if weights else ()),
            ),
        )
        self.endpoint = service.address
        if details.front_door:
            door = FrontDoor(
                f"{name}-door",
                details.front_door,
                service=service.service,
                region=details.region,
                opts=self._child,
            )
            self.endpoint = door.endpoint
        self.register_outputs({"endpoint": self.endpoint})

    def _after(self, *resources: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=[*resources]))

    def _account(self, use: str, description: str) -> gcp.serviceaccount.Account:
        return gcp.serviceaccount.Account(
            f"{self._name}-{use}", account_id=f"{self._plan.name}-{use}", description=description, opts=self._child
        )

    def _audit(self, writer: gcp.serviceaccount.Account) -> Audit | None:
        details = self._plan
        if details.audit_bucket is None:
            return None
        return Audit(
            f"{self._name}-audit",
            details.audit_bucket,
            region=details.region,
            key_id=self._keys.key_id,
            protected=details.deletion_protection,
            writer=writer.member,
            opts=self._encrypted,
        )

    def _secrets(self, secrets: SiteSecrets, account: gcp.serviceaccount.Account, audit: Audit | None) -> Secrets:
        """Every file of every container, with what only now is known of some."""
        details = self._plan
        files = [file for container in details.service.containers for file in container.files]
        key = ClientKey(
            f"{self._name}-engine-key", client="gateway of engines", opts=pulumi.ResourceOptions(parent=self)
        ).key
        known: Mapping[str, pulumi.Input[str]] = {
            ENGINE_KEY.name: key,
            ENGINE_OPTIONS: pulumi.Output.secret(key).apply(
                lambda made: (details.engine_options or "{key}").replace("{key}", made)
            ),
            GATEWAY_FILE.name: pulumi.Output.all(secrets.key_hashes, audit.bucket if audit else None).apply(
                lambda found: filled_in(details.gateway_config, json.loads(found[0]), found[1])
            ),
            **{
                file.name: pulumi.Output.secret(secrets.gateway_secrets).apply(
                    lambda text, called=called: json.loads(text)[called]
                )
                for file in files
                if (called := secret_of(file))
            },
        }
        return self._kept("secrets", files, known, account)

    def _kept(
        self,
        use: str,
        files: list[SecretFile],
        contents: Mapping[str, pulumi.Input[str]],
        account: gcp.serviceaccount.Account,
    ) -> Secrets:
        return Secrets(
            f"{self._name}-{use}",
            files,
            contents,
            prefix=self._plan.name,
            region=self._plan.region,
            key_id=self._keys.key_id,
            reader=account.member,
            opts=self._encrypted,
        )

    def _weights(
        self, secrets: SiteSecrets, reader: gcp.serviceaccount.Account, image: pulumi.Input[str]
    ) -> tuple[pulumi.Output[str], pulumi.Resource, pulumi.Resource]:
        """The bucket, and what must be there before somebody reads it."""
        details, name = self._plan, self._name
        assert details.fetch
        plan: FetchPlan = details.fetch
        writer = self._account("fetch", "Brings weights into their bucket")
        # A secret cannot be empty: whoever fetches takes a line without anything for no token.
        token = pulumi.Output.secret(secrets.huggingface_token).apply(lambda text: text or "\n")
        kept = self._kept("fetch", [plan.token], {plan.token.name: token}, writer)
        weights = Weights(
            f"{name}-weights",
            region=details.region,
            key_id=self._keys.key_id,
            protected=details.deletion_protection,
            writer=writer.member,
            reader=reader.member,
            opts=self._encrypted,
        )
        fetched = Fetch(
            f"{name}-fetch-weights",
            plan,
            region=details.region,
            image=image,
            account=writer.email,
            network=self._network,
            token=kept.kept[plan.token.name],
            bucket=weights.bucket,
            key_id=self._keys.key_id,
            binary_authorization=details.service.binary_authorization,
            opts=self._after(*self._keys.granted, *kept.granted, weights.granted["fills"], self._network),
        )
        return weights.bucket, weights.granted["reads"], fetched
