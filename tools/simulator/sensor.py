"""A camera's sensor: adds new noise to each picture of a still scene.

A frozen camera sends the same JPEG byte for byte, so each repeated picture gets its own sensor
noise. The light stays that of the footage, because a varying exposure would make the demo's covered
camera look dark.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

from parking.core.errors import Invalid
from tools.bench.pace import Sensor, hold

_SENSOR: Final = Sensor(exposure=0.0)


class Sensors:
    """One sensor per camera. Each keeps its current scene, decoded."""

    def __init__(self) -> None:
        self._scenes: dict[str, tuple[Path, Iterator[bytes]]] = {}
        self._seeds = count(1)

    def taken(self, camera: str, scene: Path) -> bytes:
        """Return one more picture of this file's scene. Raises Invalid if the file is not a
        picture."""
        seen, pictures = self._scenes.get(camera, (None, iter(())))
        if seen != scene:
            pictures = hold(scene.read_bytes(), 1_000_000, next(self._seeds), _SENSOR)
            self._scenes[camera] = scene, pictures
        try:
            return next(pictures)
        except ValueError as error:
            raise Invalid("undecodable", f"{scene}: {error}") from error
