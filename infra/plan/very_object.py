"""The very object as part of a key: what a thousand sites share is read once, though nothing in it can be hashed."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class VeryObject(Generic[T]):
    """Equal to itself around the same object only. Whoever keeps it keeps the object too, so no other takes its place;
    what is in it must not change any more."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VeryObject) and self.value is other.value  # pyright: ignore[reportUnknownMemberType]

    def __hash__(self) -> int:
        return id(self.value)
