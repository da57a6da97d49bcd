"""Whether what a site says about buying machines fits together, on any cloud that sells them in several ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.problems import Problem, listing


def purchase_problems(nodes: str, purchase: Sequence[str], field: str, reservation: str | None) -> Iterator[Problem]:
    """`nodes` is the path of the ways to buy, `field` that of the reservation."""
    if len({*purchase}) != len(purchase):
        yield Problem(
            where=f"{nodes}.purchase",
            found=listing(purchase),
            allowed="each once, in the order in which they are asked for",
            remedy="remove what is there twice",
        )
    if ("reservation" in purchase) != (reservation is not None):
        named, written = reservation is not None, field.rpartition(".")[2]
        yield Problem(
            where=field,
            found="a reservation that `nodes.purchase` does not use" if named else "nothing, with `reservation`",
            allowed="a reservation, exactly when `reservation` is in `nodes.purchase`",
            remedy="add `reservation` to `nodes.purchase`" if named else f"name it: `{written}: …`",
        )
