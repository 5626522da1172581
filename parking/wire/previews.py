"""Messages in which the notifier asks the detector about outlines that somebody is drawing.
Pure."""

from typing import Annotated

from msgspec import Meta, Struct

from parking.core.events import CameraId, ImageHealth, Polygon, Seen, Unit
from parking.core.lots import MAX_SLOTS

Outlines = Annotated[list[Polygon], Meta(min_length=1, max_length=MAX_SLOTS)]


class PreviewOrder(Struct, frozen=True, kw_only=True):
    """Outlines to judge on a camera's picture."""

    camera_id: CameraId
    jpeg: bytes
    outlines: Outlines


class OutlineSeen(Struct, frozen=True, kw_only=True):
    """What the detector says of one outline."""

    state: Seen
    confidence: Unit


class SlotPreview(Struct, frozen=True, kw_only=True):
    """What it says of the picture and of each outline, in their order. An outline that crosses
    itself or has almost no area is unknown."""

    health: ImageHealth
    outlines: list[OutlineSeen]
