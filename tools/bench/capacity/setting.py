"""Settings shared by all measurements of a run, and how a measurement becomes a point of the
table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.bench.capacity import results
from tools.bench.capacity.ages import Sent, ages_s, by_camera, changes, percentile
from tools.bench.capacity.course import Outcome
from tools.bench.capacity.pictures import Places
from tools.bench.capacity.plan import BOOT, Camera, Plan, cast
from tools.bench.capacity.results import Point
from tools.bench.capacity.scenes import Recording, slot_name
from tools.bench.capacity.usage import spent


@dataclass(frozen=True, slots=True)
class Setting:
    """Pictures, pace and machine. `environ` is what every process inherits."""

    recordings: Sequence[Recording]
    pack: Path
    places: Places
    interval_s: float
    window_s: float
    cores: int
    environ: Mapping[str, str]

    def cast(self, count: int) -> list[Camera]:
        """Return the cameras of a measurement."""
        return cast(count, [len(one.files) for one in self.recordings], self.interval_s)

    def plan(self, cameras: list[Camera], host: str = "", port: int = 0) -> Plan:
        """Return the plan for these cameras."""
        return Plan(self.interval_s, host, port, BOOT, str(self.pack), self.places, cameras)

    def point(
        self,
        row: str,
        cameras: Sequence[Camera],
        sent: Sequence[Sent],
        outcome: Outcome,
        page_s: Mapping[str, float] | None = None,
    ) -> Point:
        """Turn a measurement into a point. `page_s` holds, for each frame that changed a slot, the
        time (Unix seconds) when its first change reached the page."""
        head = (row, self.interval_s, len(cameras))
        window = outcome.window
        per_camera = by_camera(outcome.reports)
        ages = ages_s(sent, per_camera, window)
        measured = [frame for frame in sent if window.holds(frame.at_ms)]
        moved = Moved(self.recordings, cameras)
        # A measurement that was stopped early had no time to see the changes.
        found = [] if outcome.stopped_early else changes(sent, per_camera, window, moved)
        page = _page_ages(measured, page_s or {})
        inside = [t for t in outcome.reports if window.holds(t.at_ms)]
        still_ms, changed_ms, still = results.spent_ms(inside)
        age_p99_s, page_p99_s = percentile(ages, 99), percentile(page, 99)
        failures = results.failures(age_p99_s, page_p99_s, found)
        return Point(
            *head,
            window_s=(window.end_ms - window.start_ms) / 1000,
            frames=len(measured),
            published=len(inside),
            dropped=sum(frame.dropped for frame in measured),
            age_p50_s=percentile(ages, 50),
            age_p99_s=age_p99_s,
            page_p50_s=percentile(page, 50),
            page_p99_s=page_p99_s,
            page_changes=len(page),
            cpu_s=spent(outcome.before, outcome.after),
            memory_mb={name: one.memory_mb for name, one in outcome.after.items()},
            cores=self.cores,
            changes=found,
            still_ms=still_ms,
            changed_ms=changed_ms,
            still=still,
            load_level=max((t.load_level for t in inside), default=0),
            stopped_early=outcome.stopped_early,
            failures=[*filter(None, [outcome.why]), *failures],
        )


class Moved:
    """Finds the slots of a camera where cars came or went between a scene and the one before it."""

    def __init__(self, recordings: Sequence[Recording], cameras: Sequence[Camera]) -> None:
        self._recordings = recordings
        self._cameras = {camera.camera_id: camera for camera in cameras}

    def __call__(self, camera_id: str, scene: int) -> frozenset[str]:
        """`scene` is how many changes the camera has had."""
        camera = self._cameras[camera_id]
        place = camera.first + scene
        slots = self._recordings[camera.sequence].changed(place - 1, place)
        return frozenset(slot_name(camera_id, slot) for slot in slots)


def _page_ages(measured: Sequence[Sent], page_s: Mapping[str, float]) -> list[float]:
    names = ((f"{one.camera_id}/{BOOT}/{one.seq}", one.at_ms) for one in measured)
    return [page_s[name] - at_ms / 1000 for name, at_ms in names if name in page_s]
