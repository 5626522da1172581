"""What a slot showed over time, and where two accounts of it part. Pure.

Times are Unix milliseconds of the recording. A state holds from its moment on; what is shown at a
moment is what its last change made it, that moment's own changes included.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from parking.events import SlotChanged

Key = tuple[str, str]
"""Site and slot."""

UNSEEN = "unknown"
"""What a slot is before anything is said of it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A state and since when. `confidence`: of the change; None for annotations."""

    at_ms: int
    state: str
    confidence: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """One slot's states, in order; no two at one moment, none like the one before."""

    shown: tuple[Shown, ...] = ()

    def at(self, time_ms: int) -> Shown:
        """What it shows at a moment."""
        index = bisect_right(self.shown, time_ms, key=lambda shown: shown.at_ms)
        return self.shown[index - 1] if index else Shown(time_ms, UNSEEN)

    def changes(self, from_ms: int, to_ms: int) -> int:
        """How many changes lie after `from_ms`, up to `to_ms`."""
        return sum(from_ms < shown.at_ms <= to_ms for shown in self.shown)

    def flips(self, from_ms: int, to_ms: int) -> int:
        """How often free became occupied or the other way round, whatever was unknown between."""
        known = self.at(from_ms).state
        count = 0
        for shown in self.shown:
            if from_ms < shown.at_ms <= to_ms and shown.state in ("free", "occupied"):
                count += known in ("free", "occupied") and shown.state != known
                known = shown.state
        return count


@dataclass(frozen=True, slots=True)
class Difference:
    """A stretch of time in which two accounts of a slot part. It ends where they agree again, or
    where one of them changes."""

    key: Key
    from_ms: int
    to_ms: int
    a: Shown
    b: Shown

    @property
    def seconds(self) -> float:
        """How long; 0 when it began at the very end."""
        return (self.to_ms - self.from_ms) / 1000


def timeline(shown: Iterable[Shown]) -> Timeline:
    """From states in the order they were told; of one moment the last holds."""
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
    """By slot, from its changes; a doubled change counts once."""
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
    """Every stretch in which the two part, within the span."""
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
    """How often what was shown at a labelled picture was right. `unknown`: nothing was said."""

    right: int = 0
    wrong: int = 0
    unknown: int = 0

    @property
    def labels(self) -> int:
        """All that was labelled."""
        return self.right + self.wrong + self.unknown

    @property
    def unknown_share(self) -> float | None:
        """Of all labels, those at which nothing was said; None without labels."""
        return self.unknown / self.labels if self.labels else None

    @property
    def accuracy(self) -> float | None:
        """Right among what was said; None when nothing was."""
        said = self.right + self.wrong
        return self.right / said if said else None

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.right + other.right, self.wrong + other.wrong, self.unknown + other.unknown
        )


def score(shown: Timeline, truth: Iterable[tuple[int, bool]]) -> Score:
    """Against labels: (moment, occupied)."""
    counts = {"right": 0, "wrong": 0, "unknown": 0}
    for time_ms, occupied in truth:
        state = shown.at(time_ms).state
        expected = "occupied" if occupied else "free"
        said = state in ("free", "occupied")
        counts[("right" if state == expected else "wrong") if said else "unknown"] += 1
    return Score(**counts)


@dataclass(frozen=True, slots=True)
class Account:
    """One side of a comparison: what it is called, what each slot showed, over which span.
    `seen`: frame id -> slot -> (state, confidence) as that side's detector saw it."""

    name: str
    slots: Mapping[Key, Timeline]
    from_ms: int
    to_ms: int
    seen: Mapping[str, Mapping[str, tuple[str, float]]] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    source: str = ""
