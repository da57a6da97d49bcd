"""Names and ports inside a site's namespace: agreed by whoever makes an object and whoever asks for it."""

from __future__ import annotations

# Values of `app.kubernetes.io/component`, by which network policies tell pods apart.
GATEWAY = "gateway"
ENGINE = "engine"
SHARED_LIMITS = "shared-limits"
MODEL_FETCH = "model-fetch"
PART_OF = "slipway"

# The gateway's two listeners that other pods reach. Its admin page listens on loopback only.
PUBLIC_PORT = 8080
OPERATIONS_PORT = 9090
SHARED_LIMITS_PORT = 6379

# The key that only the gateway shows to engines: one Secret, one entry, mounted as a file on both sides.
ENGINE_KEY_SECRET = "engine-key"  # noqa: S105 - the object's name
ENGINE_KEY_ENTRY = "key"
ENGINE_KEY_FOLDER = "/run/secrets/engine"
# The token that a model source may ask for; the Secret is there only where one is set.
MODEL_SOURCE_SECRET = "model-source"  # noqa: S105 - the object's name
MODEL_SOURCE_ENTRY = "huggingface-token"

# Engines of a site that are scarce yield to nobody; what only helps yields first.
ENGINE_PRIORITY = "slipway-engine"
GATEWAY_PRIORITY = "slipway-gateway"
