"""Deploys alarms about what is outside a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.alarms import Alarm


class Alarms(pulumi.ComponentResource):
    """Owns an alarm for each that is planned; `topics` hear of it, and of its end. Without a topic it is seen in the
    console alone. No data is no alarm: without requests there are no failed ones."""

    def __init__(
        self,
        name: str,
        plan: Sequence[Alarm],
        *,
        of: Mapping[str, Mapping[str, pulumi.Input[str]]],
        topics: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:aws:Alarms", name, None, opts)
        for alarm in plan:
            aws.cloudwatch.MetricAlarm(
                f"{name}-{alarm.name}",
                alarm_description=alarm.description,
                namespace=alarm.namespace,
                metric_name=alarm.metric,
                dimensions=dict(of[alarm.of]),
                statistic=alarm.statistic,
                comparison_operator="GreaterThanThreshold",
                threshold=alarm.most,
                period=alarm.period_seconds,
                evaluation_periods=alarm.periods,
                treat_missing_data="notBreaching",
                alarm_actions=[*topics],
                ok_actions=[*topics],
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
