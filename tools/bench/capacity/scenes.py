"""The recordings that the cameras play: their pictures, slots, and the changes between them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from parking.core import lots
from parking.core.events import LayoutPublished
from parking.vision.reference import with_references
from parking.wire.annotations import load as annotations_of
from parking.wire.annotations import read_from
from tools.bench.capacity.plan import Camera

SEQUENCES: Final = ("pklot-ufpr05-day", "pklot-ufpr04-seq")


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded sequence: its pictures in order, and the slot states of each."""

    folder: Path
    annotations: Mapping[str, Any]
    files: list[Path]
    states: Sequence[Mapping[str, int | None]]

    def changed(self, before: int, after: int) -> frozenset[str]:
        """Return the slots that are free in one of two pictures and occupied in the other."""
        old, new = (self.states[number % len(self.states)] for number in (before, after))
        return frozenset(
            slot
            for slot, occupied in new.items()
            if None not in (occupied, old.get(slot)) and occupied != old[slot]
        )


def load(data: Path) -> list[Recording]:
    """Load both sequences below `data`. Raises FileNotFoundError."""
    recordings = []
    for name in SEQUENCES:
        folder = data / name
        annotations = annotations_of(folder)
        frames = annotations["frames"]
        states = [{str(s["id"]): s["occupied"] for s in frame["slots"]} for frame in frames]
        files = [folder / frame["file"] for frame in frames]
        recordings.append(Recording(folder, annotations, files, states))
    return recordings


def layouts(
    recordings: Sequence[Recording], cameras: Sequence[Camera], interval_s: float
) -> list[LayoutPublished]:
    """Return one layout per camera, with a reference picture. The four cameras of a site see
    different slots, so each slot's name begins with its camera's name."""
    now_ms, interval_ms = time.time_ns() // 1_000_000, round(interval_s * 1000)
    patterns = []
    for recording in recordings:
        site_layouts = lots.layouts_from_annotations(
            recording.annotations, "lot", interval_ms=interval_ms, time_ms=now_ms
        )
        patterns += list(
            with_references(site_layouts[:1], recording.annotations, read_from(recording.folder))
        )
    return [_layout(patterns[camera.sequence], camera.camera_id) for camera in cameras]


def slot_name(camera_id: str, slot_id: str) -> str:
    """Return the name of a recorded slot in this camera's layout."""
    return f"{camera_id.split('/')[1]}-{slot_id}"


def _layout(pattern: LayoutPublished, camera_id: str) -> LayoutPublished:
    site_id, device = camera_id.split("/")
    return replace(
        pattern,
        id=f"{camera_id}/layout/1",
        site_id=site_id,
        camera_id=camera_id,
        site_name=site_id,
        camera_name=device,
        slots=[replace(slot, slot_id=slot_name(camera_id, slot.slot_id)) for slot in pattern.slots],
    )
