"""The plan: which camera sends which picture at which time. Uses only the standard library, because
it is read both by the simulated cameras and by the plain loop, which runs in its own environment.

A camera plays its sequence in real time. Each recorded picture lasts SCENE_S, and meanwhile the
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
"""Every camera is in its first boot. This is part of its frames' ids."""
_GOLDEN: Final = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class Camera:
    """One simulated camera. It plays recording number `sequence` from its `first`-th picture, which
    it has already shown for `shown_s` when it starts. It first sends `phase_s` after the start and
    then once per interval."""

    camera_id: str
    sequence: int
    first: int
    shown_s: float
    phase_s: float
    password: str = ""

    def due_s(self, number: int, interval_s: float) -> float:
        """Return when it sends its `number`-th picture, in seconds after the start."""
        return self.phase_s + number * interval_s

    def newest(self, passed_s: float, interval_s: float) -> int:
        """Return how many pictures it has sent by then."""
        late_s = passed_s - self.phase_s
        return int(late_s // interval_s) + 1 if late_s >= 0 else 0

    def scene_at(self, at_s: float) -> int:
        """Return how many changes of scene it has had `at_s` seconds after the start."""
        return int((at_s + self.shown_s) // SCENE_S)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the cameras need. `pack` holds the pictures, and `places` the offset and
    length of each, by sequence, recorded picture and variant."""

    interval_s: float
    host: str
    port: int
    boot_id: int
    pack: str
    places: list[list[list[tuple[int, int]]]]
    cameras: list[Camera]

    def write(self, path: Path) -> None:
        """Write it to a file for another process."""
        path.write_text(json.dumps(asdict(self)), "utf-8")

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """Read what `write` wrote."""
        body = json.loads(path.read_text("utf-8"))
        return cls(**body | {"cameras": [Camera(**camera) for camera in body["cameras"]]})

    def place(self, camera: Camera, scene: int, variant: int) -> tuple[int, int]:
        """Return the offset and length in the pack of a picture that this camera sends."""
        recorded = self.places[camera.sequence]
        offset, length = recorded[(camera.first + scene) % len(recorded)][variant]
        return offset, length


def cast(count: int, lengths: Sequence[int], interval_s: float) -> list[Camera]:
    """Return `count` cameras in sites of four, which take turns among the recordings (`lengths`:
    pictures in each). Their starts are spread over the recording, the interval and the life of a
    scene, so that pictures and changes of scene come evenly."""
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
    """Draws a camera's next variant, never the same one twice in a row."""

    def __init__(self, seed: int, count: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 -- no secret
        self._count = count
        self._last = -1

    def draw(self) -> int:
        """Return the variant's number. `count` must be at least 2."""
        step = self._random.randrange(1, self._count) if self._last >= 0 else 1
        self._last = (self._last + step) % self._count
        return self._last
