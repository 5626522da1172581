"""The simulated cameras, all in one lightweight process that sends prepared bytes on time.

`python -m tools.bench.capacity.cameras PLAN LOG`. Prints `{"started_ms"}` once all cameras are
connected, then sends until it is terminated. LOG gets one line per picture: camera number, sequence
number, time of sending (ms), scene, and whether it was sent (1) or dropped because the broker had
not yet accepted the previous one (0). Like a real device it keeps no queue.
"""

import asyncio
import json
import mmap
import sys
import time
from io import TextIOWrapper
from pathlib import Path
from typing import Final

from parking.core.topics import mqtt_topic
from tools.bench.capacity.plan import Camera, Plan, Variants
from tools.bench.capacity.sender import Sender

_CONNECTING: Final = 8
_LOG_EVERY_S: Final = 0.5


class Cameras:
    """All cameras of a plan."""

    def __init__(self, plan: Plan, log: TextIOWrapper) -> None:
        self._plan = plan
        self._log = log
        with Path(plan.pack).open("rb") as pack:
            self._pictures = mmap.mmap(pack.fileno(), 0, access=mmap.ACCESS_READ)

    async def run(self) -> None:
        """Connect, report it, then send until cancelled or until a connection ends (which
        raises)."""
        room = asyncio.Semaphore(_CONNECTING)
        senders = await asyncio.gather(*(self._connect(c, room) for c in self._plan.cameras))
        start_s, started_ms = time.monotonic(), time.time_ns() // 1_000_000
        print(json.dumps({"started_ms": started_ms}), flush=True)
        async with asyncio.TaskGroup() as group:
            for number, sender in enumerate(senders):
                group.create_task(sender.listen())
                group.create_task(self._send(number, sender, start_s))
            group.create_task(self._keep_log())

    async def _connect(self, camera: Camera, room: asyncio.Semaphore) -> Sender:
        address = (self._plan.host, self._plan.port)
        async with room:
            sender = await Sender.connect(address, camera.camera_id, camera.password)
        status = {"state": "online", "boot_id": self._plan.boot_id, "connection": 1, "reason": ""}
        topic = mqtt_topic(camera.camera_id, "status")
        sender.publish(topic, json.dumps(status).encode(), retain=True)
        return sender

    async def _send(self, number: int, sender: Sender, start_s: float) -> None:
        plan, camera = self._plan, self._plan.cameras[number]
        variants = Variants(number, len(plan.places[camera.sequence][0]))
        seq = 0
        while True:
            due_s = camera.due_s(seq, plan.interval_s)
            await asyncio.sleep(start_s + due_s - time.monotonic())
            seq += 1
            scene = camera.scene_at(due_s)
            offset, length = plan.place(camera, scene, variants.draw())
            sent_ms, free = time.time_ns() // 1_000_000, not sender.busy
            if free:
                topic = mqtt_topic(camera.camera_id, "frame", plan.boot_id, seq, sent_ms)
                sender.publish(topic, self._pictures[offset : offset + length])
            self._log.write(f"{number} {seq} {sent_ms} {scene} {int(free)}\n")

    async def _keep_log(self) -> None:
        while True:
            await asyncio.sleep(_LOG_EVERY_S)
            self._log.flush()


def main() -> None:
    """Run the command line."""
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    plan, log = Plan.read(Path(sys.argv[1])), Path(sys.argv[2])
    with log.open("w", encoding="utf-8") as lines:
        asyncio.run(Cameras(plan, lines).run())


if __name__ == "__main__":
    main()
