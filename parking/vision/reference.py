"""Make the small grey picture for the health checks, and a layout's reference picture from it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import cv2
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from parking.core.errors import Invalid
from parking.core.events import REFERENCE_MAX_BYTES, LayoutPublished
from parking.core.jpeghead import header_size
from parking.core.lots import slug
from parking.vision.imagehealth import LEAST, LONG_SIDE_PX, assess
from parking.vision.registration import Reference

Picture = NDArray[np.uint8]

_QUALITIES: Final = (85, 70, 50, 30, 10)


def small_grey(picture: Picture) -> Picture:
    """Convert BGR [H, W, 3] or grey [H, W] to the small grey picture from which imagehealth and
    references are computed."""
    height, width = picture.shape[:2]
    scale = LONG_SIDE_PX / max(height, width)
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Converted to grey first, so that one channel is resized instead of three.
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) if picture.ndim == 3 else picture
    return np.asarray(cv2.resize(grey, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def make_reference(picture: Picture) -> bytes:
    """Convert a BGR picture to a layout's `reference`. Raises Invalid("bad-reference") with the
    reason if it is not healthy, because outlines must not depend on a picture that shows too
    little."""
    grey = small_grey(picture)
    health, _ = assess(grey, None, LEAST)
    if health.status != "ok":
        raise Invalid("bad-reference", f"the picture is {health.status}: {health.reason}")
    if not Reference(grey).usable:
        raise Invalid("bad-reference", "the picture shows too few edges for a comparison")
    for quality in _QUALITIES:
        data = cv2.imencode(".jpg", grey, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()
        if len(data) <= REFERENCE_MAX_BYTES:
            return data
    raise Invalid("bad-reference", f"the picture does not fit into {REFERENCE_MAX_BYTES} bytes")


def read_reference(data: bytes) -> Reference | None:
    """A layout's reference, prepared, or None if it cannot be used."""
    try:
        if max(header_size(data)) > LONG_SIDE_PX:
            return None
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except (Invalid, cv2.error):
        return None
    if grey is None or min(grey.shape) < LONG_SIDE_PX // 8:
        return None
    reference = Reference(np.asarray(grey, np.uint8))
    return reference if reference.usable else None


def decoded(jpeg: bytes) -> Picture:
    """BGR pixels, upright. Raises Invalid("bad-picture")."""
    try:
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise Invalid("bad-picture", str(error)[:300]) from error
    if picture is None:
        raise Invalid("bad-picture", "the picture cannot be decoded")
    return np.asarray(picture, np.uint8)


def with_references(
    layouts: Iterable[LayoutPublished],
    annotations: Mapping[str, Any],
    read: Callable[[str], bytes],
) -> Iterator[LayoutPublished]:
    """Layouts from a folder's annotations, each with its camera's first healthy picture as the
    reference, or without one. `read(name)` returns a picture's bytes or raises OSError."""
    for layout in layouts:
        device = layout.camera_id.split("/")[1]
        files = [
            frame["file"] for frame in annotations["frames"] if slug(str(frame["camera"])) == device
        ]
        references = (_reference_of(file, read) for file in files)
        yield replace(layout, reference=next((data for data in references if data), None))


def _reference_of(file: str, read: Callable[[str], bytes]) -> bytes | None:
    try:
        return make_reference(decoded(read(file)))
    except (OSError, Invalid):
        return None
