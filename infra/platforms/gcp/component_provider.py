"""The provider of Google Cloud that everything of a site is made with."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp


def google_provider(
    name: str, *, project: str, region: str, labels: Mapping[str, str], parent: pulumi.Resource
) -> gcp.Provider:
    """In one project and region; whatever it makes has the labels."""
    return gcp.Provider(
        name,
        project=project,
        region=region,
        default_labels=dict(labels),
        # Who pays for what is asked is the site's project, whosever credentials they are.
        user_project_override=True,
        billing_project=project,
        opts=pulumi.ResourceOptions(parent=parent),
    )
