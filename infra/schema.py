"""The JSON schema that editors use for stack files, generated from the configuration's own descriptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.chosen_site import SITE_KEY
from infra.config import CLIENT_KEYS_KEY, DEPLOYMENT_KEY, GATEWAY_SECRETS_KEY, HUGGINGFACE_TOKEN_KEY
from infra.load import config_schema

# Beside the deployment, each encrypted by Pulumi.
SECRETS = {
    CLIENT_KEYS_KEY: "API keys by client: one, or a list while they are rotated. Who has none gets one.",
    HUGGINGFACE_TOKEN_KEY: "A token of Hugging Face, for models that ask for one.",
    GATEWAY_SECRETS_KEY: "What the gateway shows to others, by a name of your choice: wherever a setting is a secret, "
    "`{secret: NAME}` means one of these.",
}
SITE = {"type": "string", "description": "The one site of the deployment that this stack deploys; unset, all of them."}
SCHEMA_FILE = Path(__file__).with_name("config.schema.json")


def stack_file_schema() -> dict[str, Any]:
    """The schema of a whole Pulumi.<stack>.yaml; other projects' and Pulumi's own keys are left open."""
    deployment = dict(config_schema())
    definitions = deployment.pop("$defs")
    secrets = {key: {"type": "object", "description": f"{text} (`secure: …`)"} for key, text in SECRETS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "slipway stack file",
        "type": "object",
        "required": ["config"],
        "properties": {
            "config": {
                "type": "object",
                "required": [DEPLOYMENT_KEY],
                "properties": {DEPLOYMENT_KEY: deployment, SITE_KEY: SITE, **secrets},
            }
        },
        "$defs": definitions,
    }


def rendered() -> str:
    """The file's text."""
    return json.dumps(stack_file_schema(), indent=2, ensure_ascii=False) + "\n"
