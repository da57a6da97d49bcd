"""What the workflows `deploy` and `drift` run, on a stack that is up: who answers, what was before, what drifted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.engine.checkout import Checkout

pytestmark = pytest.mark.timeout(300)


def git(checkout: Checkout, *arguments: str) -> str:
    return checkout.run("git", "-c", "user.name=A", "-c", "user.email=a@example.com", *arguments)


def tool(checkout: Checkout, command: str, check: bool = True) -> str:
    return checkout.run("sh", "-ec", f'eval "$(tools/pulumi/env)"\n{command}', check=check)


def commit(checkout: Checkout) -> str:
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--allow-empty", "--message", "more")
    return git(checkout, "rev-parse", "HEAD").strip()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Checkout, str]]:
    """A checkout under git that is up, with the commit that it was deployed from."""
    made = Checkout(tmp_path_factory.mktemp("deployed") / "checkout")
    git(made, "init", "--quiet", "--initial-branch=main")
    ignored = ".venv\n.tools\n.slipway/\n.cache/\n.config/\n.local/\n.pulumi/\n__pycache__/\n"
    Path(made.folder, ".gitignore").write_text(ignored)
    first = commit(made)
    made.up()
    yield made, first
    made.close()


def test_every_model_is_asked_through_the_endpoint(deployed: tuple[Checkout, str]) -> None:
    checkout, _ = deployed
    assert f"{checkout.endpoint} answers: chat" in tool(checkout, "tools/deploy/smoke --stack dev --seconds 30")


def test_a_stack_as_it_was_deployed_has_no_drift(deployed: tuple[Checkout, str]) -> None:
    checkout, _ = deployed
    assert "dev is as it was deployed" in tool(checkout, "tools/deploy/drift --stack dev --output drift.md")
    git(checkout, "checkout", "--quiet", "Pulumi.dev.yaml")


def test_the_commit_that_is_deployed_is_known_and_stays_so_when_the_next_one_fails(
    deployed: tuple[Checkout, str],
) -> None:
    checkout, first = deployed
    assert tool(checkout, "tools/deploy/deployed --stack dev").strip() == first

    checkout.change(lambda deployment: deployment["models"]["chat"]["source"].update(sha256="0" * 64))
    second = commit(checkout)
    assert second != first
    checkout.up(check=False)
    assert tool(checkout, "tools/deploy/deployed --stack dev").strip() == first

    git(checkout, "checkout", "--quiet", "--detach", first)
    checkout.up()
    assert "answers: chat" in tool(checkout, "tools/deploy/smoke --stack dev --seconds 30")


def test_what_was_killed_is_drift_and_does_not_answer(deployed: tuple[Checkout, str]) -> None:
    checkout, _ = deployed
    for process in checkout.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    printed = tool(checkout, "tools/deploy/drift --stack dev --output drift.md", check=False)
    assert "`dev` is not as it was deployed" in printed, printed
    assert "slipway:ProcessGroup" in Path(checkout.folder, "drift.md").read_text()
    said = tool(checkout, "tools/deploy/smoke --stack dev --seconds 0", check=False)
    assert "every model answers who shows a key" in said
    assert "Traceback" not in said
