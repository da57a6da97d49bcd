"""Deploys the store in which gateways count together: encrypted, by password, over several zones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra.components.client_keys import ClientKey
from infra.plan.in_cluster import SHARED_LIMITS_PORT
from infra.platforms.aws.limits_plan import LimitsPlan

elasticache = aws.elasticache


class LimitsStore(pulumi.ComponentResource):
    """Owns a replication group, who may reach it, and its password. `url` is all that a gateway needs, and secret. It
    keeps counts only: no key, no prompt, no answer."""

    def __init__(
        self,
        name: str,
        plan: LimitsPlan,
        *,
        vpc_id: pulumi.Input[str],
        subnet_ids: Sequence[pulumi.Input[str]],
        cluster_security_group_id: pulumi.Input[str],
        key_arn: pulumi.Input[str],
        protected: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("slipway:aws:LimitsStore", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        made = ClientKey(f"{name}-password", client="gateway of limits", opts=child).key
        # ElastiCache takes no `_` in a password; 256 bits stay 256 bits.
        password = pulumi.Output.secret(made).apply(lambda key: hashlib.sha256(key.encode()).hexdigest())
        group = aws.ec2.SecurityGroup(
            name, description="The store of limits, from nodes", vpc_id=vpc_id, tags={"Name": name}, opts=child
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-nodes",
            security_group_id=group.id,
            description="Valkey from nodes",
            ip_protocol="tcp",
            from_port=SHARED_LIMITS_PORT,
            to_port=SHARED_LIMITS_PORT,
            referenced_security_group_id=cluster_security_group_id,
            opts=child,
        )
        subnets = elasticache.SubnetGroup(
            name, description="Private subnets of the site", subnet_ids=[*subnet_ids], opts=child
        )
        # What is counted is never thrown away for room: a refused count is seen, a forgotten one is not.
        keeps = elasticache.ParameterGroupParameterArgs(name="maxmemory-policy", value="noeviction")
        parameters = elasticache.ParameterGroup(
            name, family=plan.family, description="Counts are kept", parameters=[keeps], opts=child
        )
        store = elasticache.ReplicationGroup(
            name,
            description="Limits that gateways count together",
            engine="valkey",
            engine_version=plan.engine_version,
            # A newer one than is written here could only be replaced.
            auto_minor_version_upgrade=False,
            node_type=plan.node_type,
            num_cache_clusters=len(plan.zones),
            preferred_cache_cluster_azs=[*plan.zones],
            automatic_failover_enabled=True,
            multi_az_enabled=True,
            port=SHARED_LIMITS_PORT,
            subnet_group_name=subnets.name,
            security_group_ids=[group.id],
            parameter_group_name=parameters.name,
            at_rest_encryption_enabled=True,
            kms_key_id=key_arn,
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            auth_token=password,
            snapshot_retention_limit=plan.snapshot_days,
            snapshot_window=plan.snapshot_window,
            maintenance_window=plan.maintenance_window,
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=protected)),
        )
        self.url: pulumi.Output[str] = pulumi.Output.secret(
            pulumi.Output.concat(
                "rediss://:", password, "@", store.primary_endpoint_address, f":{SHARED_LIMITS_PORT}/0"
            )
        )
        self.register_outputs({})
