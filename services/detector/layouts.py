"""The layouts in force: parking.layouts as a table."""

from collections.abc import Sequence

from parking.core.errors import Invalid, Newer
from parking.core.events import LayoutPublished
from parking.core.lots import checked
from parking.runtime.metrics import RECORDS_IGNORED
from parking.wire import codec
from parking.wire.ports import Record


class Layouts:
    """Each camera's layout. Only a higher version replaces the one in force. Of two layouts with
    the same version the first one counts, as everywhere in the system. A tombstone removes the
    layout."""

    def __init__(self) -> None:
        self._by_camera: dict[str, LayoutPublished] = {}

    def of(self, camera_id: str) -> LayoutPublished | None:
        """Return the camera's layout, or None if it has none."""
        return self._by_camera.get(camera_id)

    def __len__(self) -> int:
        return len(self._by_camera)

    def apply(self, record: Record) -> None:
        """Apply one record. Raises Invalid for an unusable layout."""
        key = (record.key or b"").decode("utf-8", "replace")
        if not record.value:
            self._by_camera.pop(key, None)
            return
        layout = codec.decode(record)
        if not isinstance(layout, LayoutPublished):
            raise Invalid("wrong-type", f"{layout.TYPE} in {record.topic}")
        if key != layout.camera_id:
            raise Invalid("wrong-key", f"key {key[:100]!r} with a layout of {layout.camera_id}")
        if layout.removed:
            self._by_camera.pop(key, None)
            return
        checked(layout)
        current = self._by_camera.get(key)
        if current is None or current.version < layout.version:
            self._by_camera[key] = layout

    def apply_all(self, records: Sequence[Record]) -> list[tuple[Record, Invalid]]:
        """Apply all records. Unusable ones are returned with the reason, except those of a newer
        version, which are only counted."""
        refused = []
        for record in records:
            try:
                self.apply(record)
            except Newer:
                RECORDS_IGNORED.labels("newer").inc()
            except Invalid as error:
                refused.append((record, error))
        return refused
