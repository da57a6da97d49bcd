"""Quotas: leases of several gateways and the script of the shared store, on a real server under a moved clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.gateway.limits import meter as meter_module
from serving.gateway.limits.fleet import Counts, Fleet
from serving.gateway.limits.meter import Meter
from serving.gateway.limits.redis_store import header, question
from serving.gateway.limits.script import EXCHANGE, FLEET, HOLD_SECONDS
from tests.serving.redis_process import start_redis


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    with start_redis(tmp_path_factory.mktemp("redis")) as process, redis.Redis.from_url(process.url) as client:
        yield client


class Gateways:
    """Several gateways' meters of one limit, and the real script under a clock that the test moves."""

    def __init__(self, server: redis.Redis, kind: meter_module.Kind, limit: int, count: int) -> None:
        server.flushall()
        self.server = server
        self.now = 1_000_000.0
        self.server_clock = 0.0
        self.script = EXCHANGE.replace("redis.call('TIME')", "{tonumber(ARGV[#ARGV]), 0}")
        assert self.script != EXCHANGE
        self.meters = [Meter(kind, "c", None, limit, count) for _ in range(count)]

    def ask(self, index: int) -> tuple[list, str, int]:
        meter = self.meters[index]
        values = question(meter, every_second=False, now=self.now)
        return [*header(f"g{index}"), *values], meter.label(), meter.total

    def answer(self, index: int, asked: tuple[list, str, int], lost: bool = False) -> None:
        values, label, total = asked
        # The script wants whole seconds; thousandths are put in as such.
        script = self.script.replace("time[1] * 1000", "time[1]")
        moment = round((self.now + self.server_clock) * 1000)
        granted, spent, others = self.server.eval(script, 1, "key", *values, moment)  # type: ignore[misc]
        if not lost:
            self.meters[index].granted(label, total, int(granted), float(spent), int(others), self.now)

    def bring(self, index: int, amount: int) -> None:
        """A request waits for so much, and is told."""
        self.meters[index].ask(amount)
        self.answer(index, self.ask(index))
        self.meters[index].heard(amount)

    def spent(self) -> float:
        stored = self.server.hgetall("key")
        return float(stored[b"spent"]) if stored else 0.0  # type: ignore[index]


GATEWAY_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "settle", "begin", "end", "lose"]),
        st.integers(0, 2),
        st.integers(1, 60),
        st.floats(0, 3),
        st.sampled_from([0.0, 0.0, 0.0, -300.0, 300.0]),
    ),
    min_size=20,
    max_size=80,
)


@given(st.sampled_from(["tokens_per_minute", "tokens_per_day", "concurrent_requests"]), GATEWAY_STEPS)
@settings(max_examples=300)
def test_gateways_together_never_exceed_the_limit(server: redis.Redis, kind: meter_module.Kind, steps: list) -> None:
    """Leases over a real server, with exchanges on their way, answers that get lost and a server clock that jumps."""
    gateways = Gateways(server, kind, 100, 3)
    running: list[list[int]] = [[], [], []]
    begun: list[tuple[list, str, int] | None] = [None, None, None]
    heard = [gateways.now] * 3
    used: list[tuple[float, int]] = []
    for action, index, amount, pause, jump in steps:
        gateways.now += pause
        gateways.server_clock = jump if kind == "tokens_per_day" else 0.0
        for quiet in range(3):
            # Holds are those of dead gateways after 15 s without a word: everybody says something in time, as they do.
            if gateways.now - heard[quiet] > HOLD_SECONDS - 4:
                gateways.answer(quiet, begun[quiet] or gateways.ask(quiet))
                heard[quiet], begun[quiet] = gateways.now, None
        meter = gateways.meters[index]
        if action == "take":
            if meter.take_leased(amount):
                running[index].append(amount)
            else:
                meter.ask(amount)
        elif action == "settle" and running[index]:
            amount = running[index].pop()
            meter.settle_leased(amount, 0 if kind == "concurrent_requests" else amount // 2)
            used.append((gateways.now, amount // 2))
        elif action == "begin" and begun[index] is None:
            begun[index] = gateways.ask(index)
        elif begun[index] is not None:
            gateways.answer(index, begun[index], lost=action == "lose")  # type: ignore[arg-type]
            meter.heard(meter.waiting)
            heard[index], begun[index] = gateways.now, None
        held = sum(sum(amounts) for amounts in running)
        assert held == sum(meter.held for meter in gateways.meters)
        unreported = sum(meter.total - meter.reported for meter in gateways.meters)
        if kind == "concurrent_requests":
            assert held <= 100
        elif kind == "tokens_per_day":
            assert held + sum(amount for _, amount in used) <= 100
        assert unreported >= 0
    if kind == "tokens_per_minute":
        for first, (start, _) in enumerate(used):
            total = 0
            for at, amount in used[first:]:
                total += amount
                assert total <= 100 + (at - start) * 100 / 60 + 1e-3


def test_a_restarted_server_is_told_a_days_use_again(server: redis.Redis) -> None:
    gateways = Gateways(server, "tokens_per_day", 100, 2)
    for index in (0, 1):
        meter = gateways.meters[index]
        gateways.bring(index, 40)
        assert meter.take_leased(40)
        meter.settle_leased(40, 40)
        gateways.answer(index, gateways.ask(index))
    assert gateways.spent() == 80
    server.flushall()
    for index in (0, 1):
        gateways.answer(index, gateways.ask(index))
    assert gateways.spent() == 80


def test_a_dead_gateways_hold_is_spent_and_its_running_requests_end(server: redis.Redis) -> None:
    for kind, left in (("tokens_per_minute", 0), ("concurrent_requests", 100)):
        gateways = Gateways(server, kind, 100, 2)  # type: ignore[arg-type]
        gateways.bring(0, 100)
        assert gateways.meters[0].take_leased(100)
        for seconds, room in ((14, 0), (16, left)):
            gateways.now = 1_000_000.0 + seconds
            gateways.bring(1, 100)
            assert gateways.meters[1].lease == room


def test_what_is_given_back_is_not_used_while_the_answer_is_on_its_way(server: redis.Redis) -> None:
    gateways = Gateways(server, "tokens_per_day", 100, 1)
    gateways.meters.append(Meter("tokens_per_day", "c", None, 100, 1))
    first, second = gateways.meters
    gateways.bring(0, 100)
    assert first.take_leased(100)
    first.settle_leased(100, 10)
    first.leave()
    asked = gateways.ask(0)  # gives 90 back
    gateways.answer(0, asked, lost=True)
    gateways.bring(1, 90)
    assert second.take_leased(90)
    assert not first.take_leased(1)


def test_who_waits_is_not_overtaken(server: redis.Redis) -> None:
    """Whoever comes while an exchange is on its way leaves the room for those who asked."""
    gateways = Gateways(server, "requests", 100_000, 2)
    meter = gateways.meters[0]
    meter.ask(50)
    first = gateways.ask(0)
    meter.ask(1)  # another, before the answer
    gateways.answer(0, first)
    second = gateways.ask(0)
    meter.heard(50)
    assert meter.take_leased(50, asked=True)
    meter.settle_leased(50, 50)
    while meter.take_leased(1):
        meter.settle_leased(1, 1)
    gateways.answer(0, second)
    meter.heard(1)
    assert meter.take_leased(1, asked=True)


def test_an_exchange_for_others_leaves_what_was_asked_for(server: redis.Redis) -> None:
    """Every second it is told what is spent: also while somebody waits whose demand the exchange before has brought."""
    gateways = Gateways(server, "requests", 100_000, 2)
    meter = gateways.meters[0]
    meter.ask(20)
    gateways.answer(0, gateways.ask(0))
    gateways.answer(0, gateways.ask(0))
    meter.heard(20)
    assert meter.take_leased(20, asked=True)


def test_a_servers_clock_that_jumps_ahead_gives_no_new_minute(server: redis.Redis) -> None:
    gateways = Gateways(server, "tokens_per_minute", 100, 1)
    meter = gateways.meters[0]
    gateways.bring(0, 100)
    assert meter.take_leased(100)
    meter.settle_leased(100, 100)
    gateways.answer(0, gateways.ask(0))
    for jump in (300.0, -300.0, 300.0, 0.0):
        gateways.server_clock = jump
        gateways.answer(0, gateways.ask(0))
        assert gateways.spent() >= 99
    gateways.now += 6
    gateways.answer(0, gateways.ask(0))
    assert gateways.spent() <= 91  # and the refill goes on


def test_an_idle_gateway_gives_its_lease_back(server: redis.Redis) -> None:
    gateways = Gateways(server, "tokens_per_minute", 1000, 2)
    meter = gateways.meters[0]
    gateways.bring(0, 10)
    assert meter.lease == 10 + 80  # what was asked for, and the same eight times in hand
    meter.want(every_second=True)
    gateways.answer(0, gateways.ask(0))
    assert meter.idle()


def test_going_local_keeps_to_the_share(server: redis.Redis) -> None:
    gateways = Gateways(server, "tokens_per_minute", 100, 2)
    for index in (0, 1):
        gateways.bring(index, 20)
        assert gateways.meters[index].take_leased(20)
        gateways.meters[index].settle_leased(20, 20)
        gateways.answer(index, gateways.ask(index))
    gateways.answer(0, gateways.ask(0))
    for meter in gateways.meters:
        meter.go_local(gateways.now)
        assert meter.take_local(30, gateways.now)
        assert not meter.take_local(1, gateways.now)


def test_fleet_counts_are_summed_and_forgotten(server: redis.Redis) -> None:
    server.flushall()
    fleets = [Fleet(), Fleet()]
    script = FLEET.replace("redis.call('TIME')", "{tonumber(ARGV[#ARGV]), 0}")
    for number, fleet in enumerate(fleets):
        fleet.provide(lambda number=number: {"m": Counts(running=number + 1, queued=10)})
    for second, index in ((100, 0), (101, 1), (102, 0)):
        published = server.eval(script, 1, "fleet", f"g{index}", 5000, fleets[index].publish(), second)
        fleets[index].heard(published)  # type: ignore[arg-type]
    assert fleets[0].total("m") == fleets[1].total("m") == Counts(running=3, queued=20)
    assert fleets[0].total("other") == Counts()
    published = server.eval(script, 1, "fleet", "g0", 5000, fleets[0].publish(), 107)
    fleets[0].heard(published)  # type: ignore[arg-type]
    assert fleets[0].total("m") == Counts(running=1, queued=10)
    fleets[1].alone(complete=False)
    assert (fleets[1].total("m"), fleets[1].complete) == (Counts(running=2, queued=10), False)
