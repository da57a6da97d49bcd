"""Deploys a runner for jobs of GitHub inside a network: from there an API of a cluster is reached that is private."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.bootstrap.config import RunnerSettings
from infra.bootstrap.plan import PATH, RUNNER_PROJECT
from infra.bootstrap.runner_rights import runner_policy
from infra.platforms.aws.policies import trust

codebuild = aws.codebuild
KEEP_LOGS_DAYS = 365
# Deployments wait for machines with GPUs; what takes longer is not going to end.
JOB_MINUTES = 180
ANYWHERE = "0.0.0.0/0"


class Runner(pulumi.ComponentResource):
    """Owns a project of CodeBuild that starts a machine for each job and ends it after it. It may do nothing on AWS:
    its jobs take the role of their environment. `project` is what jobs name."""

    def __init__(
        self,
        name: str,
        settings: RunnerSettings,
        *,
        account: str,
        region: str,
        repository: str,
        logs_key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:bootstrap:Runner", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        logs = aws.cloudwatch.LogGroup(name, kms_key_id=logs_key_arn, retention_in_days=KEEP_LOGS_DAYS, opts=child)
        group = aws.ec2.SecurityGroup(
            name, description="Runner of deployments", vpc_id=settings.vpc_id, tags={"Name": name}, opts=child
        )
        aws.vpc.SecurityGroupEgressRule(
            name,
            security_group_id=group.id,
            description="GitHub, AWS and the API of the cluster",
            cidr_ipv4=ANYWHERE,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            opts=child,
        )
        role = aws.iam.Role(
            name,
            path=PATH,
            assume_role_policy=trust("codebuild.amazonaws.com", StringEquals={"aws:SourceAccount": account}),
            opts=child,
        )
        policy = pulumi.Output.all(logs.arn, group.id).apply(
            lambda known: runner_policy(settings, account, region, group_arn=known[0], security_group_id=known[1])
        )
        rights = aws.iam.RolePolicy(name, role=role.id, policy=policy, opts=child)
        project = codebuild.Project(
            name,
            name=RUNNER_PROJECT,
            description="Runs jobs of GitHub inside the network.",
            service_role=role.arn,
            build_timeout=JOB_MINUTES,
            artifacts=codebuild.ProjectArtifactsArgs(type="NO_ARTIFACTS"),
            environment=codebuild.ProjectEnvironmentArgs(
                type="LINUX_CONTAINER",
                compute_type="BUILD_GENERAL1_MEDIUM",
                image="aws/codebuild/amazonlinux-x86_64-standard:5.0",
                image_pull_credentials_type="CODEBUILD",
                privileged_mode=False,
            ),
            source=codebuild.ProjectSourceArgs(
                type="GITHUB",
                location=f"https://github.com/{repository}.git",
                auth=codebuild.ProjectSourceAuthArgs(type="CODECONNECTIONS", resource=settings.connection_arn),
            ),
            vpc_config=codebuild.ProjectVpcConfigArgs(
                vpc_id=settings.vpc_id, subnets=[*settings.subnet_ids], security_group_ids=[group.id]
            ),
            logs_config=codebuild.ProjectLogsConfigArgs(
                cloudwatch_logs=codebuild.ProjectLogsConfigCloudwatchLogsArgs(group_name=logs.name, status="ENABLED")
            ),
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[rights])),
        )
        codebuild.Webhook(
            name,
            project_name=project.name,
            build_type="BUILD",
            filter_groups=[
                codebuild.WebhookFilterGroupArgs(
                    filters=[codebuild.WebhookFilterGroupFilterArgs(type="EVENT", pattern="WORKFLOW_JOB_QUEUED")]
                )
            ],
            opts=child,
        )
        self.project = project.name
        self.register_outputs({"project": self.project})
