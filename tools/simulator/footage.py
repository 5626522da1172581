"""Footage: a folder with `annotations.json` and the pictures it names (see parking/core/lots.py).

Optional keys: `site` {id, name, zones, slots}, `cameras` {id: {name}}, and `gate` [{"frame": index
of the scene's frame, "direction": "entry"|"exit"}] for the events of a gate sensor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from parking.core.errors import Invalid
from parking.core.lots import slug
from parking.wire.annotations import NAME
from parking.wire.annotations import Footage as Annotated
from parking.wire.annotations import load as load_annotations

GATE_DEVICE = "gate-1"


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of a camera. `recorded_at_ms` is set if the footage says when it was taken."""

    path: Path
    recorded_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Footage:
    """The content of a folder. `shots` maps each device to its pictures in order. `gate` holds
    (frame, direction)."""

    site_id: str
    annotations: Mapping[str, Any]
    shots: dict[str, list[Shot]]
    gate: list[tuple[int, str]]

    @property
    def device_ids(self) -> list[str]:
        """All devices that play it: the cameras, and the gate if there are gate events."""
        names = [*self.shots, *([GATE_DEVICE] if self.gate else [])]
        return [f"{self.site_id}/{name}" for name in names]

    @property
    def length(self) -> int:
        """The number of frames of the camera that has most, which make one round."""
        return max(len(shots) for shots in self.shots.values())

    def passed(self, index: int) -> list[str]:
        """Return the gate's passages at the scene's picture `index`, counted across rounds. Before
        a new round, vehicles leave (or enter) until the gate's count is what it was at the start,
        because the same afternoon repeats."""
        round_, frame = divmod(index, self.length)
        directions = [direction for _, direction in self.gate]
        more = directions.count("entry") - directions.count("exit")
        balance = ["exit"] * more + ["entry"] * -more if round_ and not frame else []
        return balance + [direction for at, direction in self.gate if at == frame]

    @property
    def gap_ms(self) -> int | None:
        """The usual time between two pictures of a camera, as recorded, or None if unknown."""
        gaps = [
            after.recorded_at_ms - before.recorded_at_ms
            for shots in self.shots.values()
            for before, after in pairwise(shots)
            if before.recorded_at_ms is not None and after.recorded_at_ms is not None
        ]
        return (round(median(gaps)) or None) if gaps else None

    def held(self, pictures: int) -> "Footage":
        """Return the same story with this many consecutive pictures of each scene."""
        shots = {
            device: [shot for shot in some for _ in range(pictures)]
            for device, some in self.shots.items()
        }
        gate = [(frame * pictures, direction) for frame, direction in self.gate]
        return replace(self, shots=shots, gate=gate)

    @property
    def has_stills(self) -> bool:
        """Whether all of a camera's pictures are identical. Reads picture files."""
        return any(_all_alike([shot.path for shot in shots]) for shots in self.shots.values())


def load(folder: Path) -> Footage:
    """Read a folder. Raises Invalid with a message for people if it cannot be played."""
    file, annotations = folder / NAME, load_annotations(folder, Annotated)
    try:
        site_id = slug(str((annotations.get("site") or {}).get("id") or folder.resolve().name))
        shots: dict[str, list[Shot]] = {}
        for frame in annotations["frames"]:
            shot = Shot(folder / frame["file"], _recorded_at_ms(frame.get("timestamp")))
            shots.setdefault(slug(str(frame["camera"])), []).append(shot)
        gate = [(int(g["frame"]), str(g["direction"])) for g in annotations.get("gate") or []]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Invalid("bad-annotations", f"{file}: {type(error).__name__}: {error}") from error
    missing = [s.path for some in shots.values() for s in some if not s.path.is_file()]
    if missing or not shots:
        what = (
            f"{len(missing)} pictures are missing, the first is {missing[0]}"
            if missing
            else "empty"
        )
        raise Invalid("no-footage", f"{file}: {what}")
    return Footage(site_id, annotations, shots, sorted(gate))


def with_recorded_at(jpeg: bytes, recorded_at_ms: int | None) -> bytes:
    """Return the picture with its original time in a comment segment, which ingest reads and
    strips."""
    if recorded_at_ms is None:
        return jpeg
    text = b'parking:{"recorded_at_ms":%d}' % recorded_at_ms
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


def _all_alike(files: Sequence[Path]) -> bool:
    first = files[0].read_bytes()
    return all(file.read_bytes() == first for file in files[1:])


def _recorded_at_ms(timestamp: str | None) -> int | None:
    if not timestamp:
        return None
    moment = datetime.fromisoformat(timestamp)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
