"""Read the evidence (S3) of one camera and one day as a recording.

It holds only stored frames, by default those that changed a slot. With Postgres, each frame gets
the time and values of its row and is checked against them. Without it, pictures are taken in the
order of their ids, one interval apart, and the layout must be given as a file.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from psycopg.rows import dict_row

from parking.core import lots
from parking.core.errors import Invalid, Retryable
from parking.core.events import FrameReceived, LayoutPublished
from parking.core.topics import FRAMES, LAYOUTS, evidence_key, site_of
from parking.runtime.objects import S3Settings, new_client
from services.detector.picture import header_size
from tools.record.recording import Kept, Recording, in_order

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_DAY_MS: Final = 86_400_000
_NAME: Final = re.compile(r"s3:(?P<camera>[a-z0-9-]+/[a-z0-9-]+)@(?P<day>\d{4}-\d{2}-\d{2})")
_NOTE: Final = "contains only stored pictures, not those that the camera sent between them"
_ROWS: Final = """
    select * from captures
    where camera_id = %s and time_ms >= %s and time_ms < %s
      and object_key is not null and sha256 is not null
    order by time_ms"""
# The last one of that day or earlier or, if there is none, the first one after it.
_LAYOUT: Final = """
    select body from layouts where camera_id = %s
    order by time_ms >= %s, abs(time_ms - %s), version desc limit 1"""


def is_captures(source: str) -> bool:
    """Return whether a source means captures in S3."""
    return source.startswith("s3:")


def read_captures(
    source: str,
    objects: S3Settings,
    database_url: str = "",
    layout_file: Path | None = None,
) -> Recording:
    """Read `s3:{site}/{device}@{YYYY-MM-DD}` (UTC). Raises Invalid with a message for people, and
    Retryable if S3 or Postgres is unavailable."""
    match = _NAME.fullmatch(source)
    if match is None:
        raise Invalid("bad-source", f"{source!r} is not s3:SITE/CAMERA@YYYY-MM-DD")
    camera_id = match["camera"]
    start_ms = int(datetime.fromisoformat(match["day"]).replace(tzinfo=UTC).timestamp() * 1000)
    store = _Store(new_client(objects), objects.bucket)
    if database_url:
        frames, layout = _from_rows(database_url, camera_id, start_ms)
    else:
        layout = _layout_of(layout_file, camera_id)
        frames = list(_from_keys(store, camera_id, start_ms, layout.interval_ms))
    if not frames:
        raise Invalid("no-captures", f"no picture of {camera_id} of {match['day']} is stored")
    sums = {kept.file: sha256 for kept, sha256 in frames}

    def picture(key: str) -> bytes:
        jpeg = store.get(key)
        if hashlib.sha256(jpeg).hexdigest() != sums[key]:
            raise Invalid("damaged", f"{key} does not match its row")
        return jpeg

    return Recording(
        name=source,
        sites=(site_of(camera_id),),
        records=in_order(kept for kept, _ in frames),
        picture=picture,
        before=[Kept(LAYOUTS, -1, -1, layout.time_ms, layout)],
        notes=(_NOTE,),
    )


class _Store:
    """The bucket, read-only."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def get(self, key: str) -> bytes:
        """Return an object's bytes."""
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except (BotoCoreError, ClientError) as error:
            raise Retryable(f"S3: {key}: {error}") from error

    def keys(self, prefix: str) -> Iterator[str]:
        """Return all keys with this prefix."""
        pages = self._client.get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
                yield from (str(found["Key"]) for found in page.get("Contents", []))
        except (BotoCoreError, ClientError) as error:
            raise Retryable(f"S3: {prefix}: {error}") from error


Frames = Sequence[tuple[Kept, str]]
"""The rows, each with the SHA-256 of its object."""


def _from_rows(database_url: str, camera_id: str, start_ms: int) -> tuple[Frames, LayoutPublished]:
    end_ms = start_ms + _DAY_MS
    try:
        with psycopg.connect(database_url, row_factory=dict_row) as connection:
            rows = connection.execute(_ROWS, (camera_id, start_ms, end_ms)).fetchall()
            found = connection.execute(_LAYOUT, (camera_id, end_ms, end_ms)).fetchone()
    except psycopg.OperationalError as error:
        raise Retryable(f"Postgres: {error}") from error
    if found is None:
        raise Invalid("no-layout", f"Postgres has no layout of {camera_id}")
    layout = msgspec.convert(found["body"], LayoutPublished)
    return [_of_row(row, number) for number, row in enumerate(rows, 1)], layout


def _of_row(row: dict[str, Any], number: int) -> tuple[Kept, str]:
    fields = FrameReceived.__struct_fields__
    known = {name: row[name] for name in fields if row.get(name) is not None}
    event = msgspec.convert({**known, "id": row["frame_id"]}, FrameReceived)
    kept = Kept(FRAMES, 0, number, event.time_ms, event, str(row["object_key"]))
    return kept, str(row["object_sha256"])


def _from_keys(
    store: _Store, camera_id: str, start_ms: int, interval_ms: int
) -> Iterator[tuple[Kept, str]]:
    prefix = evidence_key(camera_id, "", start_ms).removesuffix(".jpg")
    for number, key in enumerate(sorted(store.keys(prefix), key=_by_number), 1):
        jpeg = store.get(key)
        width, height = header_size(jpeg)
        sha256 = hashlib.sha256(jpeg).hexdigest()
        time_ms = start_ms + number * interval_ms
        event = FrameReceived(
            id=f"{camera_id}/{Path(key).stem}",
            site_id=site_of(camera_id),
            time_ms=time_ms,
            camera_id=camera_id,
            via="api",
            width=width,
            height=height,
            size_bytes=len(jpeg),
            sha256=sha256,
            received_at_ms=time_ms,
            time_source="receipt",
        )
        yield Kept(FRAMES, 0, number, time_ms, event, key), sha256


def _by_number(key: str) -> list[tuple[int, str]]:
    """A sort key that compares boot and sequence number as numbers."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", key)]


def _layout_of(file: Path | None, camera_id: str) -> LayoutPublished:
    if file is None:
        raise Invalid("no-layout", "without DATABASE_URL give the camera's layout: --layout FILE")
    try:
        layout = msgspec.json.decode(file.read_bytes(), type=LayoutPublished)
    except (OSError, msgspec.DecodeError) as error:
        raise Invalid("bad-layout", f"{file}: {error}") from error
    if layout.camera_id != camera_id:
        raise Invalid("bad-layout", f"{file} is the layout of {layout.camera_id}, not {camera_id}")
    return lots.checked(layout)
