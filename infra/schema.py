"""The JSON schema that editors use for stack files, generated from the configuration's own descriptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.config import DEPLOYMENT_KEY
from infra.load import SECRET_KEYS, config_schema

SCHEMA_FILE = Path(__file__).with_name("config.schema.json")


def stack_file_schema() -> dict[str, Any]:
    """The schema of a whole Pulumi.<stack>.yaml; other projects' and Pulumi's own keys are left open."""
    deployment = dict(config_schema())
    definitions = deployment.pop("$defs")
    secret = {"type": "object", "description": "A value that Pulumi encrypted (`secure: …`)."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "slipway stack file",
        "type": "object",
        "required": ["config"],
        "properties": {
            "config": {
                "type": "object",
                "required": [DEPLOYMENT_KEY],
                "properties": {DEPLOYMENT_KEY: deployment, **dict.fromkeys(SECRET_KEYS, secret)},
            }
        },
        "$defs": definitions,
    }


def rendered() -> str:
    """The file's text."""
    return json.dumps(stack_file_schema(), indent=2, ensure_ascii=False) + "\n"
