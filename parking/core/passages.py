"""Vehicles that pass gates, with each plate's last passages as a value that is cheap to change.
Pure.

A site remembers thousands of plates, but a gate event changes only one, so copying all of them for
each event would cost more than everything else. `PlatePassages` consists of a large dictionary that
many values share and that never changes, plus a small one with the plates changed since. A change
copies the small one. Once it exceeds CHANGED_LIMIT, the two are merged.
"""

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Final, Literal

from msgspec import Struct

CHANGED_LIMIT: Final = 128


class Passage(Struct, frozen=True, array_like=True):
    """One vehicle that passed a gate. `id` is unique in its site, and an entry has the id of its
    session. `plate_near` holds hashes that similar plates share (parking/core/nearplates.py)."""

    time_ms: int
    id: str
    gate_id: str
    direction: Literal["entry", "exit"]
    plate_hash: str | None = None
    plate_near: tuple[str, ...] = ()


_Passages = list[Passage]


class PlatePassages(Mapping[str, _Passages]):
    """Passages keyed by plate, with the most recently changed plate last. Immutable, including the
    lists. Two values are equal if they have the same content, whatever their order and layers."""

    __slots__ = ("_base", "_changed", "_length")

    def __init__(self, passages: Mapping[str, _Passages] | None = None) -> None:
        self._base = dict(passages or {})
        self._changed: dict[str, _Passages | None] = {}
        self._length = len(self._base)

    def __getitem__(self, plate: str) -> _Passages:
        return _find(self._base, self._changed, plate)

    def __iter__(self) -> Iterator[str]:
        return _plates(self._base, self._changed)

    def __len__(self) -> int:
        return self._length

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, PlatePassages) and len(other) != len(self):
            return False
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment] # unhashable, like a dictionary

    def __repr__(self) -> str:
        return f"PlatePassages({dict(self)!r})"

    def draft(self) -> "Draft":
        """Return a copy that may be changed."""
        return Draft(self._base, dict(self._changed), self._length)


class Draft(MutableMapping[str, _Passages]):
    """A `PlatePassages` under construction. Setting a plate moves it to the end, even if it was
    known, so the order does not depend on the layers. Do not change the lists or the shared `base`
    in place."""

    __slots__ = ("_length", "base", "changed")

    def __init__(
        self, base: dict[str, _Passages], changed: dict[str, _Passages | None], length: int
    ) -> None:
        self.base = base
        self.changed = changed
        self._length = length

    def __getitem__(self, plate: str) -> _Passages:
        return _find(self.base, self.changed, plate)

    def __iter__(self) -> Iterator[str]:
        return _plates(self.base, self.changed)

    def __len__(self) -> int:
        return self._length

    def __setitem__(self, plate: str, passages: _Passages) -> None:
        self._length += plate not in self
        self.changed.pop(plate, None)
        self.changed[plate] = passages

    def __delitem__(self, plate: str) -> None:
        if plate not in self:
            raise KeyError(plate)
        self._length -= 1
        self.changed.pop(plate, None)
        if plate in self.base:
            self.changed[plate] = None

    def finish(self, limit: int = CHANGED_LIMIT) -> PlatePassages:
        """Return the value, with more than `limit` changes merged into one layer. Do not use the
        draft afterwards."""
        done = PlatePassages()
        done._base, done._changed = self.base, self.changed  # noqa: SLF001 -- of this module
        done._length = self._length  # noqa: SLF001
        if len(self.changed) > limit:
            done._base, done._changed = self.joined(), {}  # noqa: SLF001
        return done

    def joined(self) -> dict[str, _Passages]:
        """Return all passages in one dictionary, for callers that read every plate."""
        joined = self.base.copy()
        for plate, passages in self.changed.items():
            joined.pop(plate, None)
            if passages is not None:
                joined[plate] = passages
        return joined


def _find(
    base: dict[str, _Passages], changed: dict[str, _Passages | None], plate: str
) -> _Passages:
    passages = changed[plate] if plate in changed else base[plate]
    if passages is None:
        raise KeyError(plate)
    return passages


def _plates(base: dict[str, _Passages], changed: dict[str, _Passages | None]) -> Iterator[str]:
    yield from (plate for plate in base if plate not in changed)
    yield from (plate for plate, passages in changed.items() if passages is not None)
