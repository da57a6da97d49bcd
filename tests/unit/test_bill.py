"""Bill: sums by hand, tokens as the worked example has them, and nothing that lacks a price counts as free."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.price.bill import Bill, Use, bill, bill_warnings, token_prices
from infra.price.book import price_book
from infra.price.types import OwnPrice
from infra.price.uses import ClusterUse, PoolUse, answer_gb_per_month, cloud_run_uses, cluster_uses, pool_uses
from tests.unit.documents import examples

BOOK = price_book()
POOL = PoolUse(
    name="gpu",
    cloud="aws",
    region="us-east-1",
    instance_type="g6e.xlarge",
    purchase="on_demand",
    minimum=2,
    maximum=8,
    auto_mode=True,
)
CLUSTER = ClusterUse(
    cloud="aws",
    region="us-east-1",
    nat_gateways=3,
    nodes_minimum=4,
    nodes_maximum=10,
    disk_gb_per_node=300,
    model_gb=16.4,
    output_tokens_per_second=1000,
)


# Llama-3.1-8B, 1,024 tokens in, 256 out, 16 at once on vLLM 0.33, computed by hand in 2026-11.
@pytest.mark.parametrize(
    ("instance", "tokens_per_second", "full", "at_35_percent"),
    [("g6.xlarge", 273, 0.82, 2.34), ("g6e.xlarge", 466, 1.11, 3.17), ("p5.4xlarge", 1316, 1.45, 4.15)],
)
def test_tokens_cost_what_the_worked_example_says(
    instance: str, tokens_per_second: float, full: float, at_35_percent: float
) -> None:
    price = BOOK.price("aws", "us-east-1", instance)
    assert price
    found = token_prices(dollars_per_hour=price.dollars, output_tokens_per_second=tokens_per_second, expected_load=0.35)
    assert found.dollars_per_million_output_tokens_at_full_load == pytest.approx(full, abs=0.005)
    assert found.dollars_per_million_output_tokens_at_expected_load == pytest.approx(at_35_percent, abs=0.005)
    assert found.dollars_per_million_input_tokens_at_full_load is None
    assert found.dollars_per_million_input_tokens_at_expected_load is None


@given(st.floats(0.1, 200), st.floats(1, 1e5), st.floats(1, 1e6), st.floats(0.01, 0.99), st.floats(0.01, 1))
@examples(100)
def test_input_and_output_together_cost_what_runs(
    dollars: float, output: float, input_: float, share: float, load: float
) -> None:
    found = token_prices(
        dollars_per_hour=dollars,
        output_tokens_per_second=output,
        input_tokens_per_second=input_,
        prefill_share=share,
        expected_load=load,
    )
    each_hour = 3600 / 1e6
    paid_in, paid_out = (
        found.dollars_per_million_input_tokens_at_full_load,
        found.dollars_per_million_output_tokens_at_full_load,
    )
    assert paid_in is not None
    assert paid_in * input_ * each_hour + paid_out * output * each_hour == pytest.approx(dollars)
    at_load = found.dollars_per_million_input_tokens_at_expected_load
    assert at_load is not None
    assert at_load * input_ * load * each_hour == pytest.approx(paid_in * input_ * each_hour)


def test_a_pool_by_hand() -> None:
    # 1.861 $/h x 730 h = 1,358.53 each; the fee is 12 % of it: 163.02.
    made = bill(BOOK, pool_uses(POOL))
    machines, fee = made.lines
    assert machines.what == "node pool `gpu`"
    assert machines.dollars_per_month_minimum == pytest.approx(2 * 1358.53)
    assert machines.dollars_per_month_maximum == pytest.approx(8 * 1358.53)
    assert fee.dollars_per_month_minimum == pytest.approx(2 * 163.0236)
    assert fee.item == "auto_mode_fee of g6e.xlarge"
    assert made.dollars_per_hour_now == pytest.approx(2 * (1.861 + 0.22332))
    assert made.dollars_per_month_minimum == pytest.approx(730 * made.dollars_per_hour_now)


def test_the_fee_of_a_spot_machine_is_a_share_of_its_on_demand_price() -> None:
    spot = PoolUse(**{**vars(POOL), "purchase": "spot"})
    _, fee = bill(BOOK, pool_uses(spot)).lines
    assert fee.dollars_per_month_minimum == pytest.approx(2 * 163.0236)


def test_a_cluster_by_hand() -> None:
    made = bill(BOOK, cluster_uses(CLUSTER))
    found = {line.what: (line.dollars_per_month_minimum, line.dollars_per_month_maximum) for line in made.lines}
    leaving = 1000 * 250 * 730 * 3600 / 1e9  # 657 GB
    assert answer_gb_per_month(1000) == pytest.approx(657)
    expected = {
        "control plane": (73.0, 73.0),
        "NAT gateways": (98.55, 98.55),  # three zones, as AWS guides compute it
        "through NAT gateways": (4 * 16.4 * 0.045, 10 * 16.4 * 0.045),
        "load balancer": (16.425, 16.425),
        "through the load balancer": (leaving * 0.008, leaving * 0.008),
        "disks of nodes": (4 * 300 * 0.08, 10 * 300 * 0.08),
        "weights in a bucket": (16.4 * 0.023, 16.4 * 0.023),
        "answers to the internet": (leaving * 0.09, leaving * 0.09),
    }
    assert set(found) == set(expected)
    for what, (least, most) in expected.items():
        assert found[what] == (pytest.approx(least), pytest.approx(most)), what
    assert made.dollars_per_month_minimum == pytest.approx(sum(least for least, _ in expected.values()))
    assert made.dollars_per_month_maximum == pytest.approx(sum(most for _, most in expected.values()))
    assert not made.unpriced
    assert json.loads(json.dumps(asdict(made)))["lines"][0]["price"]["as_of"] == "2026-04-01"


def test_cloud_run_by_hand() -> None:
    # 0.67 + 4 x 0.0648 + 16 x 0.0072 = 1.0444 $/h for one instance, here one for half of the time.
    made = bill(BOOK, cloud_run_uses(region="us-central1", gpu="l4", minimum=0.5, maximum=3))
    assert made.dollars_per_hour_now == pytest.approx(0.5 * 1.0444)
    assert made.dollars_per_month_maximum == pytest.approx(3 * 1.0444 * 730)
    assert not made.unpriced


def test_what_has_no_price_is_named_and_in_no_sum() -> None:
    uses = [
        *pool_uses(PoolUse(**{**vars(POOL), "instance_type": "p5e.48xlarge"})),
        Use(
            what="control plane", cloud="aws", region="us-east-1", item="kubernetes_control_plane", minimum=1, maximum=1
        ),
    ]
    made = bill(BOOK, uses)
    assert [line.dollars_per_month_minimum for line in made.lines] == [None, None, 73.0]
    assert made.dollars_per_month_minimum == 73.0
    assert made.unpriced == ("node pool `gpu`: p5e.48xlarge", "EKS Auto Mode for `gpu`: auto_mode_fee")
    assert list(bill_warnings(made)) == [
        "no price, and in no sum: node pool `gpu`: p5e.48xlarge, EKS Auto Mode for `gpu`: auto_mode_fee"
    ]
    known = bill(price_book([OwnPrice(cloud="aws", item="p5e.48xlarge", dollars=40)]), uses)
    assert not known.unpriced
    assert not list(bill_warnings(known))
    assert known.dollars_per_month_minimum == pytest.approx(73 + 2 * 730 * 40 * 1.12)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["g6.xlarge", "p5.48xlarge", "egress", "block_storage", "nobody.knows"]),
            st.floats(0, 100),
            st.floats(0, 100),
        ),
        max_size=6,
    )
)
@examples(100)
def test_more_never_costs_less_and_lines_add_up(wanted: list[tuple[str, float, float]]) -> None:
    def made(scale: float) -> Bill:
        return bill(
            BOOK,
            [
                Use(what=item, cloud="aws", region="us-east-1", item=item, minimum=a * scale, maximum=(a + b) * scale)
                for item, a, b in wanted
            ],
        )

    small, large = made(1), made(2)
    assert small.dollars_per_month_minimum <= small.dollars_per_month_maximum + 1e-6
    assert large.dollars_per_month_minimum == pytest.approx(2 * small.dollars_per_month_minimum)
    assert small.unpriced == large.unpriced
    assert bool(small.unpriced) == any(item == "nobody.knows" and a + b > 0 for item, a, b in wanted)
    assert len(small.prices) == sum(line.price is not None for line in small.lines)
