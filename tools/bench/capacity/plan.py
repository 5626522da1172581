"""The plan: which camera sends which picture at which time. Uses only the standard library, because
the simulated cameras and the plain loop, which runs in an environment of its own, read the same
plan.

A camera plays its sequence in real time: a recorded picture lasts SCENE_S, and while it lasts the
camera sends variants of it (tools/bench/capacity/pictures.py), never the same twice in a row.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

SCENE_S: Final = 300.0
CAMERAS_A_SITE: Final = 4
BOOT: Final = 1
"""Every camera is in its first life: a part of its frames' ids."""
_GOLDEN: Final = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class Camera:
    """One simulated camera. `sequence`: which recording it plays, from its `first`-th picture,
    which it has shown for `shown_s` already when it starts; it sends `phase_s` after the start and
    every interval from there."""

    camera_id: str
    sequence: int
    first: int
    shown_s: float
    phase_s: float
    password: str = ""

    def due_s(self, number: int, interval_s: float) -> float:
        """When it sends its `number`-th picture, seconds after the start."""
        return self.phase_s + number * interval_s

    def newest(self, passed_s: float, interval_s: float) -> int:
        """How many pictures it has sent by then."""
        late_s = passed_s - self.phase_s
        return int(late_s // interval_s) + 1 if late_s >= 0 else 0

    def scene_at(self, at_s: float) -> int:
        """How many changes of scene it has had `at_s` seconds after the start."""
        return int((at_s + self.shown_s) // SCENE_S)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the cameras need. `pack` holds the pictures, `places` the offset and length
    of each: sequence, recorded picture, variant."""

    interval_s: float
    host: str
    port: int
    boot_id: int
    pack: str
    places: list[list[list[tuple[int, int]]]]
    cameras: list[Camera]

    def write(self, path: Path) -> None:
        """Write it for another process."""
        path.write_text(json.dumps(asdict(self)), "utf-8")

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """Read what `write` wrote."""
        body = json.loads(path.read_text("utf-8"))
        return cls(**body | {"cameras": [Camera(**camera) for camera in body["cameras"]]})

    def place(self, camera: Camera, scene: int, variant: int) -> tuple[int, int]:
        """Offset and length in the pack of a picture that this camera sends."""
        recorded = self.places[camera.sequence]
        offset, length = recorded[(camera.first + scene) % len(recorded)][variant]
        return offset, length


def cast(count: int, lengths: Sequence[int], interval_s: float) -> list[Camera]:
    """`count` cameras in sites of four, taking turns among the recordings (`lengths`: pictures in
    each). They start spread over the recording, over the interval and over the life of a scene, so
    that sendings and changes of scene come evenly."""
    cameras = []
    for number in range(count):
        sequence = number % len(lengths)
        players = len(range(sequence, count, len(lengths)))
        first = number // len(lengths) * lengths[sequence] // players
        site, device = divmod(number, CAMERAS_A_SITE)
        cameras.append(
            Camera(
                f"lot-{site:03}/c{device}",
                sequence,
                first,
                shown_s=(number + 0.5) / count * SCENE_S,
                phase_s=number * _GOLDEN % 1.0 * interval_s,
            )
        )
    return cameras


class Variants:
    """Draws a camera's next variant, never the last one again."""

    def __init__(self, seed: int, count: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 -- no secret
        self._count = count
        self._last = -1

    def draw(self) -> int:
        """The variant's number. `count` must be 2 at least."""
        step = self._random.randrange(1, self._count) if self._last >= 0 else 1
        self._last = (self._last + step) % self._count
        return self._last
