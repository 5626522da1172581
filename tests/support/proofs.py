"""Invariants that must hold after any run, checked in Kafka, Postgres and S3."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import boto3
from botocore.config import Config

from parking.core.events import SlotChanged
from parking.core.topics import DEAD_LETTERS, DEAD_LETTERS_FRAMES, FRAMES, SLOT_CHANGES
from parking.runtime.kafka import KafkaSettings, assign_all, new_consumer, read_to_end
from parking.wire import codec
from parking.wire.ports import Record
from tests.support.playing import Play


def records(play: Play, *topics: str) -> list[Record]:
    """Return whole topics."""

    async def work() -> list[Record]:
        consumer = new_consumer(KafkaSettings(play.infra.bootstrap))
        await consumer.start()
        try:
            return await read_to_end(consumer, await assign_all(consumer, *topics))
        finally:
            await consumer.stop()

    return asyncio.run(work())


def no_dead_letters(play: Play) -> None:
    letters = [codec.decode(record) for record in records(play, DEAD_LETTERS, DEAD_LETTERS_FRAMES)]
    assert letters == []


def every_frame_of_the_log_has_its_row(play: Play) -> int:
    """Return how many records Kafka holds: the frames, and those that were written again."""
    found = [codec.decode(record).id for record in records(play, FRAMES)]
    rows = [row["frame_id"] for row in play.rows("select frame_id from captures")]
    assert sorted(set(found)) == sorted(rows)
    return len(found)


def every_change_has_one_version(play: Play) -> None:
    """In the log a change may come again, but only exactly as before."""
    changes = [codec.decode(record) for record in records(play, SLOT_CHANGES)]
    one_to_one((c.id, (c.slot_id, c.version)) for c in changes if isinstance(c, SlotChanged))


def one_to_one(pairs: Iterable[tuple[Any, Any]]) -> None:
    """Check that no id has two versions and no version two ids."""
    there, back = defaultdict(set), defaultdict(set)
    for one, other in pairs:
        there[one].add(other)
        back[other].add(one)
    doubled = {key: found for key, found in [*there.items(), *back.items()] if len(found) > 1}
    assert not doubled


def every_change_by_a_frame_has_its_evidence(play: Play) -> int:
    """Check that each row names an object that exists and has the row's sha256. Return how many
    rows there are."""
    rows = play.rows("select * from slot_changes where cause_kind = 'frame'")
    sums = _sha256_of(play, {row["evidence_key"] for row in rows})
    assert all(row["evidence_missing"] is None for row in rows)
    assert all(row["evidence_sha256"] == sums[row["evidence_key"]] for row in rows)
    return len(rows)


def _sha256_of(play: Play, keys: Iterable[str]) -> dict[str, str]:
    s3 = play.infra.s3
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name=s3.region,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        config=Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    try:
        bodies = {key: client.get_object(Bucket=s3.bucket, Key=key)["Body"].read() for key in keys}
    finally:
        client.close()
    return {key: hashlib.sha256(body).hexdigest() for key, body in bodies.items()}
