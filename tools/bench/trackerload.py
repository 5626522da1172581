"""Generated records for the tracker's bench: layouts, detections and gate events of many sites."""

import hashlib
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from msgspec.structs import replace

from parking.core.events import (
    DetectionMade,
    Event,
    FrameRef,
    GateEventReceived,
    ImageHealth,
    LayoutAdopted,
    Observation,
    ParametersSet,
    SiteCommanded,
    SlotRef,
)
from parking.core.occupancy import step
from parking.core.site import Site

SEEN: Final = 40
"""The number of slots that a camera sees."""
_PLATE_LENGTH: Final = 7
_NEAR_BYTES: Final = 6
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of the load. `rounds` is the number of detections per camera. `plates` are already
    known when the gate events with plates come."""

    sites: int
    slots: int
    rounds: int
    gate_events: int
    plates: int

    @property
    def cameras(self) -> int:
        """The number of cameras per site."""
        return -(-self.slots // SEEN)


def layouts(plan: Plan) -> Iterator[SiteCommanded]:
    """Yield each site's parameters and every camera's layout. No camera is ever silent, or the
    tracker would set all its slots to unknown while it is measured with gate events."""
    for site in range(plan.sites):
        yield _command(f"site-{site}", "parameters", ParametersSet(silence_ms=_DAY_MS))
        for camera in range(plan.cameras):
            slots = range(camera * SEEN, min((camera + 1) * SEEN, plan.slots))
            refs = [SlotRef(slot_id=f"s{n:04d}", zone_id="a") for n in slots]
            camera_id = f"site-{site}/c{camera}"
            order = LayoutAdopted(camera_id=camera_id, version=1, interval_ms=5_000, slots=refs)
            yield _command(f"site-{site}", f"adopt/{camera_id}", order)


def detections(plan: Plan) -> Iterator[DetectionMade]:
    """Yield detections in rounds, one per camera. A tenth of the slots is occupied, and every two
    rounds it is a different tenth."""
    for number in range(plan.rounds):
        for site in range(plan.sites):
            for camera in range(plan.cameras):
                camera_id = f"site-{site}/c{camera}"
                frame_id = f"{camera_id}/1/{number}"
                slots = range(camera * SEEN, min((camera + 1) * SEEN, plan.slots))
                yield DetectionMade(
                    id=frame_id,
                    site_id=f"site-{site}",
                    time_ms=_now_ms(),
                    camera_id=camera_id,
                    frame_ref=FrameRef(frame_id=frame_id, partition=0, offset=number),
                    width=1280,
                    height=720,
                    layout_version=1,
                    model_id="bench",
                    health=ImageHealth(status="ok", brightness=0.5, sharpness=100.0),
                    boxes=[],
                    observations=[
                        Observation(
                            slot_id=f"s{n:04d}",
                            state="occupied" if n % 10 == number // 2 % 10 else "free",
                            confidence=0.97,
                        )
                        for n in slots
                    ],
                    timings_ms={},
                )


def gate_events(plan: Plan) -> Iterator[GateEventReceived]:
    """Yield gate events of the first site: alternating entries and exits, without plates."""
    begin_ms = _now_ms() - plan.gate_events
    for number in range(plan.gate_events):
        yield _passage("site-0/gate", number, begin_ms + number)


def known_plates(plan: Plan) -> Iterator[GateEventReceived]:
    """Yield gate events of the first site: each plate goes in and out once."""
    begin_ms = _now_ms() - 2 * plan.plates
    for number in range(2 * plan.plates):
        yield _plated(plan, number, begin_ms + number)


def plated_events(plan: Plan) -> Iterator[GateEventReceived]:
    """Yield what follows `known_plates`: the same plates again, with alternating entries and
    exits."""
    begin_ms = _now_ms()
    for number in range(plan.gate_events):
        yield _plated(plan, 2 * plan.plates + number, begin_ms + number)


def _command(site_id: str, name: str, order: LayoutAdopted | ParametersSet) -> SiteCommanded:
    return SiteCommanded(
        id=f"{site_id}/{name}",
        site_id=site_id,
        time_ms=_now_ms(),
        issued_by="bench",
        command=order,
    )


def _plated(plan: Plan, number: int, time_ms: int) -> GateEventReceived:
    plate = number // 2 % plan.plates
    passage = _passage("site-0/plated", number, time_ms)
    near = [_digest(f"{plate}/{index}")[:_NEAR_BYTES] for index in range(_PLATE_LENGTH + 1)]
    return replace(
        passage,
        plate_hash=_digest(f"{plate}").hex(),
        plate_near=[urlsafe_b64encode(one).decode() for one in near],
    )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _passage(device_id: str, number: int, time_ms: int) -> GateEventReceived:
    return GateEventReceived(
        id=f"{device_id}/1/{number}",
        site_id="site-0",
        time_ms=time_ms,
        device_id=device_id,
        gate_id="main",
        direction="exit" if number % 2 else "entry",
        via="mqtt",
        time_source="device",
        boot_id=1,
        seq=number,
    )


def bare(before: Sequence[Event], events: Sequence[Event]) -> float:
    """Return the CPU seconds that step() alone takes for the events, after the earlier ones: the
    median of three times."""
    sites: dict[str, Site] = {}
    for event in before:
        sites[event.site_id], _ = step(sites.get(event.site_id, Site(site_id=event.site_id)), event)
    return median(_stepping(dict(sites), events) for _ in range(3))


def _stepping(sites: dict[str, Site], events: Sequence[Event]) -> float:
    begin = time.process_time()
    for event in events:
        sites[event.site_id], _ = step(sites.get(event.site_id, Site(site_id=event.site_id)), event)
    return time.process_time() - begin


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
