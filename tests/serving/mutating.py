"""What may happen to bytes on a wire and to values in a file: for tests that must see every consequence handled."""

from __future__ import annotations

import copy
import itertools
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from tests.conftest import SEARCH_FACTOR

# What HTTP and server-sent events give a meaning to.
_MARKS = [b"\r", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b"\0", b" ", b":", b"\xff", b"\xc3", b"data: "]
_MARKS += [b"0\r\n\r\n", b"[DONE]", b"HTTP/1.1", b"Content-Length: 3\r\n", b'"usage"']


def examples(count: int) -> settings:
    """How many examples a property is tried with; more when somebody searches."""
    return settings(max_examples=count * (SEARCH_FACTOR or 1), deadline=None)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` cut at these places, wherever they are."""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


cuts = st.lists(st.integers(0, 2000), max_size=12)


@st.composite
def mutated_bytes(draw: st.DrawFn, originals: st.SearchStrategy[bytes], most: int = 4) -> bytes:
    """One of `originals` after up to `most` changes."""
    data = bytearray(draw(originals))
    for _ in range(draw(st.integers(0, most))):
        place = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["put", "remove", "replace", "repeat"])):
            case "put":
                data[place:place] = draw(st.sampled_from(_MARKS) | st.binary(max_size=4))
            case "remove":
                del data[place : place + draw(st.integers(1, 12))]
            case "replace":
                data[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
            case _:
                data[place:place] = data[place : place + draw(st.integers(1, 40))]
    return bytes(data)


_scalars = (
    st.none()
    | st.booleans()
    | st.sampled_from(
        [
            0,
            1,
            -1,
            0.0,
            1e308,
            2**63,
            10**30,
            "",
            "x",
            "/no/such/file",
            "http://x",
            "http://[",
            "http://x:99999",
            "https://u:p@x/",
            "\ud800",
            "a" * 300,
        ]
    )
    | st.integers()
    | st.text(max_size=8)
)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)


@st.composite
def mutated_values(draw: st.DrawFn, original: Any, most: int = 3) -> Any:
    """Plain data after one to `most` changes, each somewhere in it."""
    document = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, most))):
        place = draw(st.sampled_from(_containers(document)))
        keys = list(range(len(place))) if isinstance(place, list) else list(place)
        key = draw(st.sampled_from(keys)) if keys else None
        change = draw(st.sampled_from(["replace", "remove", "add", "move"]))
        if change == "add" or key is None:
            if isinstance(place, list):
                place.append(draw(_values))
            else:
                place[draw(st.text(max_size=6))] = draw(_values)
        elif change == "remove":
            del place[key]
        elif change == "replace":
            place[key] = draw(_values)
        else:  # something valid, in a place where it may not be
            place[key] = copy.deepcopy(draw(st.sampled_from(_containers(document))))
    return document


def _containers(value: Any) -> list[Any]:
    """Every map and list in plain data, outermost first."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [container for item in inside for container in _containers(item)]
    return [value, *found] if isinstance(value, dict | list) else found
