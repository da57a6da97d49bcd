"""How far releases are at a site of this machine: a file, and a judge that runs while somebody lets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infra.plan.types import SitePlan
from infra.platforms.local.private_files import explained, make_private, write_private
from infra.platforms.local.run_time_file import change, text_of
from infra.platforms.local.state import state_folder
from infra.problems import Problem, Refused, listing
from infra.releases.base import FILE, released

RULES, QUESTIONS = "release-rules.json", "release-questions.json"
# One gateway of this machine: asking it costs nothing.
LOOK_SECONDS = 2


class LocalReleases:
    """Implements `Releases`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, stack: str, site: str, plan: SitePlan, context: str | None) -> str:
        del plan, context
        return text_of(self._file(stack, site)) or ""

    def change(self, stack: str, site: str, plan: SitePlan, context: str | None, to: Callable[[str], str]) -> str:
        del plan, context
        change(self._file(stack, site), lambda text: to(text or ""))
        return "the gateway knows within seconds"

    def judge(
        self,
        root: Path,
        stack: str,
        site: str,
        plan: SitePlan,
        rules: Mapping[str, Any],
        questions: Mapping[str, Any] | None,
    ) -> int | None:
        asked = [one["evaluation"] for one in released(rules).values() if "evaluation" in one]
        if asked and questions is None:
            problem = Problem(
                where="--asking",
                found=f"nothing, and {listing(asked)} to ask before each step",
                allowed="a file that says where and with whose keys candidates are asked",
                remedy=f"judge with `make release STACK={stack}`, which writes it",
            )
            raise Refused("the command", [problem])
        file = self._file(stack, site)
        told, asks = file.with_name(RULES), file.with_name(QUESTIONS)
        with explained(file.parent):
            make_private(file.parent)
            write_private(told, json.dumps(rules, indent=2).encode())
            write_private(asks, json.dumps(questions or {}, indent=2).encode())
        gateway = plan.details.specification["gateway"]
        command = [
            *(sys.executable, "-m", "serving.release", "--rules", str(told), "--state", str(file)),
            *("--gateways", f"http://{gateway['operations_address']}:{gateway['operations_port']}"),
            *("--every-seconds", str(LOOK_SECONDS), "--until-decided", "--questions", str(asks)),
        ]
        return subprocess.run(
            command, env={**os.environ, "PYTHONPATH": str(root / "serving_image")}, check=False
        ).returncode

    def _file(self, stack: str, site: str) -> Path:
        return self.root / state_folder(f"{stack}/{site}") / FILE
