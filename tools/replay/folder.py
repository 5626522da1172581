"""Read a folder with annotations.json as a recording of its cameras.

Pictures keep their original times. Those without a time are one interval apart. Time advances (by
ticks) in steps of the cameras' interval, so a gap in the footage becomes silence.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from parking.core import lots
from parking.core.errors import Invalid
from parking.core.events import (
    FrameReceived,
    GateEventReceived,
    LayoutPublished,
    ParametersSet,
    TickElapsed,
)
from parking.core.topics import DETECTIONS, FRAMES, GATE_EVENTS, LAYOUTS
from services.detector.picture import header_size
from tools.record.recording import Kept, Recording, in_order
from tools.simulator.footage import GATE_DEVICE, Footage, load

_INTERVAL_MS: Final = 1_000
_USUAL: Final = ParametersSet()


def read_folder(folder: Path, interval_ms: int | None = None) -> Recording:
    """Read the folder's pictures, layouts and ticks. `interval_ms` is the cameras' interval
    (default: the usual interval between the pictures). Raises Invalid with a message for people."""
    footage = load(folder)
    interval_ms = interval_ms or _usual_interval_ms(footage)
    frames: list[Kept] = []
    paths: dict[str, Path] = {}
    for partition, (device, shots) in enumerate(footage.shots.items()):
        for number, shot in enumerate(shots, 1):
            time_ms = shot.recorded_at_ms
            time_ms = number * interval_ms if time_ms is None else time_ms
            camera_id = f"{footage.site_id}/{device}"
            file = f"{camera_id}/{number}"
            paths[file] = shot.path
            event = _frame(shot.path, camera_id, number, time_ms)
            frames.append(Kept(FRAMES, partition, number, time_ms, event, file))
    frames = in_order(frames)
    layouts = lots.layouts_from_annotations(
        footage.annotations,
        footage.site_id,
        interval_ms=interval_ms,
        time_ms=frames[0].at_ms,
    )
    ticks = _ticks(footage.site_id, [kept.at_ms for kept in frames], interval_ms)
    return Recording(
        name=folder.name,
        sites=(footage.site_id,),
        records=in_order([*frames, *ticks, *_gates(footage, frames)]),
        picture=lambda file: paths[file].read_bytes(),
        before=[_layout(layout) for layout in layouts],
    )


def _frame(path: Path, camera_id: str, number: int, time_ms: int) -> FrameReceived:
    jpeg = path.read_bytes()
    try:
        width, height = header_size(jpeg)
    except Invalid as error:
        raise Invalid("no-footage", f"{path}: {error.detail}") from error
    return FrameReceived(
        id=f"{camera_id}/0/{number}",
        site_id=camera_id.split("/")[0],
        time_ms=time_ms,
        camera_id=camera_id,
        via="api",
        width=width,
        height=height,
        size_bytes=len(jpeg),
        sha256=hashlib.sha256(jpeg).hexdigest(),
        received_at_ms=time_ms,
        time_source="device",
        recorded_at_ms=time_ms,
    )


def _gates(footage: Footage, frames: list[Kept]) -> Iterator[Kept]:
    """Yield the footage's gate events, each at its frame's time."""
    first = next(iter(footage.shots))
    times_ms = [kept.at_ms for kept in frames if kept.file and kept.file.split("/")[1] == first]
    for number, (index, direction) in enumerate(footage.gate, 1):
        time_ms = times_ms[min(index, len(times_ms) - 1)]
        device_id = f"{footage.site_id}/{GATE_DEVICE}"
        event = GateEventReceived(
            id=f"{device_id}/gate/0/{number}",
            site_id=footage.site_id,
            time_ms=time_ms,
            device_id=device_id,
            gate_id="main",
            direction="entry" if direction == "entry" else "exit",
            via="api",
            time_source="device",
            boot_id=0,
            seq=number,
        )
        yield Kept(GATE_EVENTS, 0, number, time_ms, event)


def _layout(event: LayoutPublished) -> Kept:
    return Kept(LAYOUTS, -1, -1, event.time_ms, event)


def _usual_interval_ms(footage: Footage) -> int:
    gap_ms = footage.gap_ms
    return _INTERVAL_MS if gap_ms is None else max(100, gap_ms)


def _ticks(site_id: str, times_ms: Iterable[int], interval_ms: int) -> Iterator[Kept]:
    """Yield one tick per interval until silence is certain. A long night needs no more."""
    number = 0
    silent_ms = max(_USUAL.silence_ms, _USUAL.silence_intervals * interval_ms) + 2 * interval_ms
    for before, after in pairwise(sorted(set(times_ms))):
        for time_ms in range(before + interval_ms, min(after, before + silent_ms + 1), interval_ms):
            number += 1
            tick = TickElapsed(id=f"{site_id}/tick/{time_ms}", site_id=site_id, time_ms=time_ms)
            yield Kept(DETECTIONS, 0, number, time_ms, tick)


# ---------------------------------------------------------------- truth
Labels = dict[str, bool]
"""Maps each slot to whether it is occupied. Slots without a label are left out."""


def truth_of(folder: Path, frames: Iterable[FrameReceived]) -> dict[str, Labels]:
    """Return frame id -> labels for the frames that the folder's annotations describe: those with
    the same bytes, or the same camera and original time. Raises Invalid."""
    footage = load(folder)
    by_time: dict[tuple[str, int], Labels] = {}
    by_bytes: dict[str, Labels] = {}
    for frame in footage.annotations["frames"]:
        labels = _labels(frame)
        device = lots.slug(str(frame["camera"]))
        digest = hashlib.sha256((folder / frame["file"]).read_bytes()).hexdigest()
        by_bytes[digest] = labels
        if frame.get("timestamp"):
            by_time[device, _time_ms(frame["timestamp"])] = labels
    found: dict[str, Labels] = {}
    for event in frames:
        device = event.camera_id.split("/")[1]
        labels_then = by_time.get((device, event.recorded_at_ms or -1))
        labels_now = by_bytes.get(event.sha256, labels_then)
        if labels_now is not None:
            found[event.id] = labels_now
    return found


def _labels(frame: Mapping[str, Any]) -> Labels:
    slots = frame["slots"]
    return {str(s["id"]): bool(s["occupied"]) for s in slots if s.get("occupied") is not None}


def _time_ms(timestamp: str) -> int:
    moment = datetime.fromisoformat(timestamp)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
