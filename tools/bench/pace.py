"""Bring a recorded day to a camera's real pace by repeating each frame with variations.

Between recorded frames that are minutes apart, a real camera sends many pictures of a scene that
hardly changes. They still differ in sensor noise, exposure and JPEG encoding. This module generates
such pictures, the same ones for the same seed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

QUALITY: Final = 85


@dataclass(frozen=True, slots=True)
class Sensor:
    """How pictures of one scene differ. `noise` is the standard deviation of a pixel's noise in
    grey levels, and `exposure` that of the gain from picture to picture. `shake_px` is the most
    that wind moves a picture to each side."""

    noise: float = 2.5
    exposure: float = 0.02
    shake_px: float = 0.0


def hold(jpeg: bytes, repeats: int, seed: int, sensor: Sensor = Sensor()) -> Iterator[bytes]:
    """Yield `repeats` pictures of one scene. Raises ValueError if the picture cannot be decoded."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("not a picture")
    rng = np.random.default_rng(seed)
    scene = picture.astype(np.float32)
    for _ in range(repeats):
        yield _taken(scene, rng, sensor)


def _taken(scene: NDArray[np.float32], rng: np.random.Generator, sensor: Sensor) -> bytes:
    if sensor.shake_px:
        scene = _shaken(scene, rng.uniform(-sensor.shake_px, sensor.shake_px, 2))
    gain = np.float32(rng.normal(1.0, sensor.exposure))
    # The noise is the same in all colours. Independent noise would average out in the grey picture
    # that the gate compares, so this is the harder case.
    noise = rng.standard_normal((*scene.shape[:2], 1), np.float32)
    noise *= np.float32(sensor.noise)
    seen = scene * gain
    seen += noise
    seen = np.clip(seen, 0, 255, out=seen).astype(np.uint8)
    return bytes(cv2.imencode(".jpg", seen, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1])


def _shaken(scene: NDArray[np.float32], right_down: NDArray[np.float64]) -> NDArray[np.float32]:
    matrix = np.array([[1, 0, right_down[0]], [0, 1, right_down[1]]])
    size_wh = (scene.shape[1], scene.shape[0])
    moved = cv2.warpAffine(
        scene, matrix, size_wh, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.float32)
