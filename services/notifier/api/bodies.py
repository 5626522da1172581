"""What clients send to the API: one definition of each body, used by the code and by
schemas/openapi.json.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from parking.access.plates import MadeHash, ReadPlate
from parking.core.events import SiteId, SlotId, Text, TimeMs
from parking.core.ids import PART

Plate = Annotated[ReadPlate, Meta(description="only letters and digits are compared")]
PlateHash = Annotated[
    MadeHash, Meta(description="salted hash, as hex digits or base64; never a plate")
]


class Passage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vehicle passed a gate. Without `time_ms`: now. `plate`: as read; the site's rule decides
    what is stored of it."""

    site_id: SiteId
    gate_id: SlotId = "main"
    plate: Plate | None = None
    plate_hash: PlateHash | None = None
    time_ms: TimeMs | None = None


class PlateSearch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The plate to find."""

    plate: Plate


class NewDevice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device to add, without its site. `http`: it posts pictures, and needs a key for that."""

    device: Annotated[str, Meta(pattern=PART)]
    http: bool = False


class Renaming(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The new name."""

    name: Annotated[str, Meta(min_length=1, max_length=500)]


class CameraChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new name, or another device (of the same site) with the same view: exactly one of them."""

    name: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    device: Annotated[str, Meta(pattern=PART)] | None = None


class SlotRenaming(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slot's id from now on."""

    slot_id: SlotId


class Reason(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why, in words."""

    reason: Text | None = None


class Count(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many vehicles are inside, counted by a person."""

    number_in: Annotated[int, Meta(ge=0, le=4_000)]


class Correction(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slot's true state."""

    state: Literal["free", "occupied"]
    reason: Text | None = None


LAYOUT_EXAMPLE: Final = {
    "site_name": "Demo lot",
    "camera_name": "North",
    "interval_ms": 1000,
    "zones": [{"zone_id": "A", "name": "Row A"}],
    "slots": [
        {
            "slot_id": "A1",
            "zone_id": "A",
            "polygon": [[0.1, 0.5], [0.2, 0.5], [0.22, 0.7], [0.09, 0.7]],
        }
    ],
}
