"""A recording: one camera's pictures and their detections, stored as JSON lines.

A line has the form of a parking.detections record. Only `camera_id`, `time_ms`, `width`, `height`,
`health.status` and `boxes` [{"xyxy", "confidence"}] are read, so records of the running system can
replace pictures. Lines written here also hold `picture`, the picture's name, and `edges`, the
amount of edge in each direction inside each box.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from parking.core.errors import Invalid
from parking.core.lots import slug
from parking.vision.proposals import are_apart
from services.detector.analysis import Analyser, Finding, Job, Options
from services.detector.judging import Judge
from services.detector.runtimes import load_model
from services.detector.settings import DEFAULT_MODEL, ModelSettings
from tools.simulator.footage import Shot, load

Picture = NDArray[np.uint8]
Floats = NDArray[np.float64]

BINS: Final = 18
MAX_PIXELS: Final = 100_000_000
_MEDIAN_OF: Final = 25
"""The number of pictures, spread over the recording, that the median picture is made from."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The result for one picture: sightings [N, 4 + B] (normalised xyxy boxes, and edges) and
    scores [N]."""

    picture: str
    time_ms: int | None
    size_wh: tuple[int, int]
    sightings: Floats
    scores: Floats

    def sure(self, least: float) -> Floats:
        """Return the sightings with at least this score."""
        return self.sightings[self.scores >= least]


def cameras(folder: Path) -> dict[str, list[Shot]]:
    """Return every camera's pictures in time order. They are those of annotations.json or, without
    that file, all JPEG files in the folder or in each of its folders, by name. Raises Invalid if
    there are none."""
    if (folder / "annotations.json").is_file():
        return load(folder).shots
    found: dict[str, list[Shot]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg"):
            found.setdefault(slug(path.parent.resolve().name), []).append(Shot(path, None))
    if not found:
        raise Invalid("no-pictures", f"{folder} contains no JPEG pictures")
    return found


def digest(shots: Iterable[Shot]) -> str:
    """Return a digest of the pictures. It changes when one is added, removed, renamed or
    replaced."""
    found = hashlib.sha256()
    for shot in shots:
        picture = hashlib.sha256(shot.path.read_bytes()).hexdigest()
        found.update(f"{picture} {shot.recorded_at_ms} {shot.path.name}\n".encode())
    return found.hexdigest()[:12]


def open_analyser(size_px: int, threads: int) -> Analyser:
    """Open the detector's own stages with the shipped model. `threads` 0 means automatic."""
    settings = ModelSettings(DEFAULT_MODEL, "openvino", "f32", threads, 0, size_px, 1)
    model, facts = load_model(settings)
    return Analyser(Judge(facts, None, model), Options(size_px, MAX_PIXELS), lambda: None)


def look(analyser: Analyser, device: str, shots: Iterable[Shot]) -> Iterator[dict[str, Any]]:
    """Yield one record per picture that can be decoded. `shots` may be wrapped in a progress
    bar."""
    for shot in shots:
        jpeg = shot.path.read_bytes()
        found = analyser.analyse([Job(jpeg)], {})[0]
        if isinstance(found, Finding):
            boxes = np.array([box.xyxy for box in found.boxes]).reshape(-1, 4)
            yield {
                "camera_id": f"recording/{device}",
                "picture": shot.path.name,
                "time_ms": shot.recorded_at_ms,
                "width": found.width,
                "height": found.height,
                "health": {"status": found.health.status},
                "boxes": [msgspec.to_builtins(box) for box in found.boxes],
                "edges": edges(_grey(jpeg), boxes).round(4).tolist(),
            }


def edges(grey: Picture, boxes_xyxy: Floats) -> Floats:
    """Return the amount of edge in each of BINS directions over 0..pi (x right, y down) inside each
    box, as shares [N, BINS]."""
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    strength = np.hypot(across, down)
    direction = np.arctan2(down, across) + np.pi / 2  # an edge is perpendicular to its gradient
    bins = (direction % np.pi / np.pi * BINS).astype(int) % BINS
    height, width = grey.shape
    shares = np.zeros((len(boxes_xyxy), BINS))
    for row, box in zip(shares, boxes_xyxy, strict=True):
        x0, y0, x1, y1 = (box * (width, height, width, height)).round().astype(int)
        inside = np.s_[y0:y1, x0:x1]
        row += np.bincount(bins[inside].ravel(), strength[inside].ravel(), BINS)
        row /= max(row.sum(), 1e-9)
    return shares


def _grey(jpeg: bytes) -> Picture:
    flat = np.frombuffer(jpeg, np.uint8)
    return np.asarray(cv2.imdecode(flat, cv2.IMREAD_GRAYSCALE), np.uint8)


def read_frames(records: Iterable[Mapping[str, Any]]) -> dict[str, list[Frame]]:
    """Return the frames keyed by device, in time order where times are known. Frames of bad health
    and records without boxes (ticks) are left out. Raises Invalid."""
    found: dict[str, list[Frame]] = {}
    try:
        for record in records:
            healthy = (record.get("health") or {}).get("status", "ok") == "ok"
            if healthy and "boxes" in record:
                device = str(record["camera_id"]).split("/")[-1]
                found.setdefault(device, []).append(_frame(record))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Invalid("bad-boxes", f"not records of parking.detections: {error!r}") from error
    for frames in found.values():
        frames.sort(key=lambda frame: frame.time_ms or 0)
    return found


def _frame(record: Mapping[str, Any]) -> Frame:
    boxes = np.array([box["xyxy"] for box in record["boxes"]], np.float64).reshape(-1, 4)
    sides = record.get("edges")
    if sides is not None:
        boxes = np.hstack([boxes, np.array(sides, np.float64).reshape(len(boxes), BINS)])
    return Frame(
        str(record.get("picture", "")),
        record.get("time_ms"),
        (int(record["width"]), int(record["height"])),
        boxes,
        np.array([box.get("confidence", 1.0) for box in record["boxes"]], np.float64),
    )


def far_apart(frames: Sequence[Frame]) -> bool:
    """Return whether the usual time between frames is minutes or more. False if times are
    unknown."""
    return are_apart([frame.time_ms for frame in frames if frame.time_ms is not None])


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Read records from a file of JSON Lines. Raises Invalid."""
    try:
        return [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise Invalid("bad-boxes", f"{file}: {error}") from error


def write_lines(file: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write records as JSON Lines."""
    file.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")


def median_picture(shots: Sequence[Shot]) -> Picture:
    """Return the lot's usual look, [H, W, 3] BGR. Pictures that differ in size from the first are
    left out. Raises Invalid."""
    chosen = np.linspace(0, len(shots) - 1, _MEDIAN_OF).astype(int)
    read = [cv2.imread(str(shots[index].path)) for index in dict.fromkeys(chosen.tolist())]
    there = [picture for picture in read if picture is not None]
    if not there:
        raise Invalid("no-pictures", f"{shots[0].path} cannot be read")
    alike = [picture for picture in there if picture.shape == there[0].shape]
    return np.asarray(np.median(np.stack(alike), axis=0), np.uint8)
