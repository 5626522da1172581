"""A slower detector leads to the same changes in the same order, and only the ages differ.

The log holds the same detections in the same order. A slow detector only changes the position of
the ticks, which carry the site's time, between them.
"""

from collections.abc import Sequence
from heapq import merge

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parking.core.events import DetectionMade, Event, SiteCommanded, SlotChanged
from tests.support.tracking import INTERVAL_MS, SILENCE_MS, START_MS, Teller, fold

CAMERAS = {"a": ("1", "2"), "b": ("2", "3")}
LONGEST_GAP_MS = 15_000
LONGEST_DELAY_MS = 40_000
# Ticks come from another clock, which may be a little behind.
EARLIEST_MS = -2_000

words = st.sampled_from(["o", "f", "?", "", "o0.7", "f0.3"])
phases = st.tuples(
    st.tuples(words, words),  # what each camera sees, and for how many frames
    st.integers(1, 12),
    st.integers(500, LONGEST_GAP_MS),
    st.sampled_from(["ok"] * 5 + ["dark", "blurred"]),
)


def begin(t: Teller) -> list[SiteCommanded]:
    return [t.adopt(camera, *slots, interval_ms=2_000) for camera, slots in CAMERAS.items()]


@st.composite
def scenes(draw) -> tuple[list[SiteCommanded], list[DetectionMade]]:
    t = Teller()
    commands, frames = begin(t), []
    for seen, count, gap_ms, health in draw(st.lists(phases, min_size=1, max_size=10)):
        for _ in range(count):
            t.pass_ms(gap_ms - 2 * INTERVAL_MS)
            for camera, slots in CAMERAS.items():
                observed = {slot: word for slot, word in zip(slots, seen, strict=True) if word}
                frames.append(t.see(camera, observed, health=health))
    return commands, frames


def log(
    commands: Sequence[Event], frames: Sequence[DetectionMade], delays_ms: Sequence[int]
) -> list[Event]:
    """Return the records as they lie in Kafka if each frame takes so long, in the order of the
    frames, together with a tick every second."""
    t, placed, free_ms = Teller(), [], 0
    for frame, delay_ms in zip(frames, delays_ms, strict=True):
        free_ms = max(free_ms, frame.time_ms + delay_ms)
        placed.append((free_ms, frame))
    end_ms = frames[-1].time_ms + LONGEST_DELAY_MS
    ticks = [(ms, t.pass_ms(ms - t.now_ms).tick()) for ms in range(START_MS, end_ms, 1_000)]
    merged = merge(placed, ticks, key=lambda record: record[0])
    return [*commands, *(record for _, record in merged)]


def reports_of(records: Sequence[Event]) -> list[tuple[str, str, str, str, str]]:
    changes = [o for o in fold(records)[1] if isinstance(o, SlotChanged)]
    return [(o.slot_id, o.from_state, o.to_state, o.reason, o.cause.id) for o in changes]


@settings(max_examples=100, deadline=None)
@given(scenes(), st.data())
def test_a_slow_detector_leads_to_the_same_changes_in_the_same_order(scene, data):
    commands, frames = scene
    count = len(frames)
    delays = data.draw(
        st.one_of(
            st.integers(0, LONGEST_DELAY_MS).map(lambda delay_ms: [delay_ms] * count),
            st.lists(st.integers(EARLIEST_MS, LONGEST_DELAY_MS), min_size=count, max_size=count),
        )
    )
    assert reports_of(log(commands, frames, delays)) == reports_of(
        log(commands, frames, [0] * count)
    )


def minutes_of_frames(t: Teller) -> list[DetectionMade]:
    """Return frames of a car that stands there, is driven away after two minutes, and is soon hard
    to see."""
    seen = ["o"] * 60 + ["f"] * 30 + ["?"] * 60
    return [t.pass_ms(1_000).see("a", {"1": word, "2": "f"}) for word in seen]


@pytest.mark.parametrize(
    ("delay_ms", "same"), [(LONGEST_DELAY_MS, True), (SILENCE_MS + 5_000, False)]
)
def test_only_a_delay_beyond_the_silence_limit_leads_to_other_changes(delay_ms, same):
    """This is the negative control: the comparison above can fail."""
    t = Teller()
    commands, frames = begin(t), minutes_of_frames(t)
    fast = reports_of(log(commands, frames, [0] * len(frames)))
    assert [(slot, to, why) for slot, _, to, why, _ in fast if slot == "1"] == [
        ("1", "unknown", "adopted"),
        ("1", "occupied", "observed"),
        ("1", "free", "observed"),
        ("1", "unknown", "no-evidence"),
    ]
    slow = reports_of(log(commands, frames, [delay_ms] * len(frames)))
    assert (slow == fast) is same
