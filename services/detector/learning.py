"""Learn each camera's usual look: what to note of a picture, and the limits that follow."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from parking.core.errors import Invalid, Newer
from parking.core.events import ImageHealth, LayoutPublished, LookLearned
from parking.runtime.metrics import RECORDS_IGNORED
from parking.vision.imagehealth import Measured, Thresholds
from parking.vision.usual import is_due, note, relaxed, spared, values_of
from parking.wire import codec
from parking.wire.ports import Record
from services.detector.bounded import keep
from services.detector.placing import Placing

BASES_KEPT: Final = 1024


class Days:
    """What was learnt of each camera: parking.looks as a table. The newest counts."""

    def __init__(self) -> None:
        self._by_camera: dict[str, LookLearned] = {}

    def of(self, camera_id: str) -> LookLearned | None:
        """What was learnt of the camera; None if nothing."""
        return self._by_camera.get(camera_id)

    def put(self, day: LookLearned) -> None:
        """Keep it unless something newer is kept."""
        self._by_camera[day.camera_id] = newer(self.of(day.camera_id), day) or day

    def apply_all(self, records: Sequence[Record]) -> list[tuple[Record, Invalid]]:
        """Apply all. Unusable ones are returned with the reason; a tombstone removes."""
        refused = []
        for record in records:
            if not record.value:
                self._by_camera.pop((record.key or b"").decode("utf-8", "replace"), None)
                continue
            try:
                day = codec.decode(record)
                if not isinstance(day, LookLearned):
                    raise Invalid("wrong-type", f"{day.TYPE} in {record.topic}")
                self.put(day)
            except Newer:
                RECORDS_IGNORED.labels("newer").inc()
            except Invalid as error:
                refused.append((record, error))
        return refused


def newer(first: LookLearned | None, second: LookLearned | None) -> LookLearned | None:
    """The one that has seen the later picture."""
    if first is None or second is None:
        return first or second
    return second if second.seen_ms >= first.seen_ms else first


class Learning:
    """Decides what each camera's usual look changes. Used by the model's thread only."""

    def __init__(self, placing: Placing) -> None:
        self._placing = placing
        self._bases: OrderedDict[str, str] = OrderedDict()

    def limits(
        self, layout: LayoutPublished | None, day: LookLearned | None, limits: Thresholds
    ) -> Thresholds:
        """The limits of health by the layout's reference picture, and by the usual look."""
        of_reference = self._placing.limits(layout, limits)
        if layout is None or day is None or day.usual is None or day.basis != self.basis(layout):
            return of_reference
        return relaxed(day.usual, of_reference)

    def explain(
        self,
        layout: LayoutPublished | None,
        day: LookLearned | None,
        health: ImageHealth,
        limits: Thresholds,
    ) -> ImageHealth:
        """Say in the health what was learnt, or why it was not."""
        if layout is None or day is None or day.basis != self.basis(layout):
            return health
        if day.usual is not None:
            verdicts = spared(day.usual, self._placing.limits(layout, limits))
            return replace(health, usual=list(verdicts)) if verdicts else health
        if day.refused and health.status in ("covered", "fogged", "blurred"):
            return replace(health, reason=f"{health.reason}; not its usual look: {day.refused}")
        return health

    def note(
        self,
        camera: tuple[str, str, int],
        layout: LayoutPublished,
        day: LookLearned | None,
        picture: tuple[Measured, ImageHealth],
    ) -> tuple[LookLearned | None, bool]:
        """What is known after this picture, and whether it must be written. `camera`: its id, the
        frame's id and time. Nothing is written of a camera's first picture: it may be the last."""
        (camera_id, frame_id, at_ms), (seen, health) = camera, picture
        basis = self.basis(layout)
        if not is_due(day, basis, at_ms):
            return day, False
        known = day if day is not None and day.basis == basis else None
        before = known or LookLearned(
            id=f"{frame_id}/look",
            site_id=layout.site_id,
            time_ms=at_ms,
            camera_id=camera_id,
            basis=basis,
            began_ms=at_ms,
            seen_ms=at_ms,
        )
        reference = self._placing.measured(layout)
        noted = note(
            replace(before, id=f"{frame_id}/look", time_ms=at_ms),
            at_ms,
            values_of(seen),
            health.status,
            values_of(reference) if reference else None,
        )
        return noted, known is not None

    def basis(self, layout: LayoutPublished) -> str:
        """A fingerprint of the outlines and the reference picture. A layout with other names for
        its slots is no reason to learn anew."""
        found = self._bases.get(layout.id)
        if found is None:
            outlines = msgspec.json.encode([slot.polygon for slot in layout.slots])
            content = outlines + (layout.reference or b"")
            found = hashlib.blake2b(content, digest_size=12).hexdigest()
        keep(self._bases, layout.id, found, BASES_KEPT)
        return found
