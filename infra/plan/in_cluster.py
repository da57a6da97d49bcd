"""Names and ports inside a site's namespace: agreed by whoever makes an object and whoever asks for it."""

from __future__ import annotations

# Values of `app.kubernetes.io/component`, by which network policies tell pods apart. The service account of a workload
# has the workload's own name: `gateway`, `shared-limits`, `model-fetch`, `trial`, `making`, or that of an
# engine.
GATEWAY = "gateway"
ENGINE = "engine"
# A node of a replica beside its leader: nobody but its own group reaches it.
ENGINE_WORKER = "engine-worker"
SHARED_LIMITS = "shared-limits"
# What is blocked in an incident: made by `python -m infra contain` alone, so that no deployment undoes it.
CONTAINED = "gateway-contained"
# How far releases are: made by the stack, which never writes what is in it.
RELEASED = "gateway-released"
# Who judges them, and a name for all gateways that are ready.
RELEASE = "release"
GATEWAY_OPERATIONS = "gateway-operations"
MODEL_FETCH = "model-fetch"
TRIAL = "trial"
MAKING = "making"
PART_OF = "slipway"
# Label of pods that fetch weights, `true`: only these reach a model source.
FETCHES_WEIGHTS = "slipway/fetches-weights"

# The gateway's listeners. Other pods reach the first two: the public one by the service's port, the other as it is.
SERVICE_PORT = 80
PUBLIC_PORT = 8080
OPERATIONS_PORT = 9090
ADMIN_PORT = 9091
SHARED_LIMITS_PORT = 6379
# In the secret with its address: whose certificates it shows.
LIMITS_AUTHORITY_ENTRY = "ca.pem"
# An engine's: its API over TLS, which gateways alone reach, and what is watched of it. Other numbers than a gateway's:
# both may be in one pod.
ENGINE_PORT = 8443
ENGINE_OPERATIONS_PORT = 9092

# The key that only the gateway shows to engines: one Secret, one entry, mounted as a file on both sides.
ENGINE_KEY_SECRET = "engine-key"  # noqa: S105 - the object's name
ENGINE_KEY_ENTRY = "key"
ENGINE_KEY_FOLDER = "/run/secrets/engine"
# Beside it: the certificate of who vouches for engines. What an engine shows is in a Secret and a folder of its own.
ENGINE_AUTHORITY_ENTRY = "ca.crt"
ENGINE_CERTIFICATE_FOLDER = "/run/secrets/certificate"
# The token that a model source may ask for; empty where none is set.
MODEL_SOURCE_SECRET = "model-source"  # noqa: S105 - the object's name
MODEL_SOURCE_ENTRY = "huggingface-token"

# Stand for the names of buckets that the site makes, in the gateway's file and in what fetches weights: only a cloud
# knows them.
AUDIT_BUCKET_PLACE = "{audit_bucket}"
WEIGHTS_BUCKET_PLACE = "{weights_bucket}"


def priority_class(namespace: str, component: str) -> str:
    """The priority of a component's pods. Priority classes have no namespace, so that it is part of the name."""
    return f"{namespace}-{component}"
