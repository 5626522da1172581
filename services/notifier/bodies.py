"""What clients send to the API: one definition of each body, used by the code and by
schemas/openapi.json.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from parking.events import SiteId, SlotId, Text, TimeMs
from parking.ids import PART
from parking.plates import MadeHash, ReadPlate

Plate = Annotated[ReadPlate, Meta(description="letters and digits count")]
PlateHash = Annotated[
    MadeHash, Meta(description="salted hash, as hex digits or base64; never a plate")
]


class Passage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vehicle passed a gate. Without `time_ms`: now. `plate`: as it was read; what becomes of it
    the site's rule says."""

    site_id: SiteId
    gate_id: SlotId = "main"
    plate: Plate | None = None
    plate_hash: PlateHash | None = None
    time_ms: TimeMs | None = None


class NewDevice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device to let in, without its site. `http`: it posts pictures, and needs a key for that."""

    device: Annotated[str, Meta(pattern=PART)]
    http: bool = False


class Renaming(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it is called from now on."""

    name: Annotated[str, Meta(min_length=1, max_length=500)]


class CameraChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another name, or another device (of the same site) with the same view: one of them."""

    name: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    device: Annotated[str, Meta(pattern=PART)] | None = None


class SlotRenaming(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slot's id from now on."""

    slot_id: SlotId


class Reason(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why, in words."""

    reason: Text | None = None


class Count(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many vehicles are in, counted by a person."""

    number_in: Annotated[int, Meta(ge=0, le=4_000)]


class Correction(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the slot really is."""

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
