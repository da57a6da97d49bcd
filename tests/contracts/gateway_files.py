"""Completes what the plan renders as launcher and deployment would: addresses, hashes of keys, folders, and files that
hold what their field asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.config import StackConfig
from infra.plan.build import build_plan
from infra.platforms.local.process_group import _give_keys
from tests.serving.certificates import Authority
from tests.serving.gateway_process import sha
from tests.serving.tokens import SigningKey, key_set


class OwnRules:
    """A class of somebody's own that finds nothing wrong."""

    async def before(self, request: Any) -> None:
        """Nothing wrong with the prompt."""

    async def after(self, request: Any, answer: Any) -> None:
        """Nothing wrong with the answer."""


class GatewayFiles:
    """A folder with one good file for every field that names one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority = Authority(folder)
        certificate, key = authority.server()
        texts = {
            "names.txt": "Ada Lovelace\nAlan Turing\n",
            "keys.json": key_set(SigningKey("k1"), SigningKey("k2", "PS256"), SigningKey("k3", "ES256")).decode(),
            "url": "rediss://127.0.0.1:6379/0",
            "key": "a-key-of-more-than-sixteen-characters",
            "master": "0" * 64,
            "company_rules.py": "from tests.contracts.gateway_files import OwnRules as Names\n",
        }
        for name, text in texts.items():
            (folder / name).write_text(text)
        self.of_field = {
            "client_ca_file": authority.file,
            "ca_file": authority.file,
            "certificate_file": certificate,
            "tls.key_file": key,
            "file": folder / "names.txt",
            "jwks_file": folder / "keys.json",
            "url_file": folder / "url",
            "master_key_file": folder / "master",
        }

    def completed(self, config: StackConfig) -> dict[str, Any]:
        """The gateway's file for the only site."""
        (content,) = self.of_every_site(config).values()
        return content

    def of_every_site(self, config: StackConfig) -> dict[str, dict[str, Any]]:
        """The gateway's file for each site."""
        sites = build_plan(config, "dev").sites
        return {name: self._completed(site.details.gateway_config) for name, site in sites.items()}

    def _completed(self, planned: Mapping[str, Any]) -> dict[str, Any]:
        content = json.loads(json.dumps(planned))
        for name, client in content["clients"].items():
            _give_keys(client, [sha(name)])
        return self._filled(content, "")

    def _filled(self, value: Any, field: str) -> Any:
        if isinstance(value, dict):
            inside = f"{field}." if field == "tls" else ""
            return {key: self._filled(inner, inside + key) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(inner, field) for inner in value]
        if not isinstance(value, str):
            return value
        name = field.removeprefix("tls.")
        if name.endswith("file") and value.startswith(("/", "{secrets}", "{shared_limits}", "{key_file}", "{state}")):
            return str(self.of_field.get(field) or self.of_field.get(name) or self.folder / "key")
        if field == "folder" and value.startswith("/"):
            return str(self.folder)
        return {"{engine}": "http://127.0.0.1:9"}.get(value, value.replace("{state}", str(self.folder)))
