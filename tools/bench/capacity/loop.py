"""The plain loop (tools/bench/capacity/naive.py) as a rig, run by a Python that has ultralytics."""

import asyncio
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Final

from tools.bench.capacity.ages import FrameReport, Sent
from tools.bench.capacity.course import Course, Outcome, now_ms
from tools.bench.capacity.plan import Plan
from tools.bench.capacity.results import Point
from tools.bench.capacity.setting import Setting
from tools.bench.capacity.usage import Usage, alone, usage, with_others
from tools.stack.settings import ROOT

_START_LIMIT_S: Final = 120.0
_POLL_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Loop:
    """The interpreter that runs the loop (a Python with ultralytics) and its weights."""

    python: str
    weights: Path

    def missing(self, environ: Mapping[str, str]) -> str:
        """Return why it cannot run, or "" if it can."""
        if not self.weights.is_file():
            return f"no weights at {self.weights} (--weights FILE)"
        if which(self.python) is None:
            return f"{self.python} does not exist (--naive-python PATH)"
        with tempfile.TemporaryDirectory() as scratch:
            done = subprocess.run(
                [self.python, "-c", "import ultralytics"],
                env=_environment(environ, Path(scratch)),
                capture_output=True,
                check=False,
            )
        if done.returncode == 0:
            return ""
        return f"{self.python} has no ultralytics (make .venv/.train, or --naive-python PATH)"


class LoopRig:
    """The loop with its log. What it sends follows from the plan."""

    def __init__(self, plan: Plan, log: Path, pid: int, started_ms: int) -> None:
        self._plan = plan
        self._log = log.open(encoding="utf-8")
        self._rest = ""
        self._pid = pid
        self._started_ms = started_ms

    async def poll(self) -> Sequence[FrameReport]:
        """Return the reports since the last call. Every picture is judged in full."""
        await asyncio.sleep(_POLL_S)
        *lines, self._rest = (self._rest + self._log.read()).split("\n")
        reports = []
        for line in lines:
            number, seq, at_ms, spent_ms = line.split()
            camera_id = self._plan.cameras[int(number)].camera_id
            reports.append(FrameReport(camera_id, int(seq), int(at_ms), None, float(spent_ms)))
        return reports

    def sent(self) -> Sequence[Sent]:
        """Return every picture so far, each on time to the millisecond."""
        plan, passed_s = self._plan, (now_ms() - self._started_ms) / 1000
        frames = []
        for camera in plan.cameras:
            for seq in range(1, camera.newest(passed_s, plan.interval_s) + 1):
                due_s = camera.due_s(seq - 1, plan.interval_s)
                at_ms = self._started_ms + round(due_s * 1000)
                frames.append(Sent(camera.camera_id, seq, at_ms, camera.scene_at(due_s)))
        return frames

    def usage(self) -> dict[str, Usage]:
        """Return the usage of the loop's one process, of this process, and of the rest of the
        machine."""
        return with_others({**usage({"loop": self._pid}), "bench": alone(os.getpid())})

    def close(self) -> None:
        """Close the log."""
        self._log.close()


def measure(row: str, loop: Loop, count: int, setting: Setting) -> Point:
    """Measure the loop with `count` cameras."""
    cameras = setting.cast(count)
    plan = setting.plan(cameras)
    with tempfile.TemporaryDirectory(prefix="capacity-") as scratch:
        outcome, sent = asyncio.run(_run(loop, plan, setting, Path(scratch)))
    return setting.point(row, cameras, sent, outcome)


async def _run(
    loop: Loop, plan: Plan, setting: Setting, scratch: Path
) -> tuple[Outcome, Sequence[Sent]]:
    log, slots = scratch / "published.log", scratch / "slots.json"
    log.touch()
    plan.write(scratch / "plan.json")
    slots.write_text(json.dumps(_outlines(setting)), "utf-8")
    process = await asyncio.create_subprocess_exec(
        *(loop.python, "-m", "tools.bench.capacity.naive"),
        *(scratch / "plan.json", slots, loop.weights.absolute(), log),
        env=_environment(setting.environ, scratch),
        cwd=scratch,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None  # noqa: S101 -- requested with PIPE; mypy cannot know
        async with asyncio.timeout(_START_LIMIT_S):
            while (line := await process.stdout.readline()) and not line.startswith(b"{"):
                pass  # its libraries may print something first
        if not line:
            raise RuntimeError("the plain loop exited before it had begun: see its output above")
        started_ms = int(json.loads(line)["started_ms"])
        rig = LoopRig(plan, log, process.pid, started_ms)
        try:
            ids = [camera.camera_id for camera in plan.cameras]
            course = Course(rig, ids, setting.interval_s, started_ms)
            return await course.run(setting.window_s), rig.sent()
        finally:
            rig.close()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _outlines(setting: Setting) -> list[list[list[list[float]]]]:
    """Return the outlines of each recording's slots in pixels, keyed by recording."""
    return [
        [slot["polygon"] for slot in recording.annotations["frames"][0]["slots"]]
        for recording in setting.recordings
    ]


def _environment(environ: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """Make ultralytics write its settings into the scratch folder and contact no server."""
    own = {"PYTHONPATH": str(ROOT), "YOLO_CONFIG_DIR": str(scratch), "YOLO_OFFLINE": "true"}
    return {**environ, **own, "YOLO_AUTOINSTALL": "false"}
