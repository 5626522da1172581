"""What kind each slot is, by the layouts in force. Pure."""

from collections import defaultdict
from typing import Final

from parking import codec
from parking.errors import Invalid
from parking.events import LayoutPublished, SlotKind
from parking.ports import Record

_USUAL: Final[SlotKind] = "standard"


class Kinds:
    """parking.layouts as a table of kinds. Only a higher version of a camera's layout replaces the
    one in force; a tombstone removes it."""

    def __init__(self) -> None:
        self._layouts: dict[str, LayoutPublished] = {}
        self._kinds: dict[tuple[str, str], SlotKind] = {}

    def of(self, site_id: str, slot_id: str) -> SlotKind:
        """See handler.KindOf. Where layouts differ, another kind than `standard` counts; of several
        such, the first camera's."""
        return self._kinds.get((site_id, slot_id), _USUAL)

    def apply(self, *records: Record) -> None:
        """Take records in; those that cannot be read are passed over, as by every reader."""
        for record in records:
            self._take(record)
        kinds: dict[tuple[str, str], SlotKind] = defaultdict(lambda: _USUAL)
        for _, layout in sorted(self._layouts.items()):
            for slot in layout.slots:
                place = (layout.site_id, slot.slot_id)
                if kinds[place] == _USUAL:
                    kinds[place] = slot.kind
        self._kinds = dict(kinds)

    def _take(self, record: Record) -> None:
        key = (record.key or b"").decode("utf-8", "replace")
        if not record.value:
            self._layouts.pop(key, None)
            return
        try:
            layout = codec.decode(record)
        except Invalid:
            return
        if isinstance(layout, LayoutPublished) and layout.camera_id == key:
            held = self._layouts.get(key)
            if held is None or held.version < layout.version:
                self._layouts[key] = layout
