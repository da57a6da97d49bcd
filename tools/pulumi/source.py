"""Builds the Pulumi CLI from its Go modules and puts the project's own Python language host beside it."""

import os
from pathlib import Path

from tools import go, progress
from tools.problem import Problem
from tools.pulumi.command_line import LANGUAGE_HOST, MODULES

COMMAND = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
SDK = "github.com/pulumi/pulumi/sdk/v3"


def build(version: str, folder: Path) -> str:
    """Put the four programs into `folder`. Returns the origin, `source`."""
    program, environment = _go(), go.environment()
    link = f"-s -w -X {SDK}/go/common/version.Version=v{version}"
    options = [*go.BUILD, "-tags=osusergo,grpcnotrace", f"-ldflags={link}"]
    try:
        with progress.step(f"building Pulumi {version} from its Go modules", "4 to 5 min on 2 cores, once"):
            progress.run(
                [program, "build", *options, "-o", str(folder / "pulumi"), COMMAND],
                cwd=MODULES,
                environment=environment,
            )
            sdk = progress.run(
                [program, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", SDK], cwd=MODULES, environment=environment
            )
    except progress.Failed as failure:
        full = "no space left" in str(failure)
        raise Problem(
            where="tools/pulumi/go.mod",
            found=str(failure),
            allowed="about 4 GiB for Go's module and build caches (go env GOMODCACHE GOCACHE)"
            if full
            else "a build of the modules in tools/pulumi/go.sum",
            do="Free some space, then run the same command again."
            if full
            else "Check that Go's module proxy can be reached (go env GOPROXY), or put a Pulumi CLI on PATH.",
        ) from None
    python = Path(sdk.strip()) / "python"
    for name in ("cmd/pulumi-language-python-exec", "dist/pulumi-resource-pulumi-python"):
        _executable(folder / Path(name).name, (python / name).read_bytes())
    refresh(folder)
    return "source"


def refresh(folder: Path) -> None:
    """Let the CLI in `folder` start the language host as this checkout has it now."""
    wanted, host = (MODULES / "language_host.sh").read_bytes(), folder / LANGUAGE_HOST
    if not host.exists() or host.read_bytes() != wanted:
        _executable(host, wanted)


def _executable(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.chmod(0o755)
    temporary.replace(path)  # in one step: the engine may be starting it


def _go() -> str:
    try:
        return go.program(MODULES)
    except go.Missing as missing:
        raise Problem(
            where="your PATH",
            found=f"no Pulumi CLI that fits, no release that can be downloaded, and {missing.found} to build one",
            allowed=f"a Pulumi CLI 3.250 or newer with {LANGUAGE_HOST}, or {missing.oldest}",
            do="Install Go (or the Pulumi CLI) and run the same command again, or run it where get.pulumi.com answers.",
        ) from None
