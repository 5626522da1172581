"""A camera's sensor: each picture of a scene that stands still is another one.

A JPEG that comes again byte for byte is what a frozen camera sends. So each picture of a scene that
is held has sensor noise of its own. The light stays the footage's: a wavering exposure would make
the demo's covered camera look dark.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

from parking.errors import Invalid
from tools.bench.pace import Sensor, hold

_SENSOR: Final = Sensor(exposure=0.0)


class Sensors:
    """One sensor a camera; each keeps the scene that it sees, decoded."""

    def __init__(self) -> None:
        self._scenes: dict[str, tuple[Path, Iterator[bytes]]] = {}
        self._seeds = count(1)

    def taken(self, camera: str, scene: Path) -> bytes:
        """One more picture of what this file shows. Raises Invalid when it is no picture."""
        seen, pictures = self._scenes.get(camera, (None, iter(())))
        if seen != scene:
            pictures = hold(scene.read_bytes(), 1_000_000, next(self._seeds), _SENSOR)
            self._scenes[camera] = scene, pictures
        try:
            return next(pictures)
        except ValueError as error:
            raise Invalid("undecodable", f"{scene}: {error}") from error
