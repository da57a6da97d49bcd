"""Many sites as a stack each: rings, what stops them, what goes on, and how little a thousand cost."""

from __future__ import annotations

import _thread
import io
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.load import validate
from infra.plan import planner
from infra.plan.build import build_plan
from infra.problems import Refused
from infra.stack_file import read_stack_file
from infra.topologies.rollout import Fleet, RolloutSettings, rings_of
from tests.manifests import ROOT
from tests.unit.documents import deployment_of
from tools.fleet import deployment, machines, site
from tools.fleet.fleet import planned
from tools.fleet.journal import Journal
from tools.fleet.order import Order, Outcome, answer, answered, read, written
from tools.fleet.rollout import Report, roll_out
from tools.problem import Problem

GOOD, BAD = Outcome(good=True, said="1 updated"), Outcome(good=False, said="broken")
SITES = [f"store-{number}" for number in range(25)]


def rings(sites: list[str], **rollout: Any) -> dict[str, tuple[str, ...]]:
    return rings_of(RolloutSettings.model_validate(rollout), sites)


def test_one_then_a_tenth_then_the_rest() -> None:
    assert {ring: len(sites) for ring, sites in rings(SITES).items()} == {"first": 1, "early": 3, "rest": 21}
    assert rings(SITES)["first"] == ("store-0",)
    assert rings(SITES[:1]) == {"first": ("store-0",)}
    assert sorted(site for ring in rings(SITES).values() for site in ring) == sorted(SITES)


def test_who_is_named_is_in_no_other_ring() -> None:
    found = rings(SITES[:4], rings={"half": {"percent": 50}, "brave": {"sites": ["store-0"]}})
    assert found == {"half": ("store-1", "store-2"), "brave": ("store-0",), "rest": ("store-3",)}


def edge(**topology: Any) -> dict[str, Any]:
    deployment = deployment_of(read_stack_file(ROOT / "Pulumi.edge.yaml").values)
    deployment["topology"] |= topology
    return deployment


def test_a_ring_of_strangers_is_refused() -> None:
    rollout = {"rings": {"a": {"sites": ["store-munich", "store-9"]}, "b": {"sites": ["store-munich"]}}}
    with pytest.raises(Refused) as refused:
        build_plan(validate(edge(rollout=rollout), "case", {}), "case")
    assert [problem.where.rpartition("rings.")[2] for problem in refused.value.problems] == [
        "a.sites[1]",
        "b.sites[0]",
    ]


class Field:
    """Sites that do as they are told, and a record of what was done to them."""

    def __init__(self, tmp_path: Path, **fleet: Any) -> None:
        fleet = {"concurrent_sites": 4, "failed_percent": 0.0, "soak_seconds": 0.0, "answer_seconds": 1.0, **fleet}
        self.fleet = Fleet(hosts={}, rings=rings(SITES), **fleet)
        self.path = tmp_path / "serving.json"
        self.changed: list[str] = []
        self.asked: list[str] = []
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        self.pauses: list[float] = []

    def change(self, site: str) -> Outcome:
        self.changed.append(site)
        return BAD if site in self.broken else GOOD

    def ask(self, site: str) -> Outcome:
        self.asked.append(site)
        return BAD if site in self.silent else GOOD

    def run(self, digest: str = "1", change: Callable[[str], Outcome] | None = None) -> Report:
        self.changed.clear()
        return roll_out(
            self.fleet,
            dict.fromkeys(SITES, digest),
            Journal(self.path),
            change=change or self.change,
            ask=self.ask,
            tell=lambda _: None,
            pause=self.pauses.append,
        )


def states(report: Report) -> dict[str, str]:
    return {row.site: row.state for row in report.rows}


def test_every_site_is_changed_and_asked_in_the_order_of_rings(tmp_path: Path) -> None:
    field = Field(tmp_path, soak_seconds=7.0)
    report = field.run()
    assert report.good
    assert set(states(report).values()) == {"changed"}
    assert field.changed[0] == "store-0"
    assert set(field.changed[1:4]) == set(SITES[1:4])
    assert sorted(field.asked) == sorted(SITES)
    assert field.pauses == [7.0, 7.0, 7.0]


@pytest.mark.parametrize("how", ["broken", "silent"])
def test_one_failure_stops_no_neighbour_but_the_next_ring(tmp_path: Path, how: str) -> None:
    field = Field(tmp_path)
    getattr(field, how).add("store-2")
    report = field.run()
    assert not report.good
    assert report.stopped == "early"
    assert states(report) == dict.fromkeys(SITES, "not begun") | {
        "store-0": "changed",
        "store-1": "changed",
        "store-2": "failed",
        "store-3": "changed",
    }
    # Mended, it goes on where it stopped.
    field.broken, field.silent = set(), set()
    again = field.run()
    assert again.good
    assert field.changed[0] == "store-2"
    assert not {"store-0", "store-1", "store-3"} & set(field.changed)
    assert states(again)["store-0"] == "serving"


def test_some_may_fail_where_that_is_said(tmp_path: Path) -> None:
    field = Field(tmp_path, failed_percent=34.0)
    field.broken = {"store-2"}
    report = field.run()
    assert report.stopped is None
    assert not report.good
    assert [site for site, state in states(report).items() if state != "changed"] == ["store-2"]


def test_another_plan_is_rolled_out_and_the_same_is_not(tmp_path: Path) -> None:
    field = Field(tmp_path)
    field.run()
    assert field.run().good
    assert field.changed == []
    field.run("2")
    assert sorted(field.changed) == sorted(SITES)
    # Who failed under the new plan is not taken for one that still serves the old one.
    field.broken = {"store-0"}
    field.run("3")
    field.broken = set()
    field.run("2")
    assert field.changed == ["store-0"]


def test_no_more_at_once_than_may_be(tmp_path: Path) -> None:
    field, lock = Field(tmp_path), threading.Lock()
    most = running = 0

    def change(site: str) -> Outcome:
        nonlocal most, running
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.01)
        with lock:
            running -= 1
        return GOOD

    assert field.run(change=change).good
    assert 1 < most <= 4


def test_an_interruption_ends_what_runs_and_begins_nothing_more(tmp_path: Path) -> None:
    field = Field(tmp_path, concurrent_sites=1)
    interrupted = threading.Event()

    def change(site: str) -> Outcome:
        if interrupted.is_set():
            threading.Event().wait(0.3)  # so that it takes long to begin with all that are left
        if site == "store-5":
            interrupted.set()
            _thread.interrupt_main()
        return field.change(site)

    # Whoever runs tests in a shell's background runs them deaf to it.
    as_it_was = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            field.run(change=change)
    finally:
        signal.signal(signal.SIGINT, as_it_was)
    assert "store-5" in field.changed, "what was under way ended in order"
    assert SITES[-1] not in field.changed
    field.run()
    assert set(field.changed) == set(SITES[4:]), "rings that have shown that they serve are left alone"


def test_an_order_arrives_as_it_was_sent() -> None:
    order = Order(
        stack="edge",
        site="a",
        document="config: {}\n",
        release="r",
        client="till",
        asked={"small": "generate"},
        answer_seconds=3.0,
    )
    assert read(written(order)) == order
    assert answered(f"motd\n{answer(BAD)}\nbye\n") == BAD
    assert answered("Traceback") is None


def test_a_machine_that_cannot_be_reached_is_an_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ssh").write_text("#!/bin/sh\necho no route >&2\nexit 255\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    work = planned("edge")
    host = work.fleet.hosts["store-vienna"]
    assert host is not None
    assert (host.ssh, host.folder) == ("slipway@store-vienna.example.com", "/opt/slipway")
    outcome = machines.tell(host, "up", work.orders["store-vienna"], tmp_path / "logs")
    assert (outcome.good, outcome.said) == (False, "ended with status 255: no route")


def test_only_one_site_and_none_that_is_not_there() -> None:
    assert list(planned("edge", ["datacentre"]).orders) == ["datacentre"]
    with pytest.raises(Problem, match="not among the sites"):
        planned("edge", ["datacenter"])
    with pytest.raises(Problem, match="whose sites are not a stack each"):
        planned("dev")


def test_whoever_asks_is_let_in() -> None:
    order = planned("edge").orders["store-vienna"]
    assert (order.client, order.asked) == ("till", {"small": "generate"})


def test_a_box_installs_what_its_platform_needs_before_it_deploys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages of a machine that has only ever been one are not those of a small cluster."""
    orders = planned("edge", ["datacentre", "store-vienna"]).orders
    done: list[object] = []
    monkeypatch.setattr(site, "install", done.append)
    monkeypatch.setattr(deployment, "up", lambda order: (done.append(order.site), GOOD)[1])
    for name, order in orders.items():
        monkeypatch.setattr("sys.stdin", io.StringIO(written(order)))
        assert site.main(["up"]) == 0, name
    assert done == [["kubernetes"], "datacentre", [], "store-vienna"]


def test_a_thousand_sites_that_are_alike_are_planned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = 0
    render = planner.gateway_config

    def counting(*arguments: Any) -> Any:
        nonlocal rendered
        rendered += 1
        return render(*arguments)

    monkeypatch.setattr(planner, "gateway_config", counting)
    sites = {f"store-{number}": {} for number in range(999)} | {"store-vienna": {"boundary": "vienna"}}
    deployment = edge(sites=sites)
    config = validate(deployment, "case", {})
    assert len(build_plan(config, "case").sites) == 1001
    # The central one, one for all that say nothing of their own, and one that does.
    assert rendered == 3
    fleet = config.topology.fleet
    assert fleet is not None
    assert {ring: len(sites) for ring, sites in fleet.rings.items()} == {"first": 1, "early": 100, "rest": 899}
