"""The stored pictures of a slot's change: the picture that caused it, and the one before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from parking.wire.ports import ObjectStore
from services.notifier.clients import Sites
from services.notifier.history import History
from services.notifier.refusals import NotFound

Which = Literal["before", "after"]

BEFORE_MAX_MS: Final = 7 * 86_400_000
_AFTER: Final = """
select site_id, camera_id, frame_id, time_ms, evidence_key as object_key,
       coalesce(evidence_missing, case when cause_kind <> 'frame' then 'no-frame' end) as missing
from slot_changes where run = 'live' and id = %(change)s
  and (%(sites)s::text[] is null or site_id = any(%(sites)s)) limit 1
"""
# Rows of captures are deleted before their pictures, but the rows of changes remain.
_BEFORE: Final = """
select * from (
    (select frame_id, time_ms, object_key from captures
     where camera_id = %(camera_id)s and time_ms between %(from_ms)s and %(to_ms)s
       and object_key is not null and object_key is distinct from %(after_key)s
     order by time_ms desc limit 1)
    union all
    (select frame_id, time_ms, evidence_key from slot_changes
     where run = 'live' and site_id = %(site_id)s and camera_id = %(camera_id)s
       and time_ms between %(from_ms)s and %(to_ms)s and evidence_key is not null
       and evidence_key is distinct from %(after_key)s
     order by time_ms desc limit 1)
) stored
order by time_ms desc limit 1
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture in the object store, and when it was taken."""

    frame_id: str | None
    time_ms: int
    key: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a change. `missing` says why there is no picture after the change."""

    before: Stored | None
    after: Stored | None
    missing: str | None


class Evidence:
    """Reads the pictures of changes: Postgres says where they are, the object store has their
    bytes."""

    def __init__(self, history: History, objects: ObjectStore) -> None:
        self._history = history
        self._objects = objects

    async def pictures(self, change: str, sites: Sites = None) -> Pictures:
        """Find the pictures of a change by its id, at one of these sites. The picture before the
        change is its camera's newest stored one, at most BEFORE_MAX_MS older. Raises NotFound,
        Retryable."""
        rows = await self._history.rows(_AFTER, {"change": change, "sites": _listed(sites)})
        if not rows:
            raise NotFound("no-change", f"there is no change {change!r}, or it was deleted")
        row = rows[0]
        after = _stored(row) if row["object_key"] else None
        if row["camera_id"] is None:
            return Pictures(None, after, row["missing"])
        arguments = {
            "site_id": row["site_id"],
            "camera_id": row["camera_id"],
            "from_ms": row["time_ms"] - BEFORE_MAX_MS,
            "to_ms": row["time_ms"] - 1,
            "after_key": row["object_key"],
        }
        earlier = await self._history.rows(_BEFORE, arguments)
        return Pictures(_stored(earlier[0]) if earlier else None, after, row["missing"])

    async def picture(self, change: str, which: Which, sites: Sites = None) -> bytes:
        """Return one of a change's pictures, as JPEG. Raises NotFound, Retryable."""
        pictures = await self.pictures(change, sites)
        stored = pictures.before if which == "before" else pictures.after
        if stored is None:
            reason = f": {pictures.missing}" if which == "after" and pictures.missing else ""
            raise NotFound("no-picture", f"no picture {which} this change is stored{reason}")
        try:
            return await self._objects.get(stored.key)
        except KeyError as error:
            raise NotFound("no-picture", "this picture was deleted") from error


def _listed(sites: Sites) -> list[str] | None:
    return None if sites is None else sorted(sites)


def _stored(row: Mapping[str, Any]) -> Stored:
    return Stored(row["frame_id"], row["time_ms"], row["object_key"])
