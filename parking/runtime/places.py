"""A limited number of places for connections or requests, shared fairly. Pure.

A place is taken before anything is sent and returned in a `with` block, so the limits hold exactly.
Some places are reserved for clients with a known API key, so that anonymous ones cannot block them.
No address or key gets more than its share.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

ALL: Final = "all-places-taken"
SHARE: Final = "share-taken"


class Taken(Exception):
    """No place is free. `reason` tells whether all are taken or only this client's share."""

    def __init__(self, reason: Literal["all-places-taken", "share-taken"], detail: str) -> None:
        super().__init__(detail)
        self.reason: Final = reason
        self.detail: Final = detail


@dataclass(frozen=True, slots=True)
class Visitor:
    """A client: its address, and the name of its API key if it sent a known one."""

    address: str
    key: str = ""

    @property
    def share(self) -> tuple[str, str]:
        """What its share is counted by, which is its key, or its address if it has none."""
        return ("key", self.key) if self.key else ("address", self.address)


class Places:
    """`total` places, with at most `each` per address or key, and `kept` of them reserved for
    keys."""

    def __init__(self, total: int, each: int, kept: int = 0) -> None:
        self._total = total
        self._each = each
        self._kept = min(kept, total - 1)
        self._by_share: Counter[tuple[str, str]] = Counter()
        self._taken = 0
        self._anonymous = 0

    @property
    def taken(self) -> int:
        """How many places are taken now."""
        return self._taken

    def enter(self, visitor: Visitor) -> "TakenPlace":
        """Take a place at once and return it when the `with` block ends. Raises Taken."""
        self._require_place(visitor)
        self._count(visitor, 1)
        return TakenPlace(partial(self._count, visitor, -1))

    def _require_place(self, visitor: Visitor) -> None:
        if self._by_share[visitor.share] >= self._each:
            whose = "this API key" if visitor.key else "this address"
            raise Taken(
                SHARE, f"{whose} already has {self._each} open streams, the maximum: close some"
            )
        open_to_all = self._total - self._kept
        if self._taken >= self._total or (not visitor.key and self._anonymous >= open_to_all):
            raise Taken(ALL, f"all {self._total} streams are in use: try again later")

    def _count(self, visitor: Visitor, step: int) -> None:
        self._taken += step
        self._anonymous += 0 if visitor.key else step
        self._by_share[visitor.share] += step
        if not self._by_share[visitor.share]:
            del self._by_share[visitor.share]


class TakenPlace:
    """A place until `give_back`, or the end of its `with` block."""

    __slots__ = ("_return",)

    def __init__(self, return_place: Callable[[], None]) -> None:
        self._return: Callable[[], None] | None = return_place

    def give_back(self) -> None:
        """Return the place; a second call changes nothing."""
        return_place, self._return = self._return, None
        if return_place is not None:
            return_place()

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self.give_back()
