"""List prices: the catalogue's two files as prices, each with its source and the date that source has, if any."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, cast

from infra.price.types import Price

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@cache
def list_prices() -> Mapping[tuple[str, str, str, str], Price]:
    """Every listed price by cloud, region, item and purchase. A row without a price is not there."""
    prices = [*_machines(_rows("gpu_catalog.csv")), *_others(_rows("prices.csv"))]
    return {(price.cloud, price.region, price.item, price.purchase): price for price in prices}


def _machines(rows: Sequence[Mapping[str, str]]) -> Iterator[Price]:
    # A list price that is another region's is as old as that region's.
    dated = {(row["cloud"], row["instance_type"]): date for row in rows if (date := _date(row["price_basis"]))}
    for row in rows:
        common: Any = {"cloud": row["cloud"], "region": row["region"], "item": row["instance_type"], "unit": "hour"}
        if row["price"]:
            reused = "reused" in row["price_basis"]
            as_of = dated.get((row["cloud"], row["instance_type"])) if reused else _date(row["price_basis"])
            yield Price(
                **common, purchase="on_demand", dollars=float(row["price"]), source=row["price_basis"], as_of=as_of
            )
        if row["spot_price"]:
            yield Price(
                **common,
                purchase="spot",
                dollars=float(row["spot_price"]),
                source=row["spot_basis"],
                as_of=_date(row["spot_basis"]),
                note="an estimate: spot prices move",
                interruption_band=row["spot_interruption_band"] or None,
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


def _date(basis: str) -> str | None:
    """The date that a basis states, if any."""
    found = _DATE.search(basis)
    return found[0] if found else None


def _rows(name: str) -> list[dict[str, str]]:
    with files("infra.catalog").joinpath(name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))
