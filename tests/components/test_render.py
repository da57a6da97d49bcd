"""`python -m infra render`: every object as a file, the same bytes each time, no secret, nobody else's file touched."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
import yaml

from infra.__main__ import ROOT, main
from infra.platforms import PLATFORMS
from infra.problems import Refused
from infra.program import deploy as program
from infra.render import stack as stack_module
from infra.render.command import rendered, unrenderable
from infra.render.folder import INDEX
from tests.harness import Recorder, deploy
from tests.manifests import file_name, objects
from tests.on_a_cluster import inside_only, registrations

FILE = ROOT / "Pulumi.onprem.yaml"


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def render(out: Path, stack: str = "onprem") -> int:
    return main(["render", "--stack", stack, "--out", str(out)])


def test_every_object_is_a_file_and_a_summary_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(tmp_path / "out") == 0
    files = {path: text for path, text in content(tmp_path / "out").items() if path != INDEX}
    agreed = objects(registrations("as_it_ships"))
    assert len(files) == len(agreed) > 40
    found = [yaml.safe_load(text) for text in files.values()]
    assert sorted(found, key=file_name) == agreed
    for path, one in zip(files, found, strict=True):
        namespace = one["metadata"].get("namespace", "_cluster")
        assert path == f"datacentre/{namespace}/{one['kind'].lower()}-{one['metadata']['name']}.yaml"
    told = capsys.readouterr()
    assert f"{len(found)} Kubernetes objects in {tmp_path / 'out'}" in told.out
    assert "4 Deployment" in told.out
    assert told.err == ""


def test_the_same_bytes_each_time_and_over_an_earlier_rendering(tmp_path: Path) -> None:
    assert render(tmp_path / "one") == render(tmp_path / "two") == 0
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert render(tmp_path / "one") == 0
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_what_is_rendered_no_more_goes_with_its_folder(tmp_path: Path) -> None:
    assert render(tmp_path) == 0
    assert render(tmp_path, "dev") == 0
    assert content(tmp_path).keys() == {INDEX}
    assert not (tmp_path / "datacentre").exists()


def add(folder: Path) -> None:
    (folder / "mine.txt").write_text("mine")


def change(folder: Path) -> None:
    (folder / "datacentre/slipway/service-gateway.yaml").write_text("mine")


def link(folder: Path) -> None:
    (folder / "mine").symlink_to(folder / "datacentre")


def lose_the_index(folder: Path) -> None:
    (folder / INDEX).unlink()


def lie(folder: Path) -> None:
    """An index that names a file outside."""
    (folder.parent / "outside").write_text("mine")
    (folder / INDEX).write_text(f'{{"../outside": "{hashlib.sha256(b"mine").hexdigest()}"}}')


@pytest.mark.parametrize("interfere", [add, change, link, lose_the_index, lie])
def test_nothing_of_somebody_else_is_touched(
    tmp_path: Path, interfere: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert render(out) == 0
    interfere(out)
    before = content(tmp_path)
    assert render(out) == 1
    assert content(tmp_path) == before
    told = capsys.readouterr().err
    assert "--out" in told
    assert all(part in told for part in ("found", "allowed", "do  "))


def test_a_file_is_no_folder_and_a_folder_may_be_closed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert render(tmp_path / "file") == 1
    assert "no folder" in capsys.readouterr().err
    assert render(tmp_path / "file" / "below") == 1
    assert "not a directory" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_what_cannot_be_deployed_is_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(PLATFORMS["kubernetes"]), "component", None)
    assert render(tmp_path / "out", "hybrid") == 1
    assert "can be planned" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(reference: str) -> Any:
        raise ModuleNotFoundError("No module named 'pulumi_gone'", name="pulumi_gone")

    monkeypatch.setattr("infra.plan.components.load_object", missing)
    with pytest.raises(Refused, match=r"no package `pulumi_gone`") as refused:
        stack_module.registrations(FILE, "onprem")
    assert "tools/python/install local kubernetes" in str(refused.value)


def with_canaries() -> Recorder:
    deployment = yaml.safe_load(FILE.read_text())["config"]["slipway:deployment"]
    inside_only(deployment)
    deployment["sites"]["datacentre"]["platform"]["client_keys_from"] = {"kind": "stack"}
    config = {
        "slipway:deployment": deployment,
        "slipway:client_keys": {"web": "canary-key-of-the-client-web"},
        "slipway:huggingface_token": "canary-token",
        "slipway:gateway_secrets": {"limits": "canary-url"},
    }
    return deploy(program, stack="onprem", config=config)


def test_no_secret_is_in_any_file() -> None:
    """Nor the digest of a key, which is worth as much to whoever writes it into a gateway's file."""
    recorded = with_canaries()
    digest = hashlib.sha256(b"canary-key-of-the-client-web").hexdigest()
    registered = str([registration.inputs for registration in recorded.seen])
    assert all(canary in registered for canary in ("canary-token", "canary-url", digest)), "there is something to hide"
    everything = "".join(f"{path}\n{text}" for path, text in rendered(recorded.seen).items())
    assert "a secret, not shown" in everything
    assert "canary" not in everything
    assert digest not in everything


def test_a_rendering_reads_no_secret(tmp_path: Path) -> None:
    """Keys that the recorder makes up are no more than that, and are not shown for real ones."""
    assert render(tmp_path) == 0
    everything = b"".join(content(tmp_path).values())
    made_up = (b"a-made-key", hashlib.sha256(b"a-made-key-that-is-long-enough").hexdigest().encode())
    assert not [secret for secret in made_up if secret in everything]


def test_two_clusters_of_a_stack_are_two_folders() -> None:
    def two() -> None:
        for site in ("here", "there"):
            parent = pulumi.ComponentResource("slipway:kubernetes:Site", site)
            kubernetes.core.v1.Namespace(
                f"{site}-n", metadata={"name": "n"}, opts=pulumi.ResourceOptions(parent=parent)
            )

    assert [*rendered(deploy(two).seen)] == ["here/_cluster/namespace-n.yaml", "there/_cluster/namespace-n.yaml"]


def test_two_objects_of_one_name_are_a_mistake() -> None:
    def twice() -> None:
        parent = pulumi.ComponentResource("slipway:kubernetes:Site", "here")
        for name in ("one", "two"):
            kubernetes.core.v1.Namespace(name, metadata={"name": "n"}, opts=pulumi.ResourceOptions(parent=parent))

    with pytest.raises(ValueError, match="two objects"):
        rendered(deploy(twice).seen)


def test_what_is_made_elsewhere_is_refused_by_name() -> None:
    def chart() -> None:
        kubernetes.helm.v3.Release("keda", chart="keda")

    (problem,) = unrenderable(deploy(chart).seen)
    assert "kubernetes:helm.sh/v3:Release `keda`" in problem.where
