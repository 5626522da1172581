"""The SQL for each kind of row: one set-based upsert whose rows are passed as one JSON array.

`jsonb_populate_recordset` takes each column's type from the table, so only the migrations define
the types. The order matters, because referenced rows must come first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

NOTHING: Final = "do nothing"


@dataclass(frozen=True, slots=True)
class Statement:
    """`key` holds the columns that identify a row. If a batch has several rows with one key, the
    first is written or, if `newest` names a column, the one with the highest value. `dated` means
    that the table is partitioned by `time_ms`, which its unique key must contain."""

    kind: str
    table: str
    key: str
    conflict: str = NOTHING
    newest: str = ""
    returning: str = ""
    dated: bool = False

    def chosen(self, rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """One row per key, sorted by it, so that two writers lock in the same order."""
        best: dict[tuple[Any, ...], Mapping[str, Any]] = {}
        for row in rows:
            key = tuple(row[name] for name in self.key.split())
            if key not in best or (self.newest and row[self.newest] > best[key][self.newest]):
                best[key] = row
        return [best[key] for key in sorted(best)]

    def sql(self, columns: Iterable[str]) -> str:
        """The statement for rows of these columns; its one parameter is the JSON array."""
        names = ", ".join(columns)
        unique = ", ".join([*self.key.split(), *(["time_ms"] if self.dated else [])])
        return (
            f"insert into {self.table} ({names}) "  # noqa: S608 -- names of our own code only
            f"select {names} from jsonb_populate_recordset(null::{self.table}, %s::jsonb) "
            f"on conflict ({unique}) {self.conflict} {self.returning}"
        )


def take(columns: str, when: str) -> str:
    """On conflict: update these columns to the new row's values where `when` holds."""
    names = columns.split()
    return f"do update set {', '.join(f'{n} = excluded.{n}' for n in names)} where {when}"


_STATUS: Final = (
    "status status_reason status_log_id status_version status_at_ms health last_frame_at_ms"
)
_STATE: Final = "zone_id state state_log_id version changed_at_ms confidence reason change_id"
_STAY: Final = "entry_at_ms exit_at_ms dwell_ms entry_gate_id exit_gate_id plate_hash reason"

# Columns of `captures` come from several kinds of rows: captures.py.
STATEMENTS: Final = (
    Statement("sites", "sites", "site_id"),
    Statement("cameras", "cameras", "camera_id"),
    Statement("layouts", "layouts", "log_id camera_id version", returning="returning camera_id"),
    Statement(
        "camera_status",
        "cameras",
        "camera_id",
        # Versions count within one log, so those of a wiped Kafka cannot be compared with new ones.
        take(
            _STATUS,
            "cameras.status_log_id is distinct from excluded.status_log_id "
            "or cameras.status_version < excluded.status_version",
        ),
        newest="status_version",
    ),
    Statement("slot_changes", "slot_changes", "id", dated=True),
    Statement(
        "slot_states",
        "slots",
        "site_id slot_id",
        take(
            _STATE,
            "slots.state_log_id is distinct from excluded.state_log_id "
            "or slots.version < excluded.version",
        ),
        newest="version",
    ),
    Statement("session_events", "session_events", "id", returning="returning id"),
    Statement("devices", "devices", "device_id"),
    Statement("gate_events", "gate_events", "id"),
    Statement("plates", "plates", "id"),
    Statement("device_events", "device_events", "id", dated=True),
)

SESSIONS: Final = Statement(
    "sessions",
    "sessions",
    "run session_id",
    "do update set status = excluded.status, updated_at_ms = excluded.updated_at_ms, "
    + ", ".join(f"{name} = excluded.{name}" for name in _STAY.split()),
)

# %(cameras)s: those with new layouts. A camera's newest layout becomes current ...
ADOPT_LAYOUTS: Final = """
with newest as (
    select distinct on (camera_id) * from layouts
    where camera_id = any(%(cameras)s) and log_id = %(log_id)s
    order by camera_id, version desc
)
insert into cameras (camera_id, site_id, name, interval_ms, layout_log_id, layout_version)
select camera_id, site_id, body->>'camera_name', (body->>'interval_ms')::bigint, log_id, version
from newest
on conflict (camera_id) do update set
    name = excluded.name, interval_ms = excluded.interval_ms,
    layout_log_id = excluded.layout_log_id, layout_version = excluded.layout_version
where cameras.layout_log_id is distinct from excluded.layout_log_id
   or cameras.layout_version < excluded.layout_version
returning camera_id
"""
# ... and with it its site's name, zones and slots. A slot that no current layout of the site names
# any more, or only as disabled, is disabled. Of several layouts, one with a plan of a slot counts.
FOLLOW_LAYOUTS: Final = (
    """
update sites s set name = l.body->>'site_name' from current_layouts l
where l.camera_id = any(%(cameras)s) and s.site_id = l.site_id
""",
    """
insert into zones (site_id, zone_id, name)
select distinct on (l.site_id, z->>'zone_id') l.site_id, z->>'zone_id', z->>'name'
from current_layouts l cross join jsonb_array_elements(l.body->'zones') z
where l.camera_id = any(%(cameras)s)
order by l.site_id, z->>'zone_id', l.time_ms desc
on conflict (site_id, zone_id) do update set name = excluded.name
""",
    """
insert into slots (site_id, slot_id, zone_id, kind, plan)
select distinct on (l.site_id, e->>'slot_id')
    l.site_id, e->>'slot_id', e->>'zone_id', e->>'kind', nullif(e->'plan', 'null')
from current_layouts l cross join jsonb_array_elements(l.body->'slots') e
where l.camera_id = any(%(cameras)s)
order by l.site_id, e->>'slot_id', e->'plan' = 'null', l.time_ms desc
on conflict (site_id, slot_id) do update set
    zone_id = excluded.zone_id, kind = excluded.kind, plan = coalesce(excluded.plan, slots.plan)
""",
    """
update slots s set enabled = exists (
    select 1 from current_layouts l cross join jsonb_array_elements(l.body->'slots') e
    where l.site_id = s.site_id and e->>'slot_id' = s.slot_id and (e->>'enabled')::boolean
)
where s.site_id in (select site_id from cameras where camera_id = any(%(cameras)s))
""",
)
