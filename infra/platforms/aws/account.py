"""An account of AWS, as the credentials of this machine reach it: reads only, each with a time limit.

botocore finds credentials as every tool of AWS does (environment, profiles, single sign-on, machine roles), and follows
`AWS_ENDPOINT_URL`. It is imported only here, when an account is asked: nobody who plans needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, Literal

from infra.problems import Problem, Refused

CONNECT_SECONDS, ANSWER_SECONDS, ATTEMPTS = 5, 15, 2
# Long enough for AWS' own words, short of the encoded message that it adds to some refusals.
WORDS = 300
Reason = Literal["credentials", "network", "refused"]


class Unanswered(Exception):
    """AWS was not reached, nobody could sign what it was asked, or it refused; its text is for a user. `code` is what
    AWS calls a refusal, empty where it did not answer."""

    def __init__(self, reason: Reason, text: str, code: str = "") -> None:
        super().__init__(text)
        self.reason, self.code = reason, code


class Account:
    """Asks as whoever is signed in here, in one region. Nothing is asked before `ask`."""

    def __init__(self, session: Any, config: Any, region: str) -> None:
        self._session, self._config, self.region = session, config, region
        self._clients: dict[str, Any] = {}

    @classmethod
    def of(cls, region: str) -> Account:
        """Raises Refused without botocore."""
        try:
            session = import_module("botocore.session").get_session()
            config = import_module("botocore.config").Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=ANSWER_SECONDS,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            )
        except ImportError:
            raise Refused("this machine", [_NO_BOTOCORE]) from None
        return cls(session, config, region)

    def ask(self, service: str, operation: str, **arguments: Any) -> Any:
        """One answer. Raises Unanswered."""
        try:
            return getattr(self._client(service), operation)(**arguments)
        # A broken profile, a program that gives credentials, a proxy, a certificate, a refusal: a user mends all these.
        except Exception as error:
            raise _unanswered(error) from None

    def every(self, service: str, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
        """Each thing of a list, page by page. Raises Unanswered."""
        try:
            client = self._client(service)
            if client.can_paginate(operation):
                for page in client.get_paginator(operation).paginate(**arguments):
                    yield from page.get(key, ())
            else:
                yield from getattr(client, operation)(**arguments).get(key, ())
        except Exception as error:
            raise _unanswered(error) from None

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.create_client(service, region_name=self.region, config=self._config)
        return self._clients[service]


def _unanswered(error: Exception) -> Unanswered:
    exceptions: Any = import_module("botocore.exceptions")
    text = (str(error).strip() or type(error).__name__).partition("\n")[0][:WORDS]
    if isinstance(error, exceptions.ClientError):
        said: Any = getattr(error, "response", {}).get("Error", {})
        code = str(said.get("Code", ""))
        return Unanswered("refused", f"{code}: {said.get('Message', text)}".partition("\n")[0][:WORDS], code)
    if isinstance(error, (exceptions.HTTPClientError, exceptions.ConnectionError)):
        return Unanswered("network", text)
    return Unanswered("credentials", text)


_NO_BOTOCORE = Problem(
    where="the Python package `botocore`",
    found="not installed",
    allowed="the package, which finds credentials and asks AWS",
    remedy="run `tools/python/install aws`",
)
