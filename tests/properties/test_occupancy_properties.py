"""What holds for every sequence of records: duplicate and late records change nothing, versions go
up one by one, ids are unique, and no slot shows what no camera supports."""

from collections import Counter
from typing import Any, Literal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from parking.core.events import (
    DetectionMade,
    Event,
    SlotChanged,
    SlotClosed,
    SlotOpened,
    SlotStateUpdated,
    StateCorrected,
    TickElapsed,
)
from parking.core.occupancy import step
from parking.core.site import Site
from parking.core.timekeeping import STEP_MS
from parking.wire import sitejson
from tests.support.tracking import Teller, fold, written_again

CAMERAS = {"a": ("1", "2"), "b": ("2", "3")}
SLOTS = ("1", "2", "3")

words = st.sampled_from(["o", "f", "?", "o0.7", "f0.7", "o0.3", "f0.3"])
actions = st.one_of(
    st.tuples(
        st.just("see"),
        st.sampled_from(sorted(CAMERAS)),
        st.tuples(words, words),
        st.sampled_from(["ok", "ok", "ok", "dark", "blurred"]),
    ),
    st.tuples(st.just("tick"), st.sampled_from([1, 1_000, 3_000, 20_000])),
    st.tuples(st.just("device"), st.sampled_from(sorted(CAMERAS)), st.booleans()),
    st.tuples(st.just("gate"), st.sampled_from(["entry", "exit"])),
    st.tuples(st.just("close"), st.sampled_from(SLOTS)),
    st.tuples(st.just("open"), st.sampled_from(SLOTS)),
    st.tuples(st.just("correct"), st.sampled_from(SLOTS), st.sampled_from(["free", "occupied"])),
    st.tuples(st.just("adopt"), st.sampled_from(sorted(CAMERAS)), st.booleans()),
    st.tuples(st.just("parameters"), st.integers(1, 3), st.integers(1, 3)),
)


class Story:
    """Actions as records, each with its own id, in the order they happened."""

    def __init__(self) -> None:
        self.teller = Teller()
        self.versions = dict.fromkeys(CAMERAS, 1)
        self.connection = 0
        self.seq = 0

    def begin(self) -> list[Event]:
        return [self.teller.adopt(camera, *slots) for camera, slots in CAMERAS.items()]

    def tell(self, action: tuple[Any, ...]) -> Event:
        kind, *rest = action
        event: Event = getattr(self, kind)(*rest)
        return event

    def see(self, camera, seen, health):
        seen = dict(zip(CAMERAS[camera], seen, strict=True))
        version = self.versions[camera]
        return self.teller.see(camera, seen, health=health, layout_version=version)

    def tick(self, after_ms):
        return self.teller.tick(after_ms)

    def device(self, camera, comes):
        self.connection += comes
        kind: Literal["online", "offline"] = "online" if comes else "offline"
        return self.teller.device(camera, kind, 1, self.connection)

    def gate(self, direction):
        self.seq += 1
        return self.teller.gate(direction, self.seq)

    def close(self, slot):
        return self.teller.command(SlotClosed(slot_id=slot))

    def open(self, slot):
        return self.teller.command(SlotOpened(slot_id=slot))

    def correct(self, slot, state):
        return self.teller.command(StateCorrected(slot_id=slot, state=state))

    def adopt(self, camera, whole):
        self.versions[camera] += 1
        slots = CAMERAS[camera] if whole else CAMERAS[camera][:1]
        return self.teller.adopt(camera, *slots, version=self.versions[camera])

    def parameters(self, enter, leave):
        return self.teller.parameters(enter_observations=enter, exit_observations=leave)


@st.composite
def stories(draw) -> list[Event]:
    story = Story()
    return story.begin() + [story.tell(a) for a in draw(st.lists(actions, max_size=40))]


@settings(max_examples=200, deadline=None)
@given(stories(), st.data())
def test_doubled_and_late_records_change_nothing(records, data):
    noisy: list[Event] = []
    for index, record in enumerate(records):
        noisy.append(record)
        again = data.draw(st.lists(st.integers(0, index), max_size=3))
        noisy += [records[earlier] for earlier in again if not _far_below(records, earlier, index)]
    assert fold(noisy) == fold(records)


def _far_below(records: list[Event], earlier: int, index: int) -> bool:
    """Return whether the record is a tick more than a step late. Two such ticks in a row come from
    a clock that was set back."""
    ticks = [r.time_ms for r in records[: index + 1] if isinstance(r, TickElapsed)]
    late = records[earlier]
    return isinstance(late, TickElapsed) and late.time_ms < max(ticks) - STEP_MS


@settings(max_examples=200, deadline=None)
@given(stories(), st.data())
def test_frames_written_twice_change_nothing(records, data):
    """Ingest wrote a batch of frames again at higher offsets, either one, a run, or all of them."""
    again = Teller()
    noisy: list[Event] = []
    for index, record in enumerate(records):
        noisy.append(at_offset(record, again))
        first = data.draw(st.integers(0, index + 1))
        batch = [r for r in records[first : index + 1] if isinstance(r, DetectionMade)]
        noisy += [at_offset(r, again) for r in batch]
    assert reports_of(fold(noisy)) == reports_of(fold(records))


def at_offset(record: Event, teller: Teller) -> Event:
    """Return a detection with its frame at the next offset, and any other record unchanged."""
    return written_again(teller, record) if isinstance(record, DetectionMade) else record


def reports_of(folded: tuple[Site, list[Event]]) -> tuple[Any, list[Any]]:
    """Return states and outputs without the positions of frames in the log."""
    site, outputs = folded
    return site.slots, [{**msgspec.to_builtins(o), "frame_ref": None} for o in outputs]


@settings(max_examples=200, deadline=None)
@given(stories())
def test_versions_count_up_ids_are_unique_and_nothing_is_shown_without_support(records):
    site = Site(site_id="lot")
    versions: Counter[str] = Counter()
    ids: Counter[str] = Counter()
    for record in records:
        site, outputs = step(site, record)
        for output in outputs:
            ids[output.id] += 1
            if isinstance(output, SlotChanged):
                versions[output.slot_id] += 1
                assert output.version == versions[output.slot_id]
                assert output.dwell_ms is None or output.dwell_ms >= 0
            if isinstance(output, SlotStateUpdated):
                assert output.version == versions[output.slot_id]
                assert output.state == site.slots[output.slot_id].state
        for slot in site.slots.values():
            if slot.state in ("free", "occupied") and slot.overruled is None:
                assert slot.sights  # even one that contradicts, but not often enough yet
    assert max(ids.values()) == 1


@settings(max_examples=100, deadline=None)
@given(stories())
def test_a_site_read_back_from_json_goes_on_the_same(records):
    site, found = Site(site_id="lot"), []
    for record in records:
        site, outputs = step(sitejson.from_json(sitejson.to_json(site), Site), record)
        found += outputs
    assert (site, found) == fold(records)


def shown_by_counting(seen: list[str], enter: int, leave: int) -> list[str]:
    """Apply the rule for one camera and one slot, as a minimal reference implementation."""
    shown, state = [], "?"
    for index in range(len(seen)):
        known = [word for word in seen[: index + 1] if word != "?"]
        for word, wanted in (("o", enter), ("f", leave)):
            if len(known) >= wanted and set(known[-wanted:]) == {word}:
                state = word
        shown.append(state)
    return shown


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["o", "f", "?"]), max_size=30), st.integers(1, 4), st.integers(1, 4)
)
def test_one_camera_shows_what_plain_counting_shows(seen, enter, leave):
    t = Teller()
    site, _ = fold(
        [t.adopt("a", "1"), t.parameters(enter_observations=enter, exit_observations=leave)]
    )
    found = []
    for word in seen:
        site, _ = step(site, t.see("a", {"1": word}))
        found.append({"occupied": "o", "free": "f", "unknown": "?"}[site.slots["1"].state])
    assert found == shown_by_counting(seen, enter, leave)
