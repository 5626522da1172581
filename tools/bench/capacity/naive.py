"""The plain alternative: YOLO11n at 640 px on every picture, one slot after the other.

This is the loop of ultralytics' `solutions.ParkingManagement`: a slot is occupied when the centre
of a box is in it. Its tracker and drawing are left out, which is in its favour. So are the camera,
the broker and the database: the newest picture of each camera is ready, and cameras take turns.

Run `python -m tools.bench.capacity.naive PLAN SLOTS WEIGHTS LOG` with a Python that has
ultralytics. It prints `{"started_ms"}`, then works until it is terminated. LOG gets one line per
picture: camera number, picture number, time of the result (ms), milliseconds spent.
"""

import json
import mmap
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from tools.bench.capacity.plan import Plan, Variants

SIZE_PX: Final = 640
_IDLE_S: Final = 0.002


class Queue:
    """The newest picture of each camera. `seq` counts a camera's pictures from 1."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._done = [0] * len(plan.cameras)
        self._next = 0
        self._variants = [
            Variants(number, len(plan.places[camera.sequence][0]))
            for number, camera in enumerate(plan.cameras)
        ]
        with Path(plan.pack).open("rb") as pack:
            self._pictures = mmap.mmap(pack.fileno(), 0, access=mmap.ACCESS_READ)

    def take(self, passed_s: float) -> tuple[int, int, bytes] | None:
        """Take the next camera that has a new picture. Returns its number, `seq` and the JPEG, or
        None if no camera has one."""
        count = len(self._plan.cameras)
        for number in ((self._next + step) % count for step in range(count)):
            seq = self._plan.cameras[number].newest(passed_s, self._plan.interval_s)
            if seq > self._done[number]:
                self._done[number], self._next = seq, (number + 1) % count
                return number, seq, self.picture(number, seq)
        return None

    def picture(self, number: int, seq: int) -> bytes:
        """Return a camera's picture in a newly drawn variant."""
        camera = self._plan.cameras[number]
        scene = camera.scene_at(camera.due_s(seq - 1, self._plan.interval_s))
        offset, length = self._plan.place(camera, scene, self._variants[number].draw())
        return self._pictures[offset : offset + length]


def judge(boxes: Any, slots: list[Any]) -> list[bool]:
    """Return whether each slot is occupied. `boxes` [N, 4] are x1, y1, x2, y2 in pixels; `slots`
    are outlines."""
    middles = [(int((x1 + x2) / 2), int((y1 + y2) / 2)) for x1, y1, x2, y2 in boxes]
    return [any(cv2.pointPolygonTest(slot, m, False) >= 0 for m in middles) for slot in slots]


def search_of(weights: str) -> Callable[[bytes], Any]:
    """Return a function from JPEG to boxes, as ultralytics does it with its own defaults."""
    from ultralytics import YOLO

    model = YOLO(weights)

    def search(jpeg: bytes) -> Any:
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        (found,) = model.predict(picture, imgsz=SIZE_PX, verbose=False)
        return found.boxes.xyxy.cpu().numpy()

    return search


def main() -> None:
    """Run the command line."""
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    plan = Plan.read(Path(sys.argv[1]))
    outlines = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    slots = [[np.array(slot, np.int32) for slot in one] for one in outlines]
    search, queue = search_of(sys.argv[3]), Queue(plan)
    search(Queue(plan).picture(0, 1))  # the first search loads the model
    start_s = time.monotonic()
    print(json.dumps({"started_ms": time.time_ns() // 1_000_000}), flush=True)
    with Path(sys.argv[4]).open("w", encoding="utf-8", buffering=1) as log:
        while True:
            taken = queue.take(time.monotonic() - start_s)
            if taken is None:
                time.sleep(_IDLE_S)
                continue
            number, seq, jpeg = taken
            began_s = time.monotonic()
            judge(search(jpeg), slots[plan.cameras[number].sequence])
            spent_ms = (time.monotonic() - began_s) * 1000
            log.write(f"{number} {seq} {time.time_ns() // 1_000_000} {spent_ms:.1f}\n")


if __name__ == "__main__":
    main()
