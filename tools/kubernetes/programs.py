"""Which programs make the control plane of tests, which modules they are built from, and whether they are there."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tools.checkout import ROOT, TOOLS

FOLDER = ROOT / "tools" / "kubernetes"
INSTALLED = TOOLS / "kubernetes"

_VERSION = "k8s.io/component-base/version"


@dataclass(frozen=True)
class Source:
    """A Go module with a folder and a go.mod of its own (version selection shared with others breaks its pins)."""

    folder: Path
    module: str
    programs: tuple[tuple[str, str], ...]
    """Name of the program → the package that it is built from."""

    @property
    def version(self) -> str:
        """The version that go.mod requires."""
        required = re.search(
            rf"^(?:require|\t| )*{re.escape(self.module)} v(\S+)",
            (self.folder / "go.mod").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
        assert required, f"{self.folder / 'go.mod'} requires no {self.module}"
        return required[1]

    @property
    def link_options(self) -> str:
        """Small programs that tell the version they were built from: kubectl and clients ask an API server for it."""
        if self.module != KUBERNETES.module:
            return "-s -w"
        major, minor, _ = self.version.split(".", 2)
        values = {"gitVersion": f"v{self.version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        return " ".join(["-s -w", *(f"-X {_VERSION}.{name}={value}" for name, value in values.items())])


KUBERNETES = Source(
    FOLDER / "control_plane",
    "k8s.io/kubernetes",
    tuple(
        (name, f"k8s.io/kubernetes/cmd/{name}")
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    ),
)
ETCD = Source(FOLDER / "etcd", "go.etcd.io/etcd/server/v3", (("etcd", "go.etcd.io/etcd/server/v3"),))
KWOK = Source(FOLDER / "kwok", "sigs.k8s.io/kwok", (("kwok", "sigs.k8s.io/kwok/cmd/kwok"),))
# Of Prometheus' operator only the module with its Go types can be had: its definitions are generated from them.
MONITORING = Source(FOLDER / "monitoring", "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring", ())
SOURCES = (ETCD, KWOK, KUBERNETES)  # the long one last
# Kept apart: another version of it builds nothing else again.
KEDA = Source(
    FOLDER / "keda",
    "github.com/kedacore/keda/v2",
    tuple((f"keda-{name}", f"github.com/kedacore/keda/v2/cmd/{name}") for name in ("operator", "adapter")),
)


def home() -> Path:
    """Where the programs are, or are to be."""
    return INSTALLED / KUBERNETES.version


def installed() -> Path | None:
    """The folder of the programs, where all of them are there in the versions that are pinned."""
    folder = home()
    try:
        built = (folder / "versions").read_text(encoding="utf-8")
    except OSError:
        return None  # not there, or put there by something that did not finish
    names = [name for source in SOURCES for name, _ in source.programs]
    whole = all(os.access(folder / "bin" / name, os.X_OK) for name in names) and definitions().is_dir()
    return folder / "bin" if built == versions() and whole else None


def keda_home() -> Path:
    """Where KEDA's programs are, or are to be."""
    return INSTALLED / f"keda-{KEDA.version}"


def keda() -> Path | None:
    """The folder of KEDA's operator and adapter, where both are there."""
    folder = keda_home()
    return folder if all(os.access(folder / name, os.X_OK) for name, _ in KEDA.programs) else None


def definitions() -> Path:
    """The folder with the generated custom resource definitions."""
    return home() / "definitions"


def versions() -> str:
    """What is pinned, one module a line."""
    return "".join(f"{source.module} {source.version}\n" for source in (*SOURCES, MONITORING))
