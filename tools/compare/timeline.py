"""A slot's states over time, and where two accounts of it differ. Pure.

Times are Unix milliseconds of the recording. A state holds from its time on, including that time.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from parking.core.events import SlotChanged

Key = tuple[str, str]
"""Site and slot."""

UNSEEN = "unknown"
"""A slot's state before its first report."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A state and its start. `confidence` is that of the change, or None for annotations."""

    at_ms: int
    state: str
    confidence: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """One slot's states, in order. No two have the same time, and none repeats the one before."""

    shown: tuple[Shown, ...] = ()

    def at(self, time_ms: int) -> Shown:
        """Return its state at a time."""
        index = bisect_right(self.shown, time_ms, key=lambda shown: shown.at_ms)
        return self.shown[index - 1] if index else Shown(time_ms, UNSEEN)

    def changes(self, from_ms: int, to_ms: int) -> int:
        """Count the changes after `from_ms`, up to and including `to_ms`."""
        return sum(from_ms < shown.at_ms <= to_ms for shown in self.shown)

    def flips(self, from_ms: int, to_ms: int) -> int:
        """Count the changes from free to occupied or back, ignoring unknown in between."""
        known = self.at(from_ms).state
        count = 0
        for shown in self.shown:
            if from_ms < shown.at_ms <= to_ms and shown.state in ("free", "occupied"):
                count += known in ("free", "occupied") and shown.state != known
                known = shown.state
        return count


@dataclass(frozen=True, slots=True)
class Difference:
    """A period in which two accounts of a slot differ. It ends when they agree again or one of them
    changes."""

    key: Key
    from_ms: int
    to_ms: int
    a: Shown
    b: Shown

    @property
    def seconds(self) -> float:
        """Its length; 0 when it began at the very end."""
        return (self.to_ms - self.from_ms) / 1000


def timeline(shown: Iterable[Shown]) -> Timeline:
    """Build it from states in the order they were reported. Of several at the same time, the last
    wins."""
    kept: list[Shown] = []
    for one in shown:
        if kept and kept[-1].at_ms >= one.at_ms:
            kept[-1] = Shown(kept[-1].at_ms, one.state, one.confidence, one.reason)
            if len(kept) > 1 and kept[-2].state == kept[-1].state:
                kept.pop()
        elif not kept or kept[-1].state != one.state:
            kept.append(one)
    return Timeline(tuple(kept))


def timelines(changes: Iterable[SlotChanged]) -> dict[Key, Timeline]:
    """Build a timeline per slot from its changes. A duplicate counts once."""
    by_slot: dict[Key, dict[int, SlotChanged]] = {}
    for change in changes:
        by_slot.setdefault((change.site_id, change.slot_id), {}).setdefault(change.version, change)
    return {
        key: timeline(
            Shown(change.time_ms, change.to_state, change.confidence, change.reason)
            for _, change in sorted(some.items())
        )
        for key, some in by_slot.items()
    }


def differences(key: Key, a: Timeline, b: Timeline, from_ms: int, to_ms: int) -> list[Difference]:
    """Return every period in which the two differ, within the span."""
    edges = {from_ms, *(s.at_ms for s in (*a.shown, *b.shown) if from_ms < s.at_ms <= to_ms)}
    found = []
    ordered = sorted(edges)
    for start, end in zip(ordered, [*ordered[1:], to_ms], strict=True):
        left, right = a.at(start), b.at(start)
        if left.state != right.state:
            found.append(Difference(key, start, end, left, right))
    return found


@dataclass(frozen=True, slots=True)
class Score:
    """How often the state shown at a labelled picture was right. `unknown` counts those that showed
    none."""

    right: int = 0
    wrong: int = 0
    unknown: int = 0

    @property
    def labels(self) -> int:
        """The number of labels."""
        return self.right + self.wrong + self.unknown

    @property
    def unknown_share(self) -> float | None:
        """The share of labels at which unknown was shown, or None without labels."""
        return self.unknown / self.labels if self.labels else None

    @property
    def accuracy(self) -> float | None:
        """The share of shown states that are right, or None if none was shown."""
        said = self.right + self.wrong
        return self.right / said if said else None

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.right + other.right, self.wrong + other.wrong, self.unknown + other.unknown
        )


def score(shown: Timeline, truth: Iterable[tuple[int, bool]]) -> Score:
    """Score it against labels of the form (time, occupied)."""
    counts = {"right": 0, "wrong": 0, "unknown": 0}
    for time_ms, occupied in truth:
        state = shown.at(time_ms).state
        expected = "occupied" if occupied else "free"
        said = state in ("free", "occupied")
        counts[("right" if state == expected else "wrong") if said else "unknown"] += 1
    return Score(**counts)


@dataclass(frozen=True, slots=True)
class Account:
    """One side of a comparison: its name, each slot's states, and its span. `seen` maps frame id
    and slot to (state, confidence) as that side's detector saw it."""

    name: str
    slots: Mapping[Key, Timeline]
    from_ms: int
    to_ms: int
    seen: Mapping[str, Mapping[str, tuple[str, float]]] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    source: str = ""
