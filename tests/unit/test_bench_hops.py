"""The table of where the time goes between a frame's publication and its change on SSE."""

from dataclasses import replace

from parking.core.topics import DETECTIONS, SLOT_CHANGES
from parking.wire.ports import Record
from tests.support.persisting import At, change, detection, frame, out, record
from tools.bench import hops


def test_each_hop_has_the_time_between_its_timestamps_and_other_frames_do_not_count():
    records = [*way(1, 0), *way(2, 1000), *way(3, 2000)[:2]]  # frame 3 changed nothing
    spans = {f"demo/north/1/{n}": (n * 1000.0 - 4, n * 1000.0 + 270) for n in (1, 2, 3)}
    rows = hops.table(records, spans).splitlines()[2:]
    assert [row.split("|")[2].strip() for row in rows] == ["4", "200", "30", "40", "12"]
    assert "detect (2 of 2 frames)" in rows[-1]


def way(seq: int, later_ms: int) -> list[Record]:
    """Return a frame, its detection and its change, as they lie in Kafka."""
    received, in_frames = frame("demo", seq)
    found = out(detection(received), DETECTIONS)
    changed = out(change("demo", seq, At(received)), SLOT_CHANGES)
    times = zip((in_frames, found, changed), (1000, 1200, 1230), strict=True)
    return [replace(record(one, seq), timestamp_ms=at + later_ms) for one, at in times]
