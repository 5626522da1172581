"""What the tracker stores for a partition, so that the next owner can continue. Pure.

A checkpoint is the state of sites and one record of the input it covers (`Mark`). After it, each
transaction writes the offsets that it reached (`Batch`). The state at any batch is the
checkpoint's, with the inputs up to that batch folded again, in the order of `handler.in_order`
within each batch.
"""

import zlib
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from parking.core.site import Site
from parking.core.topics import TRACKER_BATCHES, TRACKER_CHECKPOINTS
from parking.wire import sitejson
from parking.wire.ports import Outgoing, Record

FORMAT: Final = 1
"""Format of checkpoints. Raise it if an older tracker would misread what this one writes."""
MARK_KEY: Final = b"/"
"""No site has this id."""

T = TypeVar("T")


class NewerFormat(Exception):
    """A checkpoint from a later version of the tracker, from which this one must not continue."""


class Batch(Struct, frozen=True, kw_only=True):
    """`next` is the offset after the last applied record, keyed by topic."""

    next: dict[str, int]


class Mark(Struct, frozen=True, kw_only=True):
    """The inputs that a checkpoint covers: the `next` offset by topic, and Kafka's own ids of these
    topics. `batches` is the offset in parking.tracker-batches from which later batches are read."""

    format: int = FORMAT
    next: dict[str, int]
    topic_ids: dict[str, str] = {}
    batches: int


class Kept(Struct, frozen=True, kw_only=True):
    """A site as stored in a checkpoint."""

    format: int = FORMAT
    site: Site


class _Version(Struct, frozen=True):
    format: int = FORMAT


_VERSION: Final = msgspec.json.Decoder(_Version)


def batch_record(partition: int, after: Mapping[str, int]) -> Outgoing:
    """Return the record for parking.tracker-batches."""
    value = sitejson.to_json(Batch(next=dict(after)))
    return Outgoing(TRACKER_BATCHES, None, value, partition=partition)


def read_batch(record: Record) -> dict[str, int]:
    """The offsets after a batch, keyed by topic."""
    return msgspec.json.decode(record.value or b"", type=Batch).next


def mark_record(partition: int, mark: Mark) -> Outgoing:
    """Return the record for parking.tracker-checkpoints."""
    return _outgoing(partition, MARK_KEY, mark)


def site_record(partition: int, site: Site) -> Outgoing:
    """Return the record for parking.tracker-checkpoints."""
    return _outgoing(partition, site.site_id.encode(), Kept(site=site))


def read(records: Iterable[Record]) -> tuple[Mark, dict[str, Site]]:
    """The checkpoint in these records of one partition. The last record of a key counts. Raises
    NewerFormat."""
    last = {record.key: record for record in records}
    mark = last.pop(MARK_KEY, None)
    sites = [_decoded(record, Kept).site for record in last.values()]
    if mark is None:
        return Mark(next={}, batches=0), {}
    return _decoded(mark, Mark), {site.site_id: site for site in sites}


def _outgoing(partition: int, key: bytes, value: Struct) -> Outgoing:
    # Outlines and times repeat, so this compresses to about a tenth.
    data = zlib.compress(sitejson.to_json(value), 1)
    headers = (("content-type", b"application/json"), ("content-encoding", b"deflate"))
    return Outgoing(TRACKER_CHECKPOINTS, key, data, headers, partition)


def _decoded(record: Record, cls: type[T]) -> T:
    value = zlib.decompress(record.value or b"")
    version = _VERSION.decode(value).format
    if version > FORMAT:
        raise NewerFormat(
            f"the checkpoint of {(record.key or b'').decode()!r} has format {version}, this tracker"
            f" knows up to {FORMAT}: a newer version has written it; start that version again"
        )
    return sitejson.from_json(value, cls)
