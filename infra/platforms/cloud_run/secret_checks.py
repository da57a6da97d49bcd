"""What cannot be a file of Secret Manager, or would be lost with an instance: said before anything is made."""

from __future__ import annotations

from collections.abc import Iterator

from infra.naming import DEPLOYMENT_KEY
from infra.platforms.base import SiteRequest
from infra.platforms.cloud_run.engine_container import engine_container
from infra.platforms.cloud_run.gateway_container import GATEWAY_FILE, filled_in, gateway_file
from infra.problems import Problem

# Of a version of a secret (Secret Manager, "Quotas and limits", read 2026-11).
MOST_BYTES = 65_536
# A client may have an old key and a new one.
HASHES = ("0" * 64, "0" * 64)


def file_size_problems(request: SiteRequest) -> Iterator[Problem]:
    """Files that no version of a secret holds."""
    content = gateway_file(request.gateway, request.models, None)
    sizes = {GATEWAY_FILE.file: len(filled_in(content, dict.fromkeys(content["clients"], HASHES), None).encode())}
    for name, model in request.models.items():
        files = engine_container(name, model).files
        sizes |= {file.file: len(file.content.encode()) for file in files if file.content}
    for file, size in sizes.items():
        if size > MOST_BYTES:
            yield Problem(
                where=f"{DEPLOYMENT_KEY}.gateway" if file == GATEWAY_FILE.file else f"{DEPLOYMENT_KEY}.models",
                found=f"a file `{file}` of {size:,} bytes, on the site `{request.site}`",
                allowed=f"{MOST_BYTES:,} bytes: on Cloud Run it is a version of a secret",
                remedy="have fewer clients, models or texts in it, or use a platform with a cluster",
            )


def lost_content_problems(request: SiteRequest) -> Iterator[Problem]:
    """Prompts whose keys would go with the instance that made them."""
    audit = request.gateway.get("audit")
    if audit is not None and audit.get("content", "off") != "off":
        yield Problem(
            where=f"{DEPLOYMENT_KEY}.gateway.audit.content",
            found=f"`{audit['content']}`, and the site `{request.site}` has no disk that keeps the subjects' keys",
            allowed="`off`, on Cloud Run",
            remedy="take it out, or use a platform with volumes",
        )
