"""`make up` and `make down` with the real CLI and a stand-in project: what a person sees, and what is left behind."""

import os
import re
import shlex
import stat
import time
from pathlib import Path

import pytest
from conftest import Checkout  # pyright: ignore[reportMissingImports]

pytestmark = pytest.mark.timeout(180)


def test_up_again_and_down_again(checkout: Checkout) -> None:
    first = checkout.run("make", "up")
    assert "The endpoint is up: http://127.0.0.1:8420/v1" in first
    assert "  status page: http://127.0.0.1:8422/" in first
    assert "key of client dev: key-of-the-toy   (shown this once)" in first
    command = next(line.strip() for line in first.splitlines() if line.strip().startswith("curl "))
    assert shlex.split(command)[3:5] == ["-H", "Authorization: Bearer key-of-the-toy"]
    assert '"messages":[{"role":"user","content":"Tell me the capital of France."}],"temperature":0' in command

    started = time.monotonic()
    second = checkout.run("make", "up")
    assert time.monotonic() - started < 10
    assert "2 unchanged" in second
    assert "key-of-the-toy" not in second
    command = next(line.strip() for line in second.splitlines() if line.strip().startswith("curl "))
    # The curl of a later run reads the key itself: let the shell expand it.
    assert "Bearer key-of-the-toy" in checkout.run("sh", "-c", command.replace("curl -s", "printf '%s '", 1))
    reading = next(line.strip() for line in second.splitlines() if "--show-secrets" in line)
    assert checkout.run("sh", "-c", reading).strip() == '{"dev":"key-of-the-toy"}'

    assert "1 resource(s) up" in checkout.run("make", "clean", status=2)

    down = checkout.run("make", "down")
    assert "Stack dev is down." in down
    assert "What remains: .venv, .tools, .slipway" in down
    assert checkout.resources() == []
    again = checkout.run("make", "down")
    assert "Nothing is up" in again

    assert checkout.run("git", "status", "--porcelain") == "", "a tool has changed a tracked file"
    assert checkout.processes() == []


def test_what_is_protected_is_said_before_anything_is_deleted(checkout: Checkout) -> None:
    checkout.configure(seconds="0", protect="true")
    checkout.run("make", "up")
    before = checkout.deployment()["resources"]
    refused = checkout.run("make", "down", status=2)
    assert "where    stack dev" in refused
    assert re.search(r"found    1 protected, and nothing was deleted:\n +\S+ thing\n", refused)
    assert "write `deletion_protection: false`" in refused
    assert "Traceback" not in refused
    assert checkout.deployment()["resources"] == before
    assert "delete" not in checkout.steps()
    checkout.configure(seconds="0", protect="false")
    checkout.run("make", "up")
    assert "Stack dev is down." in checkout.run("make", "down")
    assert "delete" in checkout.steps()


def test_state_and_passphrase_are_private(checkout: Checkout) -> None:
    checkout.run("tools/up")
    own = checkout.root / ".slipway"
    assert stat.S_IMODE(own.stat().st_mode) == 0o700
    for name in ("passphrase", "Pulumi.dev.yaml", "state/.pulumi/stacks/toy/dev.json", "shown.dev.json"):
        assert stat.S_IMODE((own / name).stat().st_mode) == 0o600, name
    assert "encryptionsalt" in (own / "Pulumi.dev.yaml").read_text()
    assert "encryptionsalt" not in (checkout.root / "Pulumi.dev.yaml").read_text()
    assert "key-of-the-toy" not in (own / "state/.pulumi/stacks/toy/dev.json").read_text().replace(
        "key-of-the-toy", "", 1
    ), "the exported key must be encrypted (the toy's own resource property is not a secret)"
    checkout.run("tools/down")


def test_down_where_nothing_ever_was(bare: Checkout) -> None:
    assert "Nothing is up" in bare.run("tools/down")
    assert not (bare.root / ".venv").exists()
    assert not (bare.root / ".slipway").exists()


def test_an_unknown_stack(checkout: Checkout) -> None:
    printed = checkout.run("tools/up", "prod", status=1)
    assert "where    Pulumi.prod.yaml" in printed
    assert "allowed  a stack of this checkout: dev" in printed


def test_a_backend_of_the_user_is_left_alone(checkout: Checkout, tmp_path: Path) -> None:
    state = tmp_path / "elsewhere"
    state.mkdir()
    backend = {"PULUMI_BACKEND_URL": state.as_uri(), "PULUMI_CONFIG_PASSPHRASE": "theirs"}
    printed = checkout.run("tools/up", **backend)
    assert "key of client dev" in printed
    assert (state / ".pulumi" / "stacks" / "toy" / "dev.json").exists()
    assert not (checkout.root / ".slipway" / "state").exists()
    assert not (checkout.root / ".slipway" / "passphrase").exists()
    checkout.run("tools/down", **backend)


def test_a_stack_whose_creation_was_cut_off(checkout: Checkout) -> None:
    checkout.run("tools/up")
    salt = re.search("encryptionsalt: .*", (checkout.root / ".slipway/Pulumi.dev.yaml").read_text())
    assert salt
    # Killed after the salt was written, before the state was.
    checkout.run("tools/down")
    (checkout.root / ".slipway/state/.pulumi/stacks/toy/dev.json").unlink()
    checkout.run("tools/up")
    assert salt[0] in (checkout.root / ".slipway/Pulumi.dev.yaml").read_text()
    # The other way round: the state is there, what was kept beside it is not.
    for path in (checkout.root / ".slipway/stacks/dev").iterdir():
        path.unlink()
    (checkout.root / ".slipway/Pulumi.dev.yaml").unlink()
    assert "2 unchanged" in checkout.run("tools/up")
    assert salt[0] in (checkout.root / ".slipway/Pulumi.dev.yaml").read_text()
    checkout.run("tools/down")


def test_a_failing_program_is_told_without_a_traceback_of_the_tools(checkout: Checkout) -> None:
    main = checkout.root / "__main__.py"
    main.write_text('import pulumi\nraise pulumi.RunError("the model is not known")\n')
    printed = checkout.run("tools/up", status=1)
    assert "the model is not known" in printed
    assert "where    stack dev" in printed
    assert "Traceback" not in printed
    assert os.listdir(checkout.root / ".slipway/state/.pulumi/locks/organization/toy/dev") == []
