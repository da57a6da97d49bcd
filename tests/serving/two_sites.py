"""Two real gateways with an engine each: an own site, and another one that its requests overflow to."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.serving.gateway_process import (
    KEY,
    Answer,
    GatewayProcess,
    chat,
    free_port,
    raw_request,
    read_until,
    sha,
    start_gateway,
    wait_until,
)
from tests.serving.routed import RESTRICTED_KEY, configuration, model, settle
from tests.serving.upstream import Call, FakeEngine

SITE_KEY = "sk-site-canary-2b7e"
INTERNAL_KEY = "sk-internal-canary-c81a"
PLACES = 4


@dataclass
class TwoSites:
    """`home` is the own site's gateway; `cloud` may be stopped and started again at its port."""

    folder: Path
    own_engine: FakeEngine
    cloud_engine: FakeEngine
    home: GatewayProcess
    cloud: GatewayProcess
    running: contextlib.ExitStack
    number: int = 0
    held: list[socket.socket] = field(default_factory=list[socket.socket])

    def ask(self, *, key: str = KEY, text: str | None = None, **fields: Any) -> Answer:
        """One request, of a conversation of its own unless `text` says otherwise."""
        self.number += 1
        messages = [{"role": "user", "content": text or f"conversation {self.number}"}]
        return self.home.request(body=chat("m", messages=messages, **fields), key=key)

    def where(self, **fields: Any) -> str | None:
        """The boundary that served a request."""
        answer = self.ask(**fields)
        assert answer.status == 200, answer.body
        return answer.headers["x-slipway-boundary"]

    def hold(self, count: int = 1, *, key: str = RESTRICTED_KEY) -> None:
        """Streams that keep places at the own site, which they may not leave, until they are let go."""
        before = self.own_engine.acts_as
        self.own_engine.acts_as = "endless"
        for _ in range(count):
            self.held.append(self.open_stream(key=key))
        self.own_engine.acts_as = before

    def open_stream(self, *, key: str = KEY) -> socket.socket:
        """A stream that has begun; who reads on gets the rest."""
        self.number += 1
        messages = [{"role": "user", "content": f"conversation {self.number}"}]
        connection = self.home.connect()
        body = chat("m", messages=messages, stream=True)
        connection.sendall(raw_request(body, key=key, extra="Connection: close\r\n"))
        read_until(connection, b"w0")
        return connection

    def release(self, count: int = 1) -> None:
        """Ends some of them, and waits until their places are free."""
        before = self.home_running()
        for _ in range(count):
            self.held.pop().close()
        wait_until("places are free again", lambda: self.home_running() <= before - count, 15)

    def home_running(self) -> int:
        answer = self.home.request("GET", "/scaling/m", port=self.home.operations, key=None)
        return json.loads(answer.body)["running"]

    def there(self) -> list[Call]:
        """What the other site's engine was asked."""
        return self.cloud_engine.calls

    def overflows(self, reason: str) -> float:
        return self.home.metric(f'slipway_gateway_overflows_total{{boundary="cloud",model="m",reason="{reason}"}}')

    def kept(self, reason: str) -> float:
        return self.home.metric(f'slipway_gateway_overflows_kept_total{{model="m",reason="{reason}"}}')

    def reachable(self) -> bool:
        """Whether the last probe of the other site was answered."""
        return self.home.metric('slipway_gateway_replicas{model="m@cloud",state="trusted"}') == 1

    def start_cloud(self) -> None:
        """Again, at the port that the own site knows."""
        with socket.create_server(("127.0.0.1", self.cloud.port), backlog=128) as listening:
            started = start_gateway(self.folder / "cloud", cloud_configuration(self.cloud_engine), listen=listening)
            self.cloud = self.running.enter_context(started)
        wait_until("the other site is in reach", self.reachable, 20)


def cloud_configuration(engine: FakeEngine) -> dict[str, Any]:
    """The other site's: it knows the own site as a client, and nobody else."""
    config = configuration({"m": model([engine])}, top={"boundary": "cloud"}, stream_idle_seconds=10)
    config["clients"] = {"site": {"key_sha256": [sha(SITE_KEY)], "models": ["m"], "requests_per_minute": None}}
    return config


def home_configuration(engine: FakeEngine, cloud: str, folder: Path, **overflow: Any) -> dict[str, Any]:
    """As a plan makes it: the other site's place of the model, after the own one's."""
    key_file = folder / "site.key"
    key_file.write_text(SITE_KEY + "\n")
    upstream = {"kind": "slipway", "boundary": "cloud", "model": "m", "key_file": str(key_file)}
    own = model([engine], upstream={"concurrent_requests": PLACES}, fallbacks=["m@cloud"])
    own["overflow"] = {"model": "m@cloud", "busy_percent": 75, "return_percent": 50, **overflow}
    models = {"m": own, "m@cloud": model([cloud], upstream=upstream, hold={"seconds": 1})}
    top = {"boundary": "own", "data_classes": {"internal": ["own", "cloud"]}}
    config = configuration(models, top=top, stream_idle_seconds=5, first_byte_seconds=5)
    config["clients"]["internal"] = {
        "key_sha256": [sha(INTERNAL_KEY)],
        "models": ["m"],
        "requests_per_minute": None,
        "data_class": "internal",
    }
    return config


@contextmanager
def two_sites(folder: Path, change: Any = None, **overflow: Any) -> Iterator[TwoSites]:
    """Both run and see each other. `change` is given the own site's configuration before it starts."""
    for name in ("cloud", "home"):
        (folder / name).mkdir()
    with contextlib.ExitStack() as running:
        own, other = running.enter_context(FakeEngine()), running.enter_context(FakeEngine())
        with socket.create_server(("127.0.0.1", free_port()), backlog=128) as listening:
            cloud = running.enter_context(start_gateway(folder / "cloud", cloud_configuration(other), listen=listening))
        config = home_configuration(own, f"http://127.0.0.1:{cloud.port}", folder, **overflow)
        if change is not None:
            change(config)
        home = running.enter_context(start_gateway(folder / "home", config))
        settle(home, 1)
        settle(home, 1, "m@cloud")
        yield TwoSites(folder, own, other, home, cloud, running)
