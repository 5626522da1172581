"""A site at one moment of the past: the state of each slot, and each camera's newest picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from parking.wire.ports import ObjectStore
from services.notifier.history import History
from services.notifier.refusals import NotFound

PICTURE_MAX_MS: Final = 86_400_000
"""The greatest age of a picture that is shown for a moment."""

# A removed slot had no state any more.
_SLOTS: Final = """
select s.slot_id, s.zone_id, s.kind, c.to_state as state, c.time_ms as since_ms, c.reason
from slots s cross join lateral (
    select to_state, time_ms, reason from slot_changes
    where run = 'live' and site_id = s.site_id and slot_id = s.slot_id and time_ms <= %(at_ms)s
    order by time_ms desc, version desc limit 1
) c
where s.site_id = %(site)s and c.reason <> 'removed' order by s.slot_id
"""
_NEIGHBOURS: Final = """
select (select max(time_ms) from slot_changes
        where run = 'live' and site_id = %(site)s and time_ms < %(at_ms)s) as previous_ms,
       (select min(time_ms) from slot_changes
        where run = 'live' and site_id = %(site)s and time_ms > %(at_ms)s) as next_ms
"""
# Rows of captures are deleted before their pictures, but the rows of changes remain.
_NEWEST: Final = """
select * from (
    (select time_ms, object_key from captures
     where camera_id = c.camera_id and time_ms between %(from_ms)s and %(at_ms)s
       and object_key is not null
     order by time_ms desc limit 1)
    union all
    (select time_ms, evidence_key from slot_changes
     where run = 'live' and site_id = c.site_id and camera_id = c.camera_id
       and time_ms between %(from_ms)s and %(at_ms)s and evidence_key is not null
     order by time_ms desc limit 1)
) stored order by time_ms desc limit 1
"""
_PICTURES: Final = f"""
select c.camera_id, newest.time_ms from cameras c cross join lateral ({_NEWEST}) newest
where c.site_id = %(site)s order by c.camera_id
"""  # noqa: S608 -- our own text
_PICTURE: Final = f"""
select newest.object_key from cameras c cross join lateral ({_NEWEST}) newest
where c.camera_id = %(camera)s
"""  # noqa: S608 -- as above


@dataclass(frozen=True, slots=True)
class Moment:
    """A site at a moment: rows of slots and of pictures, and the times of the changes before and
    after it, if there are any."""

    slots: Sequence[Mapping[str, Any]]
    pictures: Sequence[Mapping[str, Any]]
    previous_ms: int | None
    next_ms: int | None


class Moments:
    """Reads moments of the past: Postgres has the states, the object store the pictures."""

    def __init__(self, history: History, objects: ObjectStore | None) -> None:
        self._history = history
        self._objects = objects

    async def moment(self, site: str, at_ms: int) -> Moment:
        """Return a site at a moment. Raises Retryable."""
        arguments = {"site": site, "at_ms": at_ms, "from_ms": at_ms - PICTURE_MAX_MS}
        # One after the other, because a request may take only one of the few connections.
        slots, pictures, neighbours = [
            await self._history.rows(query, arguments) for query in (_SLOTS, _PICTURES, _NEIGHBOURS)
        ]
        around = neighbours[0] if neighbours else {}
        previous_ms, next_ms = around.get("previous_ms"), around.get("next_ms")
        return Moment(slots, pictures if self._objects else (), previous_ms, next_ms)

    async def picture(self, camera_id: str, at_ms: int) -> bytes:
        """Return a camera's newest stored picture at a moment, as JPEG. Raises NotFound,
        Retryable."""
        arguments = {"camera": camera_id, "at_ms": at_ms, "from_ms": at_ms - PICTURE_MAX_MS}
        rows = await self._history.rows(_PICTURE, arguments)
        if not rows or self._objects is None:
            detail = f"no picture of {camera_id} is stored from the day before this moment"
            raise NotFound("no-picture", detail)
        try:
            return await self._objects.get(rows[0]["object_key"])
        except KeyError as error:
            raise NotFound("no-picture", "this picture was deleted") from error
