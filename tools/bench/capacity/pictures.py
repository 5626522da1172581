"""The cameras' pictures, prepared in one file before the measurement.

Each recorded picture becomes VARIANTS pictures of the same scene, with different noise and exposure
(as in tools/bench/pace.py) and up to SHAKE_PX of shake. A camera picks one of them at random, never
the same one twice in a row. There are two thousand to generate, so noise is taken from precomputed
fields at a random offset, and pixels stay integers.
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from tools.bench.pace import QUALITY, Sensor

VARIANTS: Final = 12
SHAKE_PX: Final = 2.0
_FIELDS: Final = 8
_ROOM_PX: Final = 128
Places = list[list[list[tuple[int, int]]]]


@dataclass(frozen=True, slots=True)
class Noise:
    """Fields of sensor noise [H, W, 3], int16, larger than a picture by _ROOM_PX. The noise is the
    same in all colours (see tools/bench/pace.py)."""

    fields: list[NDArray[np.int16]]

    @classmethod
    def make(cls, size_wh: tuple[int, int], seed: int) -> "Noise":
        """Make fields for pictures up to this size."""
        rng, (width, height) = np.random.default_rng(seed), size_wh
        shape = (height + _ROOM_PX, width + _ROOM_PX, 1)
        grey = (rng.standard_normal(shape, np.float32) * Sensor().noise for _ in range(_FIELDS))
        return cls([np.repeat(one.round().astype(np.int16), 3, axis=2) for one in grey])

    def draw(self, size_wh: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int16]:
        """Cut one field from a random place. Pictures may be no larger than the fields."""
        width, height = size_wh
        x, y = rng.integers(0, _ROOM_PX, 2)
        return self.fields[rng.integers(len(self.fields))][y : y + height, x : x + width]


def kept(files: Sequence[Sequence[Path]], folder: Path) -> tuple[Path, Places]:
    """Return the file of pictures below `folder` and its index, creating them if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    pack, index = folder / "pictures.bin", folder / "pictures.json"
    if not index.exists():
        index.write_text(json.dumps(prepare(files, pack)), "utf-8")
    return pack, json.loads(index.read_text("utf-8"))


def prepare(files: Sequence[Sequence[Path]], pack: Path) -> Places:
    """Write the variants of every recorded picture into `pack`. Returns the offset and length of
    each, by sequence, picture and variant."""
    flat = [file for sequence in files for file in sequence]
    noise = Noise.make((1920, 1200), 0)
    places: list[list[tuple[int, int]]] = []
    # Threads are enough: numpy and OpenCV release the interpreter while they work.
    with pack.open("wb") as out, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        rendered = pool.map(lambda at: variants(flat[at].read_bytes(), noise, at), range(len(flat)))
        for pictures in track(rendered, "preparing pictures", total=len(flat)):
            places.append([])
            for one in pictures:
                places[-1].append((out.tell(), len(one)))
                out.write(one)
    rest = iter(places)
    return [[next(rest) for _ in sequence] for sequence in files]


def variants(jpeg: bytes, noise: Noise, seed: int) -> list[bytes]:
    """Return VARIANTS pictures of one scene. Raises ValueError if the picture cannot be decoded."""
    scene = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if scene is None:
        raise ValueError("not a picture")
    rng = np.random.default_rng(seed)
    return [_taken(scene, noise, rng) for _ in range(VARIANTS)]


def _taken(scene: NDArray[Any], noise: Noise, rng: np.random.Generator) -> bytes:
    size_wh = (scene.shape[1], scene.shape[0])
    gain, far_px = rng.normal(1.0, Sensor().exposure), rng.uniform(0, SHAKE_PX)
    angle = rng.uniform(0, 2 * np.pi)
    aside = np.array(((1, 0, far_px * np.cos(angle)), (0, 1, far_px * np.sin(angle))))
    moved = cv2.warpAffine(
        scene, aside, size_wh, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    bright = cv2.multiply(moved, np.full(4, gain), dtype=cv2.CV_16S)
    seen = cv2.add(bright, noise.draw(size_wh, rng), dtype=cv2.CV_8U)
    return bytes(cv2.imencode(".jpg", seen, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1])
