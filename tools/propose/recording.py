"""A recording: a folder of one or more cameras' pictures, and the boxes found in them.

Boxes are kept as JSON lines in the form of parking.detections records, of which only `camera_id`,
`time_ms`, `width`, `height`, `health.status` and `boxes` [{"xyxy", "confidence"}] are read: what the
running system wrote can be given in place of pictures.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from parking.errors import Invalid
from parking.lots import slug
from services.detector.analysis import Analyser, Finding, Job, Options
from services.detector.runtimes import load_model
from services.detector.settings import DEFAULT_MODEL, ModelSettings

Picture = NDArray[np.uint8]
Floats = NDArray[np.float64]

MAX_PIXELS: Final = 100_000_000
_MEDIAN_OF: Final = 25
"""So many pictures, spread over the recording, make the median picture."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What one picture showed: boxes [N, 4] and scores [N], or why it cannot be believed."""

    size_wh: tuple[int, int]
    boxes: Floats
    scores: Floats


@dataclass(frozen=True, slots=True)
class Recording:
    """One camera's pictures in the order of time."""

    device: str
    pictures: list[Path]


def recordings(folder: Path) -> list[Recording]:
    """Every camera of a folder: those its annotations.json names, or the pictures (*.jpg) in it, or
    in each folder below it, by name. Raises Invalid when there is none."""
    by_device: dict[str, list[Path]] = {}
    notes = folder / "annotations.json"
    if notes.is_file():
        for frame in annotated_frames(folder):
            by_device.setdefault(slug(str(frame["camera"])), []).append(folder / frame["file"])
    else:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in (".jpg", ".jpeg"):
                by_device.setdefault(slug(path.parent.resolve().name), []).append(path)
    if not by_device:
        raise Invalid("no-pictures", f"{folder} holds no JPEG pictures")
    return [Recording(device, pictures) for device, pictures in by_device.items()]


def annotated_frames(folder: Path) -> list[dict[str, Any]]:
    """The frames of a folder's annotations.json. Raises Invalid."""
    file = folder / "annotations.json"
    try:
        frames: list[dict[str, Any]] = json.loads(file.read_bytes())["frames"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Invalid("bad-annotations", f"{file}: {error!r}") from error
    return frames


def open_analyser(size_px: int, threads: int = 0) -> Analyser:
    """The detector's own stages with the shipped model."""
    model, facts = load_model(
        ModelSettings(DEFAULT_MODEL, "openvino", "f32", threads, 0, size_px, 1)
    )
    return Analyser(model, facts, Options(size_px, 1, MAX_PIXELS), lambda: None)


def find_boxes(
    analyser: Analyser, recording: Recording, pictures: Iterable[Path]
) -> Iterator[dict[str, Any]]:
    """One record a picture that can be used. `pictures`: the recording's, perhaps with a progress
    bar around them."""
    for path in pictures:
        found = analyser.analyse([Job(path.read_bytes())], {})[0]
        if isinstance(found, Finding):
            yield {
                "camera_id": f"recording/{recording.device}",
                "picture": path.name,
                "width": found.width,
                "height": found.height,
                "health": {"status": found.health.status},
                "boxes": [msgspec.to_builtins(box) for box in found.boxes],
            }


def read_frames(records: Iterable[Mapping[str, Any]]) -> dict[str, list[Frame]]:
    """Frames by device, of records (see above); those of bad health are left out. Raises
    Invalid."""
    found: dict[str, list[Frame]] = {}
    try:
        for record in sorted(records, key=lambda one: one.get("time_ms", 0)):
            if (record.get("health") or {}).get("status", "ok") != "ok":
                continue
            boxes = record["boxes"]
            frame = Frame(
                (int(record["width"]), int(record["height"])),
                np.array([box["xyxy"] for box in boxes], np.float64).reshape(-1, 4),
                np.array([box.get("confidence", 1.0) for box in boxes], np.float64),
            )
            found.setdefault(str(record["camera_id"]).split("/")[-1], []).append(frame)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Invalid("bad-boxes", f"not records of parking.detections: {error!r}") from error
    return found


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Records from a file of JSON lines; lines without boxes (ticks) are passed over."""
    try:
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise Invalid("bad-boxes", f"{file}: {error}") from error
    return [line for line in lines if isinstance(line, dict) and "boxes" in line]


def write_lines(file: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Records as JSON lines."""
    file.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")


def median_picture(pictures: list[Path]) -> Picture:
    """The lot as it mostly looks, [H, W, 3] BGR. Pictures of another size than the first's are
    left out. Raises Invalid."""
    chosen = [pictures[i] for i in np.linspace(0, len(pictures) - 1, _MEDIAN_OF).astype(int)]
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    read = [cv2.imread(str(path), flags) for path in dict.fromkeys(chosen)]
    there = [picture for picture in read if picture is not None]
    if not there:
        raise Invalid("no-pictures", f"{pictures[0]} cannot be read")
    alike = [picture for picture in there if picture.shape == there[0].shape]
    return np.median(np.stack(alike), axis=0).astype(np.uint8)
