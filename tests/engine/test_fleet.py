"""An edge of three boxes and a central site, each in a network of its own: real Pulumi, engines and gateways."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.engine.edge_sites import Box, Edge, table

BOXES = ["hamburg", "munich", "vienna"]
AT_ONCE = 3
STORY = {"messages": [{"role": "user", "content": "Write a long story about the sea."}], "stream": True}


def _no_networks() -> str:
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nsenter", "unshare"))):
        return "needs root and iproute2: each site is in a network namespace of its own"
    tried = subprocess.run(
        ["unshare", "--net", "ip", "link", "add", "boxes", "type", "bridge"], capture_output=True, text=True
    )
    return f"no network namespaces here: {tried.stderr.strip()}" if tried.returncode else ""


WHY_NOT = _no_networks()
pytestmark = [pytest.mark.timeout(600), pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    made = Edge(tmp_path_factory.mktemp("edge"), BOXES)
    try:
        yield made
    finally:
        made.close()


def until(what: str, condition: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return value


def briefly(box: Box, name: str) -> str:
    """The id of one more request that the box answers itself."""
    status, headers, text = box.ask(box.key_of(f"edge-{name}", "till"), max_tokens=2)
    assert (status, headers["x-slipway-boundary"]) == (200, "stores"), text
    return headers["x-request-id"]


class MostAtOnce:
    """How many boxes below a folder were being deployed at the same time, at most."""

    def __init__(self, folder: Path) -> None:
        self.most = 0
        self._folder = str(folder)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._count)

    def __enter__(self) -> MostAtOnce:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _count(self) -> None:
        while not self._over.wait(0.2):
            folders = {folder for folder in map(_deploys_in, psutil.process_iter()) if folder is not None}
            self.most = max(self.most, sum(folder.startswith(self._folder) for folder in folders))


def _deploys_in(process: psutil.Process) -> str | None:
    """The folder whose site this process deploys; None where it does something else."""
    try:
        return process.cwd() if process.cmdline()[1:4] == ["-m", "tools.fleet.site", "up"] else None
    except (psutil.Error, OSError):
        return None


def memory() -> str:
    used = psutil.virtual_memory()
    return f"{used.used / 2**30:.1f} of {used.total / 2**30:.0f} GiB in use"


def test_rings_reach_every_box_and_each_serves(edge: Edge) -> None:
    edge.raise_centre()
    printed = edge.fleet()
    assert table(printed) == {
        "hamburg": ("first", "changed"),
        "munich": ("rest", "changed"),
        "vienna": ("rest", "changed"),
    }
    # The second ring is begun when the first has answered.
    assert printed.index("hamburg: asked, answers") < printed.index("munich: ")
    keys = {name: box.key_of(f"edge-{name}", "till") for name, box in edge.boxes.items()}
    assert len(set(keys.values())) == len(BOXES), "each box has keys of its own"
    left = [file for box in edge.boxes.values() for file in box.folder.glob("Pulumi.edge-*.yaml")]
    assert left == [], "no stack file is left where a person keeps theirs"


def test_the_centre_serves_what_a_box_cannot_while_the_link_is_up(edge: Edge) -> None:
    box = edge.boxes["hamburg"]
    key = box.key_of("edge-hamburg", "till")
    status, headers, text = box.ask(key)
    assert (status, headers["x-slipway-boundary"]) == (200, "stores"), text
    lacks = lambda: box.ask(key, "large", max_tokens=4)  # noqa: E731
    status, headers, text = lacks()
    assert (status, headers["x-slipway-boundary"]) == (200, "centre"), text

    def full() -> tuple[int, dict[str, str], str]:
        """What one gets while another one's long answer takes all that the box has."""
        begun = threading.Event()
        long = box.asking(key, begun=begun, max_tokens=500, **STORY)
        assert begun.wait(60)
        short = box.ask(key, max_tokens=4)
        assert not long.done(), "the box was never full: the test shows nothing"
        assert "[DONE]" in long.result(timeout=100)[2]
        return short

    status, headers, text = full()
    assert (status, headers["x-slipway-boundary"]) == (200, "centre"), text

    edge.cut("hamburg", away=True)
    try:
        status, headers, text = box.ask(key)
        assert (status, headers["x-slipway-boundary"]) == (200, "stores"), text
        until("what only the centre has is refused", lambda: lacks()[0] in (502, 503, 504))
        assert full()[0] == 503
        assert box.ready(), "a box that misses the centre alone is ready"
        assert box.ask("slw_nobodys")[0] == 401, "keys are the box's own"
        seldom = box.key_of("edge-hamburg", "seldom")
        assert [box.ask(seldom, max_tokens=2)[0] for _ in range(2)] == [200, 429], "and so are limits"
    finally:
        edge.cut("hamburg", away=False)
    until("the centre serves it again", lambda: lacks()[0] == 200)
    audit = box.folder / ".slipway" / "gateway" / "edge-hamburg" / "hamburg" / "audit"
    box.run("env", "PYTHONPATH=serving_image", ".venv/bin/python", "-m", "serving.audit", "verify", str(audit))


def test_a_box_that_fails_holds_up_nobody_and_streams_live_through_a_rollout(edge: Edge) -> None:
    edge.change(lambda document: document["models"]["small"].update(context_tokens=1280))
    edge.cut("vienna", away=True)  # its new generation starts while the centre is out of reach
    audited = [briefly(edge.boxes["vienna"], "vienna")]
    streams = {}
    for name, box in edge.boxes.items():
        begun = threading.Event()
        key = box.key_of(f"edge-{name}", "till")
        streams[name] = box.asking(key, begun=begun, max_tokens=500, **STORY)
        assert begun.wait(60)
    edge.hang_up("munich")
    printed = edge.fleet(status=1)
    assert table(printed) == {
        "hamburg": ("first", "changed"),
        "munich": ("rest", "failed"),
        "vienna": ("rest", "changed"),
    }
    for stream in streams.values():
        status, _, text = stream.result(timeout=100)
        assert status == 200, text
        assert text.rstrip().endswith("[DONE]")
    audited += [streams["vienna"].result()[1]["x-request-id"], briefly(edge.boxes["vienna"], "vienna")]
    arrived = lambda: [row["request_id"] for row in edge.forwarded("vienna") if row["kind"] == "request"]  # noqa: E731
    assert not set(audited) & set(arrived())
    edge.pick_up("munich")
    edge.cut("vienna", away=False)
    # What two generations kept on the box while the centre was away. Pauses between tries have grown to a minute.
    until("its audit is forwarded", lambda: set(audited) <= set(arrived()), 180)
    assert len(arrived()) == len(set(arrived())), "nothing twice"
    again = table(edge.fleet())
    assert again == {"hamburg": ("first", "serving"), "munich": ("rest", "changed"), "vienna": ("rest", "serving")}


@pytest.mark.skipif(os.environ.get("FLEET_FULL") != "1", reason="twenty boxes with real engines: FLEET_FULL=1")
@pytest.mark.timeout(3600)
def test_twenty_boxes(tmp_path: Path) -> None:
    edge = Edge(tmp_path, [f"store-{number:02}" for number in range(20)])
    try:
        edge.change(lambda document: document["topology"]["rollout"].update(concurrent_sites=AT_ONCE))
        edge.change(lambda document: document["topology"]["rollout"].update(answer_seconds=300.0))
        edge.change(lambda document: document["topology"].pop("fallback"))
        began = time.monotonic()
        with MostAtOnce(tmp_path) as counted:
            found = table(edge.fleet())
        print(f"20 sites in {time.monotonic() - began:.0f} s, {counted.most} at once; {memory()}")
        assert set(found) == set(edge.boxes)
        assert {state for _, state in found.values()} == {"changed"}
        assert 1 < counted.most <= AT_ONCE
        for name, box in edge.boxes.items():
            status, headers, text = box.ask(box.key_of(f"edge-{name}", "till"), max_tokens=4)
            assert (status, headers.get("x-slipway-boundary")) == (200, "stores"), text
        began = time.monotonic()
        assert {state for _, state in table(edge.fleet()).values()} == {"serving"}, "what serves is left alone"
        print(f"again in {time.monotonic() - began:.0f} s")
    finally:
        edge.close()
