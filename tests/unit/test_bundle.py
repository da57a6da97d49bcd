"""A bundle for a machine without internet: whole and signed it is installed, updated and gone on with; else refused."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.manifests import ROOT
from tools.bundle import contents
from tools.bundle import unpack as unpacking
from tools.bundle.bundle import write
from tools.bundle.unpack import INCOMING, MANIFEST, PLACES, Wrong, unpack
from tools.problem import Problem

OURS, ANOTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
FILES = {
    "project/infra/a.py": b"a = 1\n",
    "project/tools/fleet/site": b"#!/bin/sh\n",
    "tools/pulumi/1/bin/pulumi": b"binary",
    "weights/ab/small.gguf": b"GGUF" * 1000,
    "wheels/one.whl": b"wheel",
    "plan/order.json": b"{}",
}
Member = tuple[str, bytes]


class Carried:
    """A bundle, the machine it comes to, and the key that the machine trusts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bundle, self.trust, self.into = folder / "x.bundle", folder / "bundle.pub", folder / "opt" / "slipway"
        self.trust.write_bytes(OURS.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def make(self, files: dict[str, bytes], key: Ed25519PrivateKey = OURS) -> None:
        paths: dict[str, Path] = {}
        for number, (name, content) in enumerate(files.items()):
            paths[name] = self.folder / f"source-{number}"
            paths[name].write_bytes(content)
            paths[name].chmod(0o755 if name.endswith("site") else 0o644)
        write(self.bundle, "edge", "x", paths, key)

    def change(self, edit: Callable[[list[Member]], list[Member]]) -> None:
        with tarfile.open(self.bundle) as archive:
            members = [(member.name, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]
        with tarfile.open(self.bundle, "w") as archive:
            for name, content in edit(members):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))

    def install(self) -> None:
        unpack(self.bundle, self.trust, self.into)

    def there(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.into).as_posix(): path.read_bytes() for path in self.into.rglob("*") if path.is_file()
        }


@pytest.fixture
def carried(tmp_path: Path) -> Carried:
    made = Carried(tmp_path)
    made.make(FILES)
    return made


INSTALLED = {
    "infra/a.py": b"a = 1\n",
    "tools/fleet/site": b"#!/bin/sh\n",
    ".tools/pulumi/1/bin/pulumi": b"binary",
    ".slipway/weights/ab/small.gguf": b"GGUF" * 1000,
    ".slipway/wheels/one.whl": b"wheel",
    ".slipway/plan/order.json": b"{}",
}


def test_everything_comes_to_its_place(carried: Carried) -> None:
    carried.install()
    assert carried.there() == INSTALLED
    assert (carried.into / "tools/fleet/site").stat().st_mode & 0o100
    carried.install()
    assert carried.there() == INSTALLED


def test_an_update_leaves_nothing_old_of_the_project_and_all_that_the_site_keeps(carried: Carried) -> None:
    carried.install()
    kept = {".slipway/gateway/audit": b"rows", ".slipway/passphrase": b"p", ".venv/bin/python": b"py"}
    for name, content in kept.items():
        (carried.into / name).parent.mkdir(parents=True, exist_ok=True)
        (carried.into / name).write_bytes(content)
    files = {**FILES, "project/infra/b.py": b"b\n", "weights/cd/other.gguf": b"GGUF"}
    del files["project/infra/a.py"]
    carried.make(files)
    carried.install()
    expected = {**INSTALLED, **kept, "infra/b.py": b"b\n", ".slipway/weights/cd/other.gguf": b"GGUF"}
    del expected["infra/a.py"]
    assert carried.there() == expected


def test_it_goes_on_where_it_was_interrupted(carried: Carried, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = carried.bundle.read_bytes()
    carried.bundle.write_bytes(whole[: whole.index(b"GGUFGGUF") + 2000])
    with pytest.raises(Wrong, match="not whole"):
        carried.install()
    assert set(carried.there()), "something had come"
    assert all(name.startswith(INCOMING) for name in carried.there()), "and nothing of it was put into place"
    written = [path for path in (carried.into / INCOMING).rglob("*") if path.is_file()]
    before = {path: path.stat().st_ino for path in written}
    (carried.into / INCOMING / "project" / "stray.py").write_bytes(b"of another bundle")
    carried.bundle.write_bytes(whole)
    placed: dict[Path, int] = {}
    replace = Path.replace
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (placed.setdefault(Path(to), self.stat().st_ino), replace(self, to))[1]
    )
    carried.install()
    assert carried.there() == INSTALLED
    assert not set(before) & set(placed), "what was there whole was not written again"


def test_an_update_that_is_interrupted_while_it_is_put_into_place_is_finished(
    carried: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried.install()
    carried.make({**FILES, "project/infra/a.py": b"a = 2\n", "project/tools/new": b"new\n"})
    replace = unpacking._replace
    placed: list[Path] = []

    def killed_in_the_middle(target: Path, source: Path) -> None:
        if placed:
            raise KeyboardInterrupt
        placed.append(target)
        replace(target, source)

    monkeypatch.setattr(unpacking, "_replace", killed_in_the_middle)
    with pytest.raises(KeyboardInterrupt):
        carried.install()
    assert carried.there()["infra/a.py"] == b"a = 2\n"
    assert "tools/new" not in carried.there(), "half of it is in place"
    monkeypatch.setattr(unpacking, "_replace", replace)
    carried.install()
    assert carried.there() == {**INSTALLED, "infra/a.py": b"a = 2\n", "tools/new": b"new\n"}


def changed(name: str, content: bytes) -> Callable[[list[Member]], list[Member]]:
    return lambda members: [(known, content if known == name else old) for known, old in members]


@pytest.mark.parametrize(
    ("edit", "where", "found"),
    [
        (changed("weights/ab/small.gguf", b"GGUG" * 1000), "weights/ab/small.gguf", "SHA-256"),
        (changed("plan/order.json", b"{ }"), "plan/order.json", "SHA-256"),
        (
            changed(MANIFEST, b'{"version": 1, "stack": "edge", "site": "x", "files": {}}'),
            "manifest.sig",
            "not of the key",
        ),
        (lambda members: members[:-1], "x.bundle", "1 signed files less"),
        (lambda members: [*members, ("project/evil.py", b"")], "project/evil.py", "does not name"),
        (lambda members: [*members, members[-1]], "wheels/one.whl", "does not name"),
        (lambda members: members[1:], "x.bundle", "where `manifest.json` has to be"),
    ],
)
def test_what_is_not_as_it_was_signed_is_refused(
    carried: Carried, edit: Callable[[list[Member]], list[Member]], where: str, found: str
) -> None:
    carried.change(edit)
    with pytest.raises(Wrong) as wrong:
        carried.install()
    assert where in wrong.value.parts["where"]
    assert found in wrong.value.parts["found"]
    assert all(wrong.value.parts.values())
    assert all(name.startswith(INCOMING) for name in carried.there())


def test_the_signature_is_of_the_key_that_is_trusted(carried: Carried, monkeypatch: pytest.MonkeyPatch) -> None:
    carried.make(FILES, ANOTHER)
    with pytest.raises(Wrong, match="not of the key"):
        carried.install()
    assert not carried.into.exists()
    if shutil.which("openssl") is None:
        pytest.skip("no openssl, which stands in for `cryptography` on a new machine")
    for module in ("cryptography.exceptions", "cryptography.hazmat.primitives.serialization"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Wrong, match="not of the key"):
        carried.install()
    carried.make(FILES)
    carried.install()
    assert carried.there() == INSTALLED


@pytest.mark.parametrize("name", ["project/../../etc/passwd", "/etc/passwd", "etc/passwd", "project//x"])
def test_no_signed_name_leads_elsewhere(carried: Carried, name: str) -> None:
    carried.make({**FILES, name: b"x"})
    with pytest.raises(Wrong, match="another form"):
        carried.install()


def test_the_installer_needs_nothing_but_itself(carried: Carried) -> None:
    alone = shutil.copy(ROOT / "tools/bundle/unpack.py", carried.folder)
    command = [sys.executable, "-I", str(alone), str(carried.bundle), "--trust", str(carried.trust), "--no-up"]
    command += ["--into", str(carried.into)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=carried.folder)
    assert done.returncode == 0, done.stderr
    assert carried.there() == INSTALLED
    carried.change(changed("wheels/one.whl", b"whee1"))
    done = subprocess.run(command, capture_output=True, text=True, cwd=carried.folder)
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stderr.splitlines()[1:]] == ["where", "found", "allowed", "do"]


def test_a_small_cluster_gets_the_plugin_by_which_it_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / ".tools" / "pulumi" / "home"
    monkeypatch.setattr(contents, "ROOT", tmp_path)
    monkeypatch.setattr(contents, "HOME", home)
    assert list(contents.plugins([])) == []
    with pytest.raises(Problem, match="nothing") as problem:
        list(contents.plugins(["kubernetes"]))
    version = metadata.version("pulumi-kubernetes")
    assert f"pulumi plugin install resource kubernetes {version}" in str(problem.value)
    plugin = home / "plugins" / f"resource-kubernetes-v{version}" / "pulumi-resource-kubernetes"
    plugin.parent.mkdir(parents=True)
    plugin.write_bytes(b"plugin")
    ((name, path),) = contents.plugins(["kubernetes"])
    assert path == plugin
    # Where the box's own Pulumi looks for it.
    assert name == f"tools/{plugin.relative_to(tmp_path / '.tools').as_posix()}"


def test_the_project_of_a_bundle_is_what_deploys_and_no_stack_file() -> None:
    names = {name for name, _ in contents.project()}
    needed = {"infra/program.py", "tools/fleet/site", "serving_image/serving/launcher/__main__.py", "__main__.py"}
    assert {f"project/{name}" for name in (*needed, "requirements/local.txt", "Pulumi.yaml")} <= names
    assert not [name for name in names if name.endswith(".pyc") or name.startswith("project/Pulumi.edge")]
    assert {name.split("/")[0] for name in names} <= set(PLACES)
