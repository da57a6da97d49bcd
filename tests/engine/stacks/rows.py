"""The example stacks that can be deployed, a row each: where to, what that place calls things, and changes to try."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.conftest import GPU
from tests.one_model import one_model

Deployment = dict[str, Any]
Edit = Callable[[Deployment], object]

# What a test gives as secrets; nobody may ever see one of them again.
CLIENT_KEY = "canary-of-a-client-key-0123456789"
SECRETS = {
    "slipway:huggingface_token": "canary-of-the-model-source-token",
    "slipway:gateway_secrets.vendor": "canary-of-a-gateway-secret-0123",
}


@dataclass(frozen=True)
class Change:
    """An edit of the deployment and all that may change by it: operation → logical names of resources."""

    what: str
    edit: Edit
    expected: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class ExampleStack:
    """`place` names the fixture that gives it, `adapt` says what that place calls its classes and nodes, `secrets` are
    what its file asks for."""

    name: str
    place: str
    client: str
    adapt: Edit
    changes: tuple[Change, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)


def _nothing(deployment: Deployment) -> None:
    del deployment


def _on_these_nodes(deployment: Deployment) -> None:
    """What serves, with the storage class and the name of GPUs that the tests' cluster has."""
    one_model(deployment)
    for site in deployment["sites"].values():
        site["platform"]["storage"] = {"weights": "kwok-volume", "audit": "kwok-volume"}
        site["platform"]["gpu"] = {"products": {"L40S": GPU.labels["nvidia.com/gpu.product"]}}


def unprotected(deployment: Deployment) -> None:
    """So that it can be destroyed."""
    for site in deployment["sites"].values():
        site["platform"]["deletion_protection"] = False


def with_a_secret(deployment: Deployment) -> None:
    """A model of somebody else's, whose key is a secret of the gateway's."""
    vendor = {"kind": "openai", "url": "https://api.example.com", "boundary": "cloud", "key": {"secret": "vendor"}}
    deployment["remote_models"] = {"large": {"context_tokens": 8192, "upstreams": {"vendor": vendor}}}


def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


def _client(name: str, **fields: Any) -> Edit:
    return lambda deployment: deployment["clients"].setdefault(name, {"models": ["chat"]}).update(fields)


def _model(**fields: Any) -> Edit:
    return lambda deployment: deployment["models"]["chat"].update(fields)


def _in_stack(*names: str) -> frozenset[str]:
    return frozenset(f"datacentre-serving-{name}" for name in names)


def _in_main(*names: str) -> frozenset[str]:
    return frozenset(f"main-{name}" for name in names)


ONPREM = ExampleStack(
    "onprem",
    "real_control_plane",
    "web",
    _on_these_nodes,
    (
        Change("a client's limit", _client("web", requests_per_minute=1200), {"update": _in_stack("gateway-config")}),
        Change(
            "the most replicas",
            _model(scaling={"min_replicas": 3, "max_replicas": 8}),
            {"update": _in_stack("engine-chat-scaling-scaled", "isolation-quota")},
        ),
        Change(
            "another client",
            _client("batch", requests_per_minute=60),
            {"create": _names("slipway-batch"), "update": _in_stack("gateway-config", "gateway-client-keys")},
        ),
        Change(
            "the context",
            _model(context_tokens=4096),
            {
                "update": _in_stack("gateway-config", "engine-chat-engine"),
                "replace": _in_stack("engine-chat-files"),  # its name has its digest: pods are rolled
            },
        ),
        Change(
            "another engine",
            _model(engine={"kind": "sglang", "image": f"registry.example.com/slipway/sglang@sha256:{'5' * 64}"}),
            {
                # Its drain and its cold start are others: the gateway waits longer, and so do alerts.
                "update": _in_stack(
                    "engine-chat-engine",
                    "engine-chat-key",
                    "gateway",
                    "gateway-scaling",
                    "observability-dashboards",
                    "observability-rules",
                    # Records of trials say what was tried.
                    "trials-trial-chat-facts-told",
                    "trials-trial-chat-load-told",
                ),
                "replace": _in_stack("engine-chat-files"),
            },
        ),
    ),
)
DEV = ExampleStack(
    "dev",
    "this_machine",
    "dev",
    _nothing,
    (Change("a client's limit", _client("dev", requests_per_minute=1200), {"update": _names("here")}),),
)
PROD = ExampleStack(
    "prod",
    "stand_in_aws",
    "web",
    unprotected,
    (
        Change(
            "the most replicas",
            _model(scaling={"min_replicas": 3, "max_replicas": 10}),
            {
                "update": _in_main(
                    "pools-l40s-1-on-demand", "serving-engine-chat-scaling-scaled", "serving-isolation-quota"
                )
            },
        ),
        Change(
            "another engine",
            _model(engine={"kind": "sglang", "image": f"registry.example.com/slipway/sglang@sha256:{'5' * 64}"}),
            {
                # It ends more slowly: so do the front door's targets, and machines that are given up. It starts in
                # another time: over so long gateways look at what comes.
                "update": _in_main(
                    "door-gateways",
                    "pools-gateway-on-demand",
                    "pools-l40s-1-on-demand",
                    "serving-engine-chat-engine",
                    "serving-engine-chat-key",
                    "serving-engine-chat-scaling-scaled",
                    "serving-gateway",
                    "serving-gateway-config",
                    "serving-gateway-scaling",
                ),
                "replace": _in_main("serving-engine-chat-files"),
            },
        ),
    ),
)
STAGING = ExampleStack(
    "staging",
    "stand_in_gcp",
    "web",
    unprotected,
    (
        Change(
            "the most replicas",
            _model(scaling={"min_replicas": 1, "max_replicas": 5}),
            {
                "update": _in_main(
                    "pools-l4-1-on-demand", "serving-engine-chat-scaling-scaled", "serving-isolation-quota"
                )
            },
        ),
        Change(
            "another engine",
            _model(engine={"kind": "sglang", "image": f"registry.example.com/slipway/sglang@sha256:{'5' * 64}"}),
            {
                # It ends more slowly: so does the load balancer let go of gateways.
                "update": _in_main(
                    "door-backend-policy",
                    "serving-engine-chat-engine",
                    "serving-engine-chat-key",
                    "serving-engine-chat-scaling-scaled",
                    "serving-gateway",
                    "serving-gateway-scaling",
                ),
                "replace": _in_main("serving-engine-chat-files"),
            },
        ),
    ),
)
SERVERLESS = ExampleStack(
    "serverless",
    "cloud_run",
    "web",
    unprotected,
    (Change("the most replicas", _model(scaling={"max_replicas": 4}), {"update": _in_main("service")}),),
)
EXAMPLES = (DEV, ONPREM, PROD, STAGING, SERVERLESS)
