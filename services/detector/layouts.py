"""The layouts in force: parking.layouts as a table."""

from collections.abc import Sequence

from parking import codec
from parking.errors import Invalid, Newer
from parking.events import LayoutPublished
from parking.lots import checked
from parking.metrics import RECORDS_IGNORED
from parking.ports import Record


class Layouts:
    """Each camera's layout. Only a higher version replaces the one in force: of two layouts of one
    version the first counts, here as everywhere. A tombstone removes."""

    def __init__(self) -> None:
        self._by_camera: dict[str, LayoutPublished] = {}

    def of(self, camera_id: str) -> LayoutPublished | None:
        """The camera's layout; None when it has none."""
        return self._by_camera.get(camera_id)

    def __len__(self) -> int:
        return len(self._by_camera)

    def apply(self, record: Record) -> None:
        """Take one record in. Raises Invalid for what is no usable layout."""
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
        held = self._by_camera.get(key)
        if held is None or held.version < layout.version:
            self._by_camera[key] = layout

    def apply_all(self, records: Sequence[Record]) -> list[tuple[Record, Invalid]]:
        """Take all in; those that cannot be used come back with the reason, but for those of a
        newer version, which are counted."""
        refused = []
        for record in records:
            try:
                self.apply(record)
            except Newer:
                RECORDS_IGNORED.labels("newer").inc()
            except Invalid as error:
                refused.append((record, error))
        return refused
