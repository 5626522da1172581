"""Build one row of `captures` from its parts: a frame, its detection, its skip, its picture.

Pure. Parts come in any order and several times; the first of each counts. Parts from one batch are
written as one row, so most rows are written once and never updated.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from parking.wire.ports import Row
from services.persister.statements import Statement

FRAME: Final = [
    *("received_at_ms", "captured_at_ms", "recorded_at_ms", "time_source", "via", "width"),
    *("height", "size_bytes", "sha256", "kafka_partition", "kafka_offset"),
]
RESULT: Final = [
    *("layout_version", "model_id", "health", "box_count", "boxes", "observations", "timings_ms")
]
_DETECTION: Final = ["reused_from", *RESULT]
_PICTURE: Final = ["object_key", "object_sha256"]
_COMMON: Final = ["frame_id", "time_ms", "site_id", "camera_id", "status"]
COLUMNS: Final = [*_COMMON, *FRAME, *_DETECTION, "skipped_for", *_PICTURE]

PARTS: Final = {"frames": FRAME, "detections": _DETECTION, "skips": [], "pictures": _PICTURE}
"""The kinds that make a row, with their own columns. The one with the best timestamp comes
first."""

_NEW: Final = {
    "frame": "captures.received_at_ms is null and excluded.received_at_ms is not null",
    "detection": "captures.status <> 'analysed' and excluded.status = 'analysed'",
    "skip": "captures.status = 'received' and excluded.status = 'skipped'",
    "picture": "captures.object_key is null and excluded.object_key is not null",
}
_RANKS: Final = {"received": 0, "skipped": 1, "analysed": 2}


def _set(columns: Sequence[str], when: str) -> list[str]:
    return [f"{n} = case when {when} then excluded.{n} else captures.{n} end" for n in columns]


STATEMENT: Final = Statement(
    "captures",
    "captures",
    "frame_id",
    # Analysed wins, because a detector that crashed may choose another frame the second time.
    "do update set "
    + ", ".join([
        *_set(FRAME, _NEW["frame"]),
        *_set(_DETECTION, _NEW["detection"]),
        *_set(["status"], f"{_NEW['detection']} or {_NEW['skip']}"),
        *_set(["skipped_for"], _NEW["skip"]),
        *_set(_PICTURE, _NEW["picture"]),
    ])
    + f" where ({') or ('.join(_NEW.values())})",
    dated=True,
)  # fmt: skip


def merge(rows: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    """One row per frame with every column, sorted by frame id. If a skipped frame's time is unknown
    (its `time_ms` is None), it stays None unless another part has it."""
    merged: dict[str, dict[str, Any]] = {}
    done: set[tuple[str, str]] = set()
    for kind, columns in PARTS.items():
        for part in rows.get(kind, ()):
            name = part["frame_id"]
            row = merged.setdefault(name, dict.fromkeys(COLUMNS) | {"status": "received"})
            if (kind, name) in done:
                continue
            done.add((kind, name))
            for column in ("frame_id", "time_ms", "site_id", "camera_id"):
                row[column] = part[column] if row[column] is None else row[column]
            row |= {column: part[column] for column in columns}
            status = part.get("status", "received")
            if _RANKS[status] > _RANKS[row["status"]]:
                row["status"] = status
                row["skipped_for"] = part.get("skipped_for")
    return [merged[name] for name in sorted(merged)]
