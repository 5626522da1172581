"""Measure the persister's cost: bytes per row of `captures`, and CPU per frame.

  python -m tools.bench.persister                  10,000 rows, then 25 s at 100 cameras
  python -m tools.bench.persister --rows 0         only the CPU

Rows are written by the persister's own statements in time order, with one second's records per
batch. The tables are vacuumed every 2,000 frames, as autovacuum would. CPU is that of a persister
process with its own servers (Kafka, Postgres, S3), fed at the cameras' pace.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import psycopg

from parking.core.topics import FRAMES, TOPICS
from parking.runtime.kafka import KafkaProducer, KafkaSettings, new_producer
from parking.wire.ports import Claim, Outgoing, Record
from services.persister.handler import by_kind, plan
from services.persister.partitions import Partitions
from services.persister.postgres import PostgresEvents, new_pool, prepare
from tools.bench.capacity.usage import spent, usage
from tools.bench.persister_load import Feed, Load, Timed
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

_CLAIM: Final = Claim("bench", {name: f"{n:032}" for n, name in enumerate(TOPICS)}, 1)
_VACUUM_EVERY: Final = 2_000
_WARM_S: Final = 5.0
_MONTH_S: Final = 30 * 86_400
_SIZES: Final = """
select sum(pg_relation_size(c.oid)), sum(pg_indexes_size(c.oid)),
       sum(pg_total_relation_size(c.oid))
from pg_class c
where c.relkind = 'r' and pg_relation_size(c.oid) > 0 and (c.relname = 'captures' or c.oid in (
    select inhrelid from pg_inherits where inhparent = 'captures'::regclass))
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The size of `captures`: rows, and bytes per row of the heap, of the indexes and of both
    together."""

    rows: int
    heap: float
    indexes: float
    total: float


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU milliseconds per frame of the persister, of Postgres, and of Kafka and S3 together."""

    frames: int
    persister: float
    postgres: float
    others: float


async def sizes(url: str, load: Load, rows: int) -> Sizes:
    """Write this many frames and the records that follow from them."""
    await prepare(url)
    start_ms = int(time.time() * 1000)
    async with new_pool(url, 2) as pool:
        await Partitions(pool).ensure(start_ms, {})
        events, frames = PostgresEvents(pool), 0
        places = [(topic, 0) for topic in TOPICS]
        await events.claim(_CLAIM, places, {})
        for second, batch in groupby(Feed(load, start_ms), lambda timed: timed.at_ms // 1000):
            records = [_record(timed, n) for n, timed in enumerate(batch)]
            planned = [plan(record, _CLAIM) for record in records]
            await events.write(_CLAIM, by_kind(planned), dict.fromkeys(places, second))
            before, frames = frames, frames + sum(r.topic == FRAMES for r in records)
            if frames // _VACUUM_EVERY > before // _VACUUM_EVERY:
                _vacuum(url)
            if frames >= rows:
                break
    with psycopg.connect(url) as connection:
        counted = connection.execute("select count(*) from captures").fetchone()
        found = connection.execute(_SIZES).fetchone()
    assert counted is not None  # noqa: S101 -- for the type checker: an aggregate has a row
    assert found is not None  # noqa: S101 -- as above
    heap, indexes, total = (float(value) for value in found)
    count = int(counted[0])
    return Sizes(count, heap / count, indexes / count, total / count)


def cost(infra: Infra, load: Load, seconds: float) -> Cost:
    """Feed a persister process at the load's pace."""
    infra.start_service("persister", limit_s=120)
    frames = asyncio.run(_paced(infra, load, _WARM_S))
    names = ("persister", "postgres", "kafka", "s3")
    before = usage({name: infra.pid(name) for name in names})
    frames = asyncio.run(_paced(infra, load, seconds, _WARM_S))
    time.sleep(2)
    took = spent(before, usage({name: infra.pid(name) for name in names}))
    ms = {name: 1000 * cpu_s / frames for name, cpu_s in took.items()}
    return Cost(frames, ms["persister"], ms["postgres"], ms["kafka"] + ms["s3"])


async def _paced(infra: Infra, load: Load, seconds: float, skip_s: float = 0.0) -> int:
    """Write `seconds` of the load in real time. Returns the number of frames."""
    producer = new_producer(KafkaSettings(infra.bootstrap))
    await producer.start()
    start_ms, frames = int(time.time() * 1000), 0
    try:
        feed = Feed(load, round(start_ms - skip_s * 1000))
        for timed in feed:
            if timed.at_ms < start_ms:
                continue
            if timed.at_ms > start_ms + seconds * 1000:
                return frames
            await asyncio.sleep(max(0.0, timed.at_ms / 1000 - time.time()))
            (place,) = await KafkaProducer(producer).send([timed.message])
            if timed.frame_id:
                frames += 1
                feed.places[timed.frame_id] = place
    finally:
        await producer.stop()
    return frames


def table(load: Load, size: Sizes | None, took: Cost | None) -> str:
    """Return the table in Markdown."""
    lines = [f"{load.cameras} cameras, a picture each {load.interval_ms / 1000:g} s", ""]
    if size is not None:
        month_gb = size.total * load.frames_a_second * _MONTH_S / 1e9
        lines += [
            "| rows | heap B | indexes B | bytes a row | GB in 30 days |",
            "|---|---|---|---|---|",
            f"| {size.rows} | {size.heap:.0f} | {size.indexes:.0f} | {size.total:.0f} "
            f"| {month_gb:.1f} |",
            "",
        ]
    if took is not None:
        lines += [
            "| frames | CPU ms a frame: persister | Postgres | Kafka and S3 |",
            "|---|---|---|---|",
            f"| {took.frames} | {took.persister:.2f} | {took.postgres:.2f} | {took.others:.2f} |",
        ]
    return "\n".join(lines)


def _record(timed: Timed, offset: int) -> Record:
    message: Outgoing = timed.message
    return Record(
        message.topic, 0, offset, message.key, message.value, message.headers, timed.at_ms
    )


def _vacuum(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum captures")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.persister", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="0: skip the sizes")
    parser.add_argument("--seconds", type=float, default=25.0, help="0: skip the CPU")
    parser.add_argument("--cameras", type=int, default=100)
    parser.add_argument("--interval-ms", type=int, default=5_000)
    parser.add_argument("--still", type=float, default=0.94, help="share of repeated results")
    options = parser.parse_args(arguments)
    load = Load(options.cameras, options.interval_ms, options.still)
    parts = ("kafka", "postgres", "s3") if options.seconds else ("postgres",)
    size = took = None
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        paths = Paths(Path(scratch) / "state", ROOT / ".state" / "cache")
        with Infra(paths, os.environ, parts=parts) as infra:
            if options.rows:
                size = asyncio.run(sizes(infra.dsn, load, options.rows))
            if options.seconds:
                took = cost(infra, load, options.seconds)
    sys.stdout.write(table(load, size, took) + "\n")


if __name__ == "__main__":
    main()
