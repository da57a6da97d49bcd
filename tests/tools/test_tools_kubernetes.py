"""How the control plane of tests is built: once, whole or not at all, and again when a version is changed."""

from pathlib import Path

import pytest
from conftest import Checkout  # pyright: ignore[reportMissingImports]

PROGRAMS = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"}
KEDA = {"keda-operator", "keda-adapter"}

# Stands in for Go: tells its version, "builds" by writing each program into the folder after -o, knows its modules.
GO = """
case $1 in
env) echo go1.99.0 ;;
mod) printf '{\\n\\t"Path": "m",\\n\\t"Dir": "/m"\\n}\\n{\\n\\t"Path": "sigs.k8s.io/kwok",\\n\\t"Dir": "/k"\\n}\\n' ;;
tool) cd "${5#output:crd:dir=}" && echo >monitoring.coreos.com_podmonitors.yaml && echo >of_no_use.yaml ;;
build)
    told=$*
    while [ "$1" != -o ]; do shift; done
    folder=$2; shift 2
    for package; do
        echo "$PWD $package $told" >>"$BUILT"
        package=${package%/v[0-9]}
        echo >"$folder${package##*/}"; chmod +x "$folder${package##*/}"
    done ;;
esac
"""


@pytest.fixture
def built(bare: Checkout, tmp_path: Path) -> Path:
    """What the stand-in for Go was asked to build, one line each; it comes first on PATH."""
    program = tmp_path / "bin" / "go"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nBUILT='{tmp_path}/built'\n{GO}")
    program.chmod(0o755)
    bare.environment["PATH"] = f"{program.parent}:{bare.environment['PATH']}"
    return tmp_path / "built"


def test_it_builds_once_and_says_where(bare: Checkout, built: Path) -> None:
    printed = bare.run("tools/kubernetes/install")
    assert "building k8s.io/kubernetes 1.35.1 from its Go modules (usually 4 to 6 min on 2 cores, once)" in printed
    folder = Path(printed.splitlines()[-1])
    assert folder == bare.root / ".tools" / "kubernetes" / "1.35.1" / "bin"
    assert {path.name for path in folder.iterdir()} == PROGRAMS
    assert [path.name for path in (folder.parent / "definitions").iterdir()] == [
        "monitoring.coreos.com_podmonitors.yaml"
    ]
    assert "building github.com/kedacore/keda/v2 2.20.2 from its Go modules (usually 4 to 6 min on 2 cores" in printed
    keda = bare.root / ".tools" / "kubernetes" / "keda-2.20.2"
    assert {path.name for path in keda.iterdir()} == KEDA
    lines = built.read_text().splitlines()
    assert len(lines) == len(PROGRAMS | KEDA)
    assert all("-mod=readonly" in line for line in lines)
    assert sum("version.gitVersion=v1.35.1" in line for line in lines) == 3
    assert bare.run("tools/kubernetes/install") == f"{folder}\n"
    assert len(built.read_text().splitlines()) == len(PROGRAMS | KEDA)


def test_another_keda_builds_nothing_else_again(bare: Checkout, built: Path) -> None:
    bare.run("tools/kubernetes/install")
    modules = bare.root / "tools" / "kubernetes" / "keda" / "go.mod"
    modules.write_text(modules.read_text().replace("keda/v2 v2.20.2", "keda/v2 v2.20.3"))
    printed = bare.run("tools/kubernetes/install")
    assert "building github.com/kedacore/keda/v2 2.20.3" in printed
    assert len(built.read_text().splitlines()) == len(PROGRAMS) + 2 * len(KEDA)


def test_another_version_is_built_again(bare: Checkout, built: Path) -> None:
    bare.run("tools/kubernetes/install")
    modules = bare.root / "tools" / "kubernetes" / "kwok" / "go.mod"
    modules.write_text(modules.read_text().replace("sigs.k8s.io/kwok v0.8.0", "sigs.k8s.io/kwok v0.8.1"))
    assert "building sigs.k8s.io/kwok 0.8.1" in bare.run("tools/kubernetes/install")


def test_a_program_that_is_gone_is_built_again(bare: Checkout, built: Path) -> None:
    folder = Path(bare.run("tools/kubernetes/install").splitlines()[-1])
    (folder / "kwok").unlink()
    bare.run("tools/kubernetes/install")
    assert {path.name for path in folder.iterdir()} == PROGRAMS


def test_a_build_that_fails_leaves_nothing(bare: Checkout, built: Path, tmp_path: Path) -> None:
    go = tmp_path / "bin" / "go"
    go.write_text("#!/bin/sh\ncase $1 in env) echo go1.99.0 ;; *) echo 'module lookup failed' >&2; exit 1 ;; esac\n")
    printed = bare.run("tools/kubernetes/install", status=1)
    assert "where    tools/kubernetes/etcd/go.mod" in printed
    assert "found    module lookup failed" in printed
    assert "allowed  a build of the modules in tools/kubernetes/etcd/go.sum" in printed
    assert "do       Check that Go's module proxy can be reached" in printed
    assert [path.name for path in (bare.root / ".tools" / "kubernetes").iterdir()] == []


def test_too_old_a_go(bare: Checkout, built: Path, tmp_path: Path) -> None:
    (tmp_path / "bin" / "go").write_text("#!/bin/sh\necho go1.21.3\n")
    printed = bare.run("tools/kubernetes/install", status=1)
    assert "found    go1.21.3 to build the Kubernetes control plane of the tests" in printed
    assert "allowed  Go 1.26 or newer" in printed
