"""The environment that pulumi runs in: an existing login or backend is respected, else all is in the checkout."""

import json
import os
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.checkout import LOCAL, TOOLS, private_folder, write_private
from tools.problem import run
from tools.pulumi.command_line import CommandLine
from tools.pulumi.install import install

HOME = TOOLS / "pulumi" / "home"
STATE = LOCAL / "state"
PASSPHRASE = LOCAL / "passphrase"


@dataclass(frozen=True)
class Environment:
    """What is added to the process environment, and whether the state is kept in this checkout (`own_state`)."""

    variables: dict[str, str]
    own_state: bool

    def complete(self) -> dict[str, str]:
        """The whole environment for a child process."""
        return dict(os.environ) | self.variables


def main(arguments: list[str]) -> int:
    """Print `export` lines for `eval "$(tools/pulumi/env)"`."""
    del arguments
    environment = compute(install(), os.environ)
    if environment.own_state:
        prepare(environment)
    for name, value in environment.variables.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def compute(command_line: CommandLine, given: Mapping[str, str]) -> Environment:
    """What to add to the environment `given` for this CLI. Writes nothing."""
    variables = {"PATH": _first_on_path(command_line.folder, given), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    if command_line.origin == "source":
        # Our language host needs no plugins for the dev stack, and whoever had to build the CLI cannot download any.
        variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    if _has_backend(given):
        return Environment(variables, own_state=False)
    variables["PULUMI_HOME"] = str(HOME)
    variables["PULUMI_BACKEND_URL"] = STATE.as_uri()
    variables["PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER"] = "true"
    if "PULUMI_CONFIG_PASSPHRASE" not in given:
        variables["PULUMI_CONFIG_PASSPHRASE_FILE"] = given.get("PULUMI_CONFIG_PASSPHRASE_FILE") or str(PASSPHRASE)
    return Environment(variables, own_state=True)


def prepare(environment: Environment) -> None:
    """Make the folders and the passphrase that an environment with its own state names."""
    for folder in (LOCAL, STATE, HOME):
        private_folder(folder)
    if environment.variables.get("PULUMI_CONFIG_PASSPHRASE_FILE") == str(PASSPHRASE) and not _holds_text(PASSPHRASE):
        write_private(PASSPHRASE, secrets.token_urlsafe(32) + "\n")


def _has_backend(given: Mapping[str, str]) -> bool:
    """Whether the user has chosen where state is kept: by URL, by token or by `pulumi login`."""
    backend = given.get("PULUMI_BACKEND_URL", "")
    if backend:
        return backend != STATE.as_uri()  # ours where `eval "$(tools/pulumi/env)"` has set it
    if given.get("PULUMI_ACCESS_TOKEN"):
        return True
    home = Path(given.get("PULUMI_HOME") or Path(given.get("HOME", "/")) / ".pulumi")
    try:
        credentials = json.loads((home / "credentials.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(credentials, dict) and bool(credentials.get("current"))


def _first_on_path(folder: Path, given: Mapping[str, str]) -> str:
    path = given.get("PATH", os.defpath)
    return path if path.split(os.pathsep)[0] == str(folder) else f"{folder}{os.pathsep}{path}"


def _holds_text(path: Path) -> bool:
    try:
        return bool(path.read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    run(main)
