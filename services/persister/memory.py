"""ports.EventStore in memory, with the same contract tests as Postgres. Rows stay separate by kind;
only Postgres combines kinds into one table (captures, slots)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from parking.core.errors import Fenced, Invalid
from parking.wire.ports import Claim, Place, Row
from services.persister.captures import PARTS
from services.persister.statements import STATEMENTS, Statement

_KINDS: Final = (*STATEMENTS, *(Statement(kind, "captures", "frame_id") for kind in PARTS))

Log = tuple[str, int]
"""A log's id and a partition."""


class MemoryEvents:
    """Rows by kind and key, offsets by log. Rows that contain `refused` in their JSON are
    rejected."""

    def __init__(self) -> None:
        self.refused = b"\\u0000"
        self.rows: dict[str, dict[tuple[Any, ...], Row]] = defaultdict(dict)
        self.noted: dict[str, int] = {}
        self.offsets: dict[Log, int] = {}
        self._generations: dict[Log, int] = {}

    async def claim(
        self, claim: Claim, places: Sequence[Place], replacing: Mapping[Place, int]
    ) -> dict[Place, int]:
        """See ports.EventStore."""
        logs = {place: _log(claim, place) for place in places}
        generations = {place: self._generations.get(log, 0) for place, log in logs.items()}
        higher = {
            place: generation
            for place, generation in generations.items()
            if generation > claim.generation and replacing.get(place) != generation
        }
        if higher:
            raise Fenced(higher)
        self._generations |= dict.fromkeys(logs.values(), claim.generation)
        return {place: self.offsets.setdefault(log, 0) for place, log in logs.items()}

    async def known(self, changes: Mapping[str, int]) -> set[str]:
        """See ports.EventStore."""
        return {name for name in changes if (name,) in self.rows["slot_changes"]}

    async def note_objects(self, keys: Sequence[str], now_ms: int) -> None:
        """See ports.EventStore."""
        self.noted |= dict.fromkeys(keys, now_ms)

    async def write(
        self, claim: Claim, rows: Mapping[str, Sequence[Row]], offsets: Mapping[Place, int]
    ) -> dict[str, int]:
        """See ports.EventStore."""
        logs = {_log(claim, place): offset for place, offset in offsets.items()}
        if any(self._generations.get(log) != claim.generation for log in logs):
            raise Fenced
        for kind, some in rows.items():
            if self.refused in msgspec.json.encode(some):
                raise Invalid("refused-by-database", f"{kind}: {self.refused!r}")
        self.offsets |= logs
        changed = {}
        for statement in _KINDS:
            if given := rows.get(statement.kind):
                table, columns = self.rows[statement.kind], statement.key.split()
                new = {tuple(row[c] for c in columns): row for row in statement.chosen(given)}
                changed[statement.kind] = len(new.keys() - table.keys())
                self.rows[statement.kind] = new | table
        return changed


def _log(claim: Claim, place: Place) -> Log:
    return claim.log_id(place[0]), place[1]
