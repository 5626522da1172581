"""The whole stack as a rig: its processes, the records of parking.detections, the cameras."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaConsumer

from parking.core.errors import Invalid
from parking.core.events import DetectionMade
from parking.core.topics import DETECTIONS
from parking.runtime.kafka import KafkaSettings, assign_all, new_consumer, to_record
from parking.wire import codec
from parking.wire.ports import Record
from tools.bench.capacity.ages import FrameReport, Sent
from tools.bench.capacity.plan import Plan
from tools.bench.capacity.usage import Usage, alone, usage, with_others
from tools.stack.settings import ROOT

_POLL_MS: Final = 500
_CONNECT_LIMIT_S: Final = 60.0


def frame_report(record: Record) -> FrameReport | None:
    """Return the report on a frame from a record of parking.detections, or None for other
    records."""
    try:
        event = codec.decode(record)
    except Invalid:
        return None
    if not isinstance(event, DetectionMade):
        return None
    judged: frozenset[str] = frozenset()
    if event.reused_from is None:
        judged = frozenset(o.slot_id for o in event.observations if o.since_ms is None)
    spent_ms = sum(ms for stage, ms in event.timings_ms.items() if stage != "queue")
    seq = int(event.id.rsplit("/", 1)[1])
    level = event.effort.load_level if event.effort else 0
    return FrameReport(event.camera_id, seq, record.timestamp_ms, judged, spent_ms, level)


class SentLog:
    """Reads the log of the simulated cameras while they write it."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self._file = path.open(encoding="utf-8")
        self._cameras = plan.cameras
        self._rest = ""
        self.frames: list[Sent] = []

    def read(self) -> Sequence[Sent]:
        """Read all frames logged since the last call."""
        *lines, self._rest = (self._rest + self._file.read()).split("\n")
        for line in lines:
            number, seq, at_ms, scene, sent = map(int, line.split())
            camera_id = self._cameras[number].camera_id
            self.frames.append(Sent(camera_id, seq, at_ms, scene, dropped=not sent))
        return self.frames

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class StackRig:
    """A stack with cameras that send. `pids` are the processes that are measured."""

    def __init__(self, consumer: AIOKafkaConsumer, log: SentLog, pids: Mapping[str, int]) -> None:
        self._consumer = consumer
        self._log = log
        self.pids = dict(pids)

    async def poll(self) -> Sequence[FrameReport]:
        """Return the detector's reports since the last call."""
        batches = await self._consumer.getmany(timeout_ms=_POLL_MS)
        records = [to_record(message) for batch in batches.values() for message in batch]
        return [one for record in records if (one := frame_report(record))]

    def sent(self) -> Sequence[Sent]:
        """Read the sent pictures from the cameras' log."""
        return self._log.read()

    def usage(self) -> dict[str, Usage]:
        """Return the usage of the stack's processes, of the cameras, of this process (which reads
        the topic and the page) and of the rest of the machine."""
        return with_others({**usage(self.pids), "bench": alone(os.getpid())})


@asynccontextmanager
async def sending(
    plan: Plan, folder: Path, kafka: KafkaSettings, environ: Mapping[str, str]
) -> AsyncIterator[tuple[StackRig, int]]:
    """Provide a rig whose cameras send, and when they started (Unix ms). They stop when the block
    ends. The caller names the processes to measure."""
    log = folder / "sent.log"
    log.touch()
    plan.write(folder / "plan.json")
    consumer = new_consumer(kafka)
    await consumer.start()
    lines = SentLog(log, plan)
    cameras = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tools.bench.capacity.cameras", folder / "plan.json", log),
        env={**environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        await assign_all(consumer, DETECTIONS)
        assert cameras.stdout is not None  # noqa: S101 -- requested with PIPE; mypy cannot know
        async with asyncio.timeout(_CONNECT_LIMIT_S):
            line = await cameras.stdout.readline()
        if not line:
            raise RuntimeError("the simulated cameras exited before they had connected")
        started_ms = int(json.loads(line)["started_ms"])
        yield StackRig(consumer, lines, {"cameras": cameras.pid}), started_ms
        if cameras.returncode is not None:
            raise RuntimeError("the simulated cameras exited too early: see their output above")
    finally:
        if cameras.returncode is None:
            cameras.terminate()
        await cameras.wait()
        lines.close()
        await consumer.stop()
