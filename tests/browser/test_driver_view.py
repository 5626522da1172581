"""The driver view in a real Chromium, against a notifier in this process.

dashboard/e2e/driver.mjs contains the steps. Its screenshots are kept in .state/screenshots.
"""

import asyncio
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from parking.core.events import LayoutPublished, LayoutSlot, SiteSettings, SlotKind, SlotState, Zone
from parking.wire.ports import Outgoing
from tests.browser.watching import CACHE, SCREENSHOTS, watch
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.notifying import SQUARE, layout, record, state, status
from tools.stack.settings import ROOT

STEPS = 16
OPEN = SiteSettings(public=True, time_zone="Asia/Jakarta", directions="https://maps.example/?q=lot")
MINUTE_MS = 60_000
ZONES = {"A": "Row A, by the station", "B": "Row B", "C": "Upper deck", "D": "Long-stay area"}
MANY = {f"Z{n}": f"Zone {n}, behind the market hall" for n in range(1, 13)}

pytestmark = pytest.mark.timeout(300)


def lot(site: str, settings: SiteSettings, interval_ms: int) -> LayoutPublished:
    """Return twelve spaces in each zone, among them two accessible ones and two with a charger."""
    zones = MANY if site == "many" else ZONES
    kinds: dict[str, SlotKind] = {"A1": "accessible", "A2": "accessible", "D1": "ev", "D2": "ev"}
    slots = [
        LayoutSlot(
            slot_id=f"{zone}{n}",
            zone_id=zone,
            polygon=SQUARE,
            kind=kinds.get(f"{zone}{n}", "standard"),
        )
        for zone in zones
        for n in range(1, 13)
    ]
    return replace(
        layout(site),
        site_name="Station Square",
        interval_ms=interval_ms,
        zones=[Zone(zone_id=zone, name=name) for zone, name in zones.items()],
        slots=slots,
        site=settings,
    )


def records(
    site: str, age_ms: int, settings: SiteSettings, interval_ms: int, reason: str = ""
) -> list[Outgoing]:
    """Return a site whose cameras were last heard from that long ago. With a reason, all is
    unknown."""
    at_ms, drawn = time.time_ns() // 1_000_000 - age_ms, lot(site, settings, interval_ms)
    states: list[SlotState] = ["free", "occupied", "occupied"]
    known = [
        replace(
            state(site, 3, "unknown" if reason or slot.slot_id == "D12" else states[index % 3]),
            slot_id=slot.slot_id,
            zone_id=slot.zone_id,
            reason=reason or "observed",
            changed_at_ms=at_ms,
            observed_at_ms=at_ms,
        )
        for index, slot in enumerate(drawn.slots)
    ]
    camera = replace(status(site), last_frame_at_ms=at_ms, layout_version=1)
    return [record(one) for one in (drawn, camera, *known)]


async def test_drivers_see_the_free_spaces_in_a_browser(e2e: Path, record_property):
    backend = Backend(None)
    await backend.write(
        *records("open", 3_000, OPEN, MINUTE_MS),
        *records("late", 30_000, OPEN, 5_000),
        *records("dead", 60 * MINUTE_MS, OPEN, 5_000),
        *records("blind", 5 * MINUTE_MS, OPEN, 5_000, reason="covered"),
        *records("many", 3_000, OPEN, MINUTE_MS),
        *records("shut", 3_000, SiteSettings(), MINUTE_MS),
    )
    given = Given(dashboard=ROOT / "dashboard" / "dist")
    async with Instance(backend, given) as notifier:
        arguments = [notifier.url, str(CACHE), str(SCREENSHOTS)]
        checked = await asyncio.to_thread(watch, e2e / "driver.mjs", arguments, {})
    assert len(checked) == STEPS, checked
    for line in checked:
        record_property("browser", line)
