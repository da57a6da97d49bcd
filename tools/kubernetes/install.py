"""Installs the control plane and KEDA that tests run: builds them from their Go modules into .tools/kubernetes."""

import os
import re
import shutil
from pathlib import Path

from tools import go, progress
from tools.checkout import ROOT, one_at_a_time, replace_folder, require_room
from tools.kubernetes import modules
from tools.kubernetes.programs import (
    INSTALLED,
    KEDA,
    KUBERNETES,
    MONITORING,
    SOURCES,
    Source,
    home,
    installed,
    keda,
    keda_home,
    versions,
)
from tools.problem import Problem, run

MONITORING_KINDS = ("podmonitors", "servicemonitors", "prometheusrules")
LEAST_PRIORITY = 19  # a build of minutes must not slow down what else this machine does


def main(arguments: list[str]) -> int:
    """Install if needed; the last line is the folder that holds the programs."""
    del arguments
    print(install())
    return 0


def install() -> Path:
    """The folder with etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok."""
    folder = installed() or _install()
    if keda() is None:
        _install_keda()
    modules.folders()  # the custom resources that tests load; in Go's module cache, so at once when they are there
    return folder


def _install() -> Path:
    require_room(INSTALLED, 400, "the Kubernetes control plane of the tests")
    with one_at_a_time("kubernetes"):
        if already := installed():  # by the process that we have waited for
            return already
        unfinished = INSTALLED / f".{KUBERNETES.version}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)  # of an installation that was killed
        (unfinished / "bin").mkdir(parents=True)
        try:
            for source in SOURCES:
                _build(source, unfinished / "bin")
            _generate(unfinished / "definitions")
            (unfinished / "versions").write_text(versions(), encoding="utf-8")
            replace_folder(home(), unfinished)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    complete = installed()
    assert complete, f"{home()} was just installed, yet is not complete"
    return complete


def _install_keda() -> None:
    require_room(INSTALLED, 400, "KEDA for the tests")
    with one_at_a_time("kubernetes"):
        if keda():  # by the process that we have waited for
            return
        unfinished = INSTALLED / f".keda-{KEDA.version}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)  # of an installation that was killed
        unfinished.mkdir(parents=True)
        try:
            _build(KEDA, unfinished)
            replace_folder(keda_home(), unfinished)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _build(source: Source, folder: Path) -> None:
    usually = "4 to 6 min on 2 cores, once" if source in (KUBERNETES, KEDA) else "10 to 60 s, once"
    with progress.step(f"building {source.module} {source.version} from its Go modules", usually):
        # All at once: while one is linked, which takes one core, the next is compiled.
        packages = [package for _, package in source.programs]
        _go(source, "build", *go.BUILD, f"-ldflags={source.link_options}", "-o", f"{folder}/", *packages)
    for name, package in source.programs:
        built = folder / _program(package)
        if built.name != name:
            built.rename(folder / name)


def _program(package: str) -> str:
    """What Go calls the program of a package: the last part of its path that is not a version."""
    parts = [part for part in package.split("/") if not re.fullmatch(r"v[0-9]+", part)]
    return parts[-1]


def _generate(folder: Path) -> None:
    """The definitions of the custom resources that a stack makes for Prometheus' operator."""
    folder.mkdir()
    paths = f"paths={MONITORING.module}/v1"
    with progress.step(f"generating definitions from {MONITORING.module} {MONITORING.version}", "30 s, once"):
        _go(MONITORING, "tool", "controller-gen", "crd", paths, f"output:crd:dir={folder}")
    for path in folder.iterdir():
        if path.stem.removeprefix("monitoring.coreos.com_") not in MONITORING_KINDS:
            path.unlink()


def _go(source: Source, command: str, *arguments: str) -> None:
    os.nice(LEAST_PRIORITY - os.nice(0))
    try:
        progress.run(
            [modules.go_program(source.folder), command, *arguments], cwd=source.folder, environment=go.environment()
        )
    except progress.Failed as failure:
        full = "no space left" in str(failure)
        raise Problem(
            where=str((source.folder / "go.mod").relative_to(ROOT)),
            found=str(failure),
            allowed="about 4 GiB for Go's module and build caches (go env GOMODCACHE GOCACHE)"
            if full
            else f"a build of the modules in {(source.folder / 'go.sum').relative_to(ROOT)}",
            do="Free some space, then run the same command again."
            if full
            else "Check that Go's module proxy can be reached (go env GOPROXY), then run the same command again.",
        ) from None


if __name__ == "__main__":
    run(main)
