"""Every happy file loads and plans; every error file gets the message it states, whole and to the letter.

A new case is a new file: `NAME.happy.yaml`, or `NAME.error.yaml` whose first comment line says what is wrong. Then
`pytest tests/config --rewrite` writes the message under `# It must say:`; read it as a user would before you commit it.
"""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from infra.plan.types import DeploymentPlan
from infra.problems import Refused
from infra.report import FORMATS
from infra.schema import stack_file_schema
from infra.stack_file import read_stack_file
from tests.config.corpus import ERROR, HAPPY, load_and_plan, message, rewrite_stated, stated

# Parts of every secret in the corpus. `AAABA` begins what Pulumi has encrypted.
SECRETS = ("AbCdEfGhIjKl", "correct-horse", "AAABA", "MIIEowIBAAKCAQEAyR", "BEGIN RSA")


def named(path: Path) -> str:
    return path.name.removesuffix(".yaml")


@pytest.mark.parametrize("path", HAPPY, ids=named)
def test_a_happy_file_plans_and_can_be_shown(path: Path) -> None:
    plan = load_and_plan(path)
    assert isinstance(plan, DeploymentPlan)
    for _, form in FORMATS.items():
        shown = form(plan)
        assert [name for name in plan.models if name not in shown] == []


@pytest.mark.parametrize("path", ERROR, ids=named)
def test_an_error_file_gets_exactly_its_message(path: Path, rewrite: bool) -> None:
    if rewrite:
        rewrite_stated(path)
    assert message(path), "this file is refused by nothing: it belongs among the happy ones"
    assert message(path).splitlines() == stated(path).splitlines(), (
        "`pytest tests/config --rewrite`, then read the diff"
    )


@pytest.mark.parametrize("path", ERROR, ids=named)
def test_no_message_holds_a_secret(path: Path) -> None:
    said = message(path)
    assert not [secret for secret in SECRETS if secret in said]


@pytest.mark.parametrize("path", HAPPY, ids=named)
def test_editors_accept_a_happy_file(path: Path) -> None:
    jsonschema.validate(read_stack_file(path).values, stack_file_schema())


# What a schema cannot know: relations between fields, names that collide, what a platform or engine is able to do.
BEYOND_A_SCHEMA = {
    "cluster-aws-inside",
    "cluster-aws-keda",
    "cluster-gcp-inside",
    "cluster-gcp-keda",
    "gcp-store",
    "gcp-store-alone",
    "gcp-store-no-price",
    "governance",
    "governance-gdpr",
    "governance-served",
    "gpu-ladder-nodes",
    "licenses",
    "making",
    "making-modelopt",
    "name-reserved",
    "network-overlap",
    "network-size",
    "platform-aws",
    "platform-aws-endpoint",
    "platform-aws-peering-account",
    "platform-aws-peering-shapes",
    "platform-aws-secrets",
    "platform-aws-sharing",
    "platform-aws-vpn",
    "platform-aws-vpn-existing",
    "platform-cloud-run",
    "platform-gcp",
    "platform-gcp-nodes",
    "platform-gcp-peering",
    "platform-gcp-sharing",
    "platform-gcp-vpn",
    "platform-gcp-vpn-existing",
    "platform-kubernetes",
    "refresh",
    "refresh-federated",
    "refresh-federated-job",
    "site-names",
    "platform-kubernetes-engines",
    "model-zero",
    "node-groups",
    "one-pod",
    "topology-edge",
    "topology-edge-clusters",
    "topology-edge-memory",
    "topology-edge-plain",
    "topology-edge-two-central",
    "topology-edge-unasked",
    "topology-ha-one-zone",
    "topology-ha-own-cluster",
    "topology-ha-single-nat",
    "topology-ha-single-points",
    "topology-ha-only-standby",
    "topology-ha-standby",
    "topology-ha-two-sites",
    "topology-hybrid",
    "topology-hybrid-asked",
    "topology-hybrid-boundary",
    "topology-hybrid-overflow",
    "topology-hybrid-unasked",
    "topology-hybrid-unasked-local",
    "topology-hybrid-overflow-price",
    "topology-microservice",
    "topology-monolithic",
    "topology-serverless",
    "duplicate-after-normalisation",
    "engine-cannot-llama-cpp",
    "engine-cannot-others",
    "engine-extra-arguments",
    "engine-sglang",
    "engine-tensorrt-llm",
    "engine-vllm",
    "equal-ports",
    "gateway-lesser-models",
    "gateway-same-name",
    "file-without-sha256",
    "gguf-other-format",
    "gguf-whole-repository",
    "invalid-address",
    "output-as-long-as-context",
    "plain-http-on-the-network",
    "registry-build",
    "secret-client-keys-in-plain",
    "secret-gateway-secrets-in-plain",
    "sha256-without-file",
    "source-s3",
    "engine-streaming",
    "topology-ha-active",
    "budget-no-price",
    "budget-over",
    "cold-start",
    "fit-context",
    "fit-objective",
    "fit-weights",
    "release",
    "release-evaluation",
    "release-cloud-run",
    "trials",
    "trials-tools",
    "two-sites-monolithic",
    "unknown-key-project",
    "unknown-model",
    "unknown-site",
}


@pytest.mark.parametrize("path", ERROR, ids=named)
def test_editors_mark_an_error_file(path: Path) -> None:
    """As far as a schema can; what our reader refuses by itself never gets to a schema."""
    try:
        values = read_stack_file(path).values
    except Refused:
        return
    accepted = jsonschema.Draft202012Validator(stack_file_schema()).is_valid(values)
    assert accepted == (path.name.partition(".")[0] in BEYOND_A_SCHEMA)


def test_the_corpus_is_all_there() -> None:
    assert len(ERROR) >= 80
    assert len(HAPPY) >= 9


GENERATED = {
    "empty file": (b"", "slipway:deployment", "an empty file"),
    "only a marker": (b"---\n", "slipway:deployment", "an empty file"),
    "byte that is not UTF-8": (
        b"config:\n  slipway:deployment: \xff\n",
        "case.yaml line 2",
        "the byte 0xff, which is not UTF-8",
    ),
    "UTF-16": ("config: {}\n".encode("utf-16"), "case.yaml line 1", "the byte 0xff, which is not UTF-8"),
    "zero byte": (b"config: a\n\x00\n", "case.yaml line 2", "the control character U+0000"),
    "impossible escape": (b'config: "\\UFFFFFFFF"\n', "case.yaml", "text that is not YAML"),
    "nested without end": (b"[" * 20_000, "case.yaml", "lists or maps that are nested far too deep"),
    "number without end": (b"config: " + b"9" * 5000, "case.yaml line 1", "a number of very many digits"),
}


@pytest.mark.parametrize("name", GENERATED)
def test_bytes_that_no_text_file_holds(name: str, tmp_path: Path) -> None:
    content, where, found = GENERATED[name]
    (path := tmp_path / "case.yaml").write_bytes(content)
    assert f"1. {where}\n   found    {found}\n" in message(path)


def test_a_stack_that_does_not_exist_lists_those_that_do(tmp_path: Path) -> None:
    for stack in ("dev", "prod"):
        (tmp_path / f"Pulumi.{stack}.yaml").touch()
    assert message(tmp_path / "Pulumi.pord.yaml").splitlines()[2:] == [
        f"1. {tmp_path / 'Pulumi.pord.yaml'}",
        "   found    no such file or directory",
        "   allowed  a readable stack file; here there is: Pulumi.dev.yaml, Pulumi.prod.yaml",
        "   do       name one of these stacks, or write the file",
    ]


def test_a_folder_is_no_stack_file(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").mkdir()
    assert "found    is a directory\n" in message(tmp_path / "Pulumi.dev.yaml")
