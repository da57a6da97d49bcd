"""`python -m serving.launcher.health FOLDER`: 0 when what the launcher there runs answers, else 1 and the reason.

For runtimes that ask by a command (Docker's HEALTHCHECK). Kubernetes asks the gateway and the engine themselves.
"""

from __future__ import annotations

import http.client
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ANSWER_SECONDS = 5.0
SERVING = ("ready", "draining")


def main(arguments: list[str]) -> int:
    problem = problem_of(Path(arguments[0]))
    if problem:
        sys.stderr.write(f"{problem}\n")
    return 1 if problem else 0


def problem_of(folder: Path) -> str:
    """Why what runs there does not serve; empty when it does."""
    try:
        status: dict[str, Any] = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return f"{folder / 'status.json'}: {error}"
    if status["state"] not in SERVING:
        return f"{status['state']}: {status['step'] or status['problem']}"
    # While it drains, it says that it is not ready: that is for whoever sends requests, not for who would end it.
    answers: list[str] = status["answers"] if status["state"] == "ready" else []
    return "; ".join(said for url in answers if (said := _asked(url)))


def _asked(url: str) -> str:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", parts.path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {error}"
    finally:
        connection.close()
    return "" if status == http.HTTPStatus.OK else f"{url}: HTTP {status}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
