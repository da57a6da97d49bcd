"""A project of Google Cloud, as the credentials of this machine reach it: reads only, each with a time limit.

The token is the one that deployments use: `GOOGLE_OAUTH_ACCESS_TOKEN`, or the application default credentials as
`gcloud` knows them (its own file, a service account's, or those of a machine at Google). Plain HTTPS needs no library.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

ORIGIN = "https://{api}.googleapis.com"
TOKEN_VARIABLE = "GOOGLE_OAUTH_ACCESS_TOKEN"  # noqa: S105 - the variable's name
TOKEN_COMMAND = ("gcloud", "auth", "application-default", "print-access-token")
ANSWER_SECONDS, TOKEN_SECONDS = 15, 60
WORDS = 300
Reason = Literal["credentials", "network", "refused"]


class Unanswered(Exception):
    """Google was not reached, there is no token, or it refused; its text is for a user. `status` is that of HTTP, None
    where it did not answer."""

    def __init__(self, reason: Reason, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.reason, self.status = reason, status


class Project:
    """Asks as whoever is signed in here. What is asked is paid for by the project itself, as deployments have it."""

    def __init__(self, project: str, token: str) -> None:
        self.project, self._token = project, token

    @classmethod
    def of(cls, project: str) -> Project:
        """Raises Unanswered without credentials."""
        return cls(project, os.environ.get(TOKEN_VARIABLE) or _token())

    def ask(self, api: str, path: str, **query: str | list[str]) -> Any:
        """One answer of `https://API.googleapis.com/PATH`. Raises Unanswered."""
        url = f"{ORIGIN.format(api=api)}/{path}{f'?{urlencode(query, doseq=True)}' if query else ''}"
        headers = {"authorization": f"Bearer {self._token}", "x-goog-user-project": self.project}
        try:
            with urlopen(Request(url, headers=headers), timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - https, by ORIGIN
                return json.load(answer)
        except HTTPError as error:
            with error:
                said = _message(error.read())
            reason: Reason = "credentials" if error.code == 401 else "refused"
            raise Unanswered(reason, f"HTTP {error.code}{f': {said}' if said else ''}", error.code) from None
        except (OSError, ValueError) as error:
            raise Unanswered("network", _first_line(str(error) or type(error).__name__)) from None

    def find(self, api: str, path: str) -> Any:
        """None where there is no such thing. Raises Unanswered."""
        try:
            return self.ask(api, path)
        except Unanswered as answer:
            if answer.status == 404:
                return None
            raise

    def every(self, api: str, path: str, key: str, **query: str) -> Iterator[Any]:
        """Each thing of a list, page by page; of one that is by zone, each zone's part. Raises Unanswered."""
        page = ""
        while True:
            found = self.ask(api, path, **query, **({"pageToken": page} if page else {}))
            some: Any = found.get(key) or ()
            yield from some.values() if isinstance(some, dict) else some
            page = found.get("nextPageToken", "")
            if not page:
                return


def _token() -> str:
    try:
        made = subprocess.run(TOKEN_COMMAND, capture_output=True, text=True, timeout=TOKEN_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unanswered("credentials", f"`gcloud` gives no token: {_first_line(str(error))}") from None
    if made.returncode or not made.stdout.strip():
        raise Unanswered("credentials", f"`gcloud` gives no token: {_first_line(made.stderr.strip()) or 'nothing'}")
    return made.stdout.strip()


def _message(body: bytes) -> str:
    try:
        said: Any = json.loads(body)
        return _first_line(str(said["error"]["message"]))
    except (ValueError, LookupError, TypeError):
        return _first_line(body.decode(errors="replace").strip())


def _first_line(text: str) -> str:
    return text.partition("\n")[0][:WORDS]
