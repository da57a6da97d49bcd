"""A Pulumi project of a test's own: real CLI, state in a folder, and our `kubernetes` plugin in a home of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tools.checkout import ROOT, VENV

PLUGIN = "tests.cluster.kubernetes_plugin"
COMMAND_SECONDS = 100


def wheel_version() -> str | None:
    """The version of pulumi-kubernetes that is installed here; its plugin is looked for under the same one."""
    found = importlib.util.find_spec("pulumi_kubernetes")
    if found is None or found.origin is None:
        return None
    return json.loads((Path(found.origin).parent / "pulumi-plugin.json").read_text())["version"]


def install_plugin(home: Path, version: str, commands: Path | None = None) -> Path:
    """Put the plugin where the engine looks for it; returns the executable. What is in `commands` it finds before
    anything else, whatever becomes of `PATH` on the way to it."""
    folder = home / "plugins" / f"resource-kubernetes-v{version}"
    folder.mkdir(parents=True)
    program = folder / "pulumi-resource-kubernetes"
    environment = shlex.quote(f"PYTHONPATH={ROOT}")
    command = shlex.join([str(VENV / "bin" / "python"), "-m", PLUGIN, "--version", version])
    # Its own name stays on the command line: whoever looks for this Pulumi home's plugins finds it.
    first = f'PATH={shlex.quote(str(commands))}:"$PATH" ' if commands else ""
    program.write_text(f'#!/bin/sh\nexec env {first}{environment} {command} "$0" "$@"\n')
    program.chmod(0o755)
    return program


class Project:
    """One program and one stack, `tests`. The kubeconfig reaches provider and plugin by the environment."""

    def __init__(self, folder: Path, command_line: Path, version: str, kubeconfig: Path) -> None:
        self.folder, self._kubeconfig = folder, kubeconfig
        self._command_line, self._home = command_line, folder / "home"
        self._program = folder / "program"
        for made in (self._program, folder / "state"):
            made.mkdir(parents=True)
        install_plugin(self._home, version)
        options = {"toolchain": "pip", "virtualenv": str(VENV)}
        project = {"name": "tests", "runtime": {"name": "python", "options": options}}
        (self._program / "Pulumi.yaml").write_text(yaml.safe_dump(project))
        self.configure()
        self.stack_exists = False

    def write(self, program: str) -> None:
        """The program, as Python."""
        (self._program / "__main__.py").write_text(program)

    def configure(self, **values: Any) -> None:
        """Values that the program reads with `pulumi.Config()`; what another call gave is forgotten."""
        config = {
            f"tests:{name}": value if isinstance(value, str) else json.dumps(value) for name, value in values.items()
        }
        config["pulumi:disable-default-providers"] = '["kubernetes"]'
        file = self._program / "Pulumi.tests.yaml"
        kept = yaml.safe_load(file.read_text()) if file.exists() else {}  # the salt of the stack's secrets
        file.write_text(yaml.safe_dump(kept | {"config": config}))

    def run(self, *arguments: str, check: bool = True) -> str:
        """Runs the CLI; returns what it printed on both streams. `check=False` says that it has to fail."""
        if not self.stack_exists:
            self.stack_exists = True
            self.run("stack", "init", "tests")
        done = subprocess.run(
            [str(self._command_line / "pulumi"), "--non-interactive", "--color=never", *arguments],
            cwd=self._program,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        assert (done.returncode == 0) is check, f"pulumi {' '.join(arguments)}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def preview(self, *arguments: str, check: bool = True) -> str:
        return self.run("preview", "--diff", *arguments, check=check)

    def up(self, *arguments: str, check: bool = True) -> str:
        return self.run("up", "--yes", "--skip-preview", *arguments, check=check)

    def refresh(self, *arguments: str) -> str:
        return self.run("refresh", "--yes", "--skip-preview", *arguments)

    def destroy(self) -> str:
        return self.run("destroy", "--yes", "--skip-preview")

    def outputs(self) -> dict[str, Any]:
        return json.loads(self.run("stack", "output", "--json"))

    def state(self) -> str:
        """The state file's text."""
        return (self.folder / "state" / ".pulumi" / "stacks" / "tests" / "tests.json").read_text()

    def _environment(self) -> dict[str, str]:
        """Ours, but with no login, backend or passphrase of the person who runs the tests."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "KUBE"))}
        return kept | {
            "HOME": str(self.folder),
            "PATH": f"{self._command_line}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "KUBECONFIG": str(self._kubeconfig),
            "PULUMI_HOME": str(self._home),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "tests",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }
