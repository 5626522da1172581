"""How old what is shown is, and which changes of scene were lost; pure.

The age of a frame is the time from its sending until it, or a newer frame of its camera, is told: a
record in parking.detections (the broker's own time of it), or for the plain loop the end of its
work. At a picture each 5 s what a page shows is therefore between that age and 5 s older. A frame
for which nothing is told until the measurement ends counts with the time until then.

A change of scene is the first picture of the next recorded picture. Where cars came or went between
the two, it is seen when one of those slots is judged on a picture of the new scene; where none did,
when any picture of it is told. It is lost when neither happens while the measurement lasts.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import quantiles
from typing import Final

AGE_LIMIT_S: Final = 5.0
Told = Mapping[str, Sequence["Telling"]]
"""By camera, in order of `seq`."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One picture of a camera. `dropped`: the camera had no room for it."""

    camera_id: str
    seq: int
    at_ms: int
    scene: int
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Telling:
    """What was told of one frame. `judged`: the slots that were judged on this very frame (None:
    all of them); `spent_ms`: what the detector took for it, without waiting; `load_level`: as in
    events.Effort."""

    camera_id: str
    seq: int
    at_ms: int
    judged: frozenset[str] | None
    spent_ms: float = 0.0
    load_level: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """What is measured: frames sent from `start_ms` to before `end_ms`; what is told of them counts
    up to `closed_ms`."""

    start_ms: int
    end_ms: int
    closed_ms: int

    def holds(self, at_ms: int) -> bool:
        """Whether a frame sent then is measured."""
        return self.start_ms <= at_ms < self.end_ms


@dataclass(frozen=True, slots=True)
class Change:
    """One change of scene. `slots`: where cars came or went; `seen_after_ms` None: lost."""

    camera_id: str
    seq: int
    at_ms: int
    slots: frozenset[str]
    seen_after_ms: int | None


def by_camera(tellings: Iterable[Telling]) -> Told:
    """In order, as the functions here want them."""
    told: dict[str, list[Telling]] = {}
    for telling in sorted(tellings, key=lambda telling: telling.seq):
        told.setdefault(telling.camera_id, []).append(telling)
    return told


def ages_s(sent: Iterable[Sent], told: Told, window: Window) -> list[float]:
    """The age of every frame of the window, seconds."""
    known = {camera_id: _known_from(tellings) for camera_id, tellings in told.items()}
    ages = []
    for frame in sent:
        if window.holds(frame.at_ms):
            seqs, times = known.get(frame.camera_id, ((), ()))
            place = bisect_left(seqs, frame.seq)
            told_ms = times[place] if place < len(times) else window.closed_ms
            ages.append(max(0, min(told_ms, window.closed_ms) - frame.at_ms) / 1000)
    return ages


def _known_from(tellings: Sequence[Telling]) -> tuple[Sequence[int], Sequence[int]]:
    """Sequence numbers, and when each or a newer one was first told."""
    times: list[int] = []
    for telling in reversed(tellings):
        times.append(min(telling.at_ms, times[-1]) if times else telling.at_ms)
    return [telling.seq for telling in tellings], times[::-1]


def changes(
    sent: Iterable[Sent],
    told: Told,
    window: Window,
    moved: Callable[[str, int], frozenset[str]],
) -> list[Change]:
    """The changes of scene whose first picture is of the window. `moved`: the slots of a camera
    that differ between a scene and the one before it."""
    frames: dict[str, list[Sent]] = {}
    for frame in sent:
        frames.setdefault(frame.camera_id, []).append(frame)
    found = []
    for camera_id, mine in frames.items():
        mine.sort(key=lambda frame: frame.seq)
        for before, first in pairwise(mine):
            if first.scene != before.scene and window.holds(first.at_ms):
                slots = moved(camera_id, first.scene)
                seqs = {frame.seq for frame in mine if frame.scene == first.scene}
                seen_ms = _seen(told.get(camera_id, ()), seqs, slots, window)
                after = None if seen_ms is None else seen_ms - first.at_ms
                found.append(Change(camera_id, first.seq, first.at_ms, slots, after))
    return found


def _seen(
    tellings: Sequence[Telling], seqs: set[int], slots: frozenset[str], window: Window
) -> int | None:
    times = [
        telling.at_ms
        for telling in tellings
        if telling.seq in seqs
        and telling.at_ms <= window.closed_ms
        and (not slots or telling.judged is None or slots & telling.judged)
    ]
    return min(times, default=None)


def percentile(values: Sequence[float], percent: int) -> float:
    """Interpolated; nan for less than two values."""
    if len(values) < 2:
        return float("nan")
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def too_old(ages: Sequence[float], expected: int) -> bool:
    """Whether the p99 of `expected` ages is above the limit whatever the missing ones are."""
    return sum(age > AGE_LIMIT_S for age in ages) > expected / 100 + 1
