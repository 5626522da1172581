"""The kind of each slot, from the layouts in force. Pure."""

from collections import defaultdict
from typing import Final

from parking.core.errors import Invalid
from parking.core.events import LayoutPublished, SlotKind
from parking.wire import codec
from parking.wire.ports import Record

_USUAL: Final[SlotKind] = "standard"


class Kinds:
    """parking.layouts as a table of kinds. Only a higher version of a camera's layout replaces the
    one in force; a tombstone removes it."""

    def __init__(self) -> None:
        self._layouts: dict[str, LayoutPublished] = {}
        self._kinds: dict[tuple[str, str], SlotKind] = {}

    def of(self, site_id: str, slot_id: str) -> SlotKind:
        """See handler.KindOf. If layouts differ, a kind other than `standard` counts. If there are
        several, the first camera's counts."""
        return self._kinds.get((site_id, slot_id), _USUAL)

    def apply(self, *records: Record) -> None:
        """Apply records. Unreadable ones are skipped, as by every reader."""
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
            current = self._layouts.get(key)
            if current is None or current.version < layout.version:
                self._layouts[key] = layout
