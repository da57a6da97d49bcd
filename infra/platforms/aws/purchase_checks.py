"""Whether what a site on AWS says about buying machines fits together."""

from __future__ import annotations

from collections.abc import Iterator

from infra.platforms.aws.config import AwsSettings
from infra.problems import Problem, listing


def purchase_problems(where: str, settings: AwsSettings) -> Iterator[Problem]:
    """`where` is the path of the platform."""
    purchase = settings.nodes.purchase
    if len({*purchase}) != len(purchase):
        yield Problem(
            where=f"{where}.nodes.purchase",
            found=listing(purchase),
            allowed="each once, in the order in which they are asked for",
            remedy="remove what is there twice",
        )
    if ("reservation" in purchase) != (settings.reservation_id is not None):
        named = settings.reservation_id is not None
        yield Problem(
            where=f"{where}.reservation_id",
            found="a reservation that `nodes.purchase` does not use" if named else "nothing, with `reservation`",
            allowed="the id of a reservation, exactly when `reservation` is in `nodes.purchase`",
            remedy="add `reservation` to `nodes.purchase`" if named else "add `reservation_id: cr-…`",
        )
