"""Releases as a site has them, in a namespace that is there; `note` changes something beside what the judge writes."""

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle
from infra.components.releases import Releases
from infra.plan.release_pods import ReleasePod
from infra.platforms.base import SiteSecrets

config = pulumi.Config()


class NoFrontDoor:
    """Nobody comes in here."""

    sources = ()

    def attach(self, service: kubernetes.core.v1.Service, opts: pulumi.ResourceOptions) -> str:
        return ""


cluster = ClusterHandle(
    provider=kubernetes.Provider(
        "cluster",
        cluster_identifier="tests",
        enable_server_side_apply=True,
        enable_config_map_mutable=True,
        enable_patch_force=True,
    ),
    namespace=config.require("namespace"),
    nodes={},
    front_door=NoFrontDoor(),
    prometheus=False,
)
rules = kubernetes.core.v1.ConfigMap(
    "rules",
    metadata={"name": "gateway", "namespace": cluster.namespace},
    data={"gateway.json": config.require("note")},
    opts=pulumi.ResourceOptions(provider=cluster.provider),
)
# With questions: what they are and the key of who asks are objects of their own.
asks = ReleasePod(questions={"chat": {"config": {}}}, clients=("web",))
secrets = SiteSecrets(key_hashes="", client_keys={"web": "slw_of-a-test"}, gateway_secrets="{}", huggingface_token="")
Releases("releases", asks, secrets, cluster, pulumi.ResourceOptions(depends_on=[rules]), image="example.test/gateway")
