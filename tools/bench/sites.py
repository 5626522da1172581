"""Measure how long one request for all sites, and a page's first snapshot, block the gateway's
event loop as the number of sites grows.

  python -m tools.bench.sites                                    this code
  python -m tools.bench.sites --before PATH                      compared with another checkout

Nothing else needs to run. Each run changes something, then derives and encodes the whole response.
Each number is the best of a few runs. `again`: nothing has changed since the last request. `a
slot`: one slot of one site has changed. `all cameras`: each camera has reported its age, as happens
every 2 s.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from parking.core.events import (
    CameraStatusChanged,
    LayoutPublished,
    LayoutSlot,
    SlotStateUpdated,
    Zone,
)
from services.notifier.state import LiveState

CASES: Final = ("again", "a slot", "all cameras")
_START_MS: Final = 1_795_000_000_000


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.sites",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sites", type=int, nargs="+", default=[10, 30, 100], metavar="N")
    parser.add_argument("--slots", type=int, default=1000, help="of each site (1000)")
    parser.add_argument("--cameras", type=int, default=4, help="of each site (4)")
    parser.add_argument("--runs", type=int, default=3, help="best of this many runs (3)")
    parser.add_argument("--before", type=Path, metavar="PATH", help="another checkout")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.json:
        print(json.dumps(measure(options)))
        return
    here = measure(options)
    print(table(here, _elsewhere(options.before) if options.before else None))


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return one row per number of sites and kind of response: milliseconds by case, and bytes of
    the response."""
    rows = []
    for sites in options.sites:
        world = World(sites, options.slots, options.cameras)
        for what, answer in (("/api/sites", world.summaries), ("snapshot", world.views)):
            size_bytes = len(answer())
            times = {case: world.time_ms(case, answer, options.runs) for case in CASES}
            rows.append({"sites": sites, "what": what, "bytes": size_bytes, "ms": times})
    return rows


class World:
    """A gateway's state with this many sites, and the changes to it."""

    def __init__(self, sites: int, slots: int, cameras: int) -> None:
        self.state = LiveState()
        self._version = 1
        self._encoder = msgspec.json.Encoder()
        self._statuses: list[CameraStatusChanged] = []
        for site in (f"site-{number}" for number in range(sites)):
            for camera in range(cameras):
                names = [f"S{n:04}" for n in range(camera, slots, cameras)]
                layout = _layout(site, f"{site}/camera-{camera}", names)
                self.state.layout(layout)
                self._statuses.append(_status(layout))
                for name in names:
                    self.state.slot_state(_slot(site, name, 1))
        self._all_cameras()

    def summaries(self) -> bytes:
        """Return the response of GET /api/sites."""
        state = self.state
        return self._encoder.encode([state.summary(site) for site in state.site_ids()])

    def views(self) -> bytes:
        """Return the sites of a snapshot."""
        state = self.state
        return self._encoder.encode([state.site_view(site) for site in state.site_ids()])

    def time_ms(self, case: str, answer: Callable[[], bytes], runs: int) -> float:
        """Return the shortest CPU time of the response after this change. The change itself is not
        counted."""
        best = float("inf")
        for _ in range(runs):
            if case == "a slot":
                self._version += 1
                self.state.slot_state(_slot("site-0", "S0000", self._version))
            elif case == "all cameras":
                self._all_cameras()
            begin_s = time.process_time()
            answer()
            best = min(best, (time.process_time() - begin_s) * 1000)
        return round(best, 2)

    def _all_cameras(self) -> None:
        self._version += 1
        for report in self._statuses:
            at_ms = _START_MS + 2_000 * self._version
            self.state.camera_status(replace(report, version=self._version, last_frame_at_ms=at_ms))


def table(here: list[dict[str, Any]], before: list[dict[str, Any]] | None) -> str:
    """Return Markdown: milliseconds of CPU, and how many times faster than before."""
    lines = [
        f"| sites | answer | MB | {' | '.join(f'{case}, ms' for case in CASES)} |",
        "|---|---|---|---|---|---|",
    ]
    for number, row in enumerate(here):
        cells = []
        for case in CASES:
            now = row["ms"][case]
            cells.append(f"{now:.1f}")
            if before is not None:
                was = before[number]["ms"][case]
                cells[-1] = f"{was:.0f} -> {now:.1f} ({was / now:.0f}x)"
        size = row["bytes"] / 1e6
        lines.append(f"| {row['sites']} | {row['what']} | {size:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _elsewhere(path: Path) -> list[dict[str, Any]]:
    """Run the same measurement with the services of another checkout."""
    program = (
        f"import runpy; runpy.run_path({str(Path(__file__).resolve())!r}, run_name='__main__')"
    )
    command = [sys.executable, "-c", program, "--json", *_plain(sys.argv[1:])]
    done = subprocess.run(command, cwd=path, check=True, capture_output=True, text=True)
    return list(json.loads(done.stdout))


def _plain(arguments: list[str]) -> list[str]:
    place = arguments.index("--before")
    return arguments[:place] + arguments[place + 2 :]


def _layout(site: str, camera_id: str, names: list[str]) -> LayoutPublished:
    corners = [(0.1, 0.1), (0.3, 0.1), (0.3, 0.3), (0.1, 0.3)]
    return LayoutPublished(
        id=f"{camera_id}/layout/1",
        site_id=site,
        time_ms=_START_MS,
        camera_id=camera_id,
        version=1,
        site_name=site,
        camera_name=camera_id,
        interval_ms=5000,
        zones=[Zone(zone_id=f"Z{n}", name=f"Zone {n}") for n in range(4)],
        slots=[
            LayoutSlot(slot_id=name, zone_id=f"Z{n % 4}", polygon=corners)
            for n, name in enumerate(names)
        ],
    )


def _status(layout: LayoutPublished) -> CameraStatusChanged:
    return CameraStatusChanged(
        id=f"{layout.camera_id}/status",
        site_id=layout.site_id,
        time_ms=_START_MS,
        camera_id=layout.camera_id,
        status="online",
        reason="ok",
        version=1,
        layout_version=1,
    )


def _slot(site: str, name: str, version: int) -> SlotStateUpdated:
    return SlotStateUpdated(
        id=f"{site}/{name}/{version}",
        site_id=site,
        time_ms=_START_MS,
        slot_id=name,
        zone_id="Z0",
        state="free" if version % 2 else "occupied",
        version=version,
        changed_at_ms=_START_MS,
        confidence=0.9,
        reason="observed",
    )


if __name__ == "__main__":
    main()
