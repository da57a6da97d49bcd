"""List prices: the catalogue's two files as prices, each with its source and the date that source has, if any."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, cast

from infra.catalog.instances import instances
from infra.price.types import Price


@cache
def list_prices() -> Mapping[tuple[str, str, str, str], Price]:
    """Every listed price by cloud, region, item and purchase. A row without a price is not there."""
    prices = [*_machines(), *_others(_rows("prices.csv"))]
    return {(price.cloud, price.region, price.item, price.purchase): price for price in prices}


def _machines() -> Iterator[Price]:
    for row in instances():
        common: Any = {"cloud": row.cloud, "region": row.region, "item": row.instance_type, "unit": "hour"}
        if row.price_per_hour is not None:
            yield Price(
                **common,
                purchase="on_demand",
                dollars=row.price_per_hour,
                source=row.price_source,
                as_of=row.price_as_of,
            )
        if row.spot_price_per_hour is not None:
            yield Price(
                **common,
                purchase="spot",
                dollars=row.spot_price_per_hour,
                source=row.spot_source,
                as_of=row.spot_as_of,
                note="an estimate: spot prices move",
                interruption_band=row.spot_interruption_band,
            )


def _others(rows: Sequence[Mapping[str, str]]) -> Iterator[Price]:
    for row in rows:
        yield Price(
            cloud=row["cloud"],
            region=row["region"],
            item=row["item"],
            purchase=cast(Any, row["purchase"]),
            unit=cast(Any, row["unit"]),
            dollars=float(row["dollars"]),
            source=row["source"],
            as_of=row["as_of"] or None,
            note=row["note"],
        )


def _rows(name: str) -> list[dict[str, str]]:
    with files("infra.catalog").joinpath(name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))
