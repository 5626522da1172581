"""The exact truth for the pictures, in the form that parking/core/lots.py reads."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.render.site import Camera, Site
from tools.render.story import START, STEP, GateEvent, Moment

LEAST_PIXELS = 40
"""Visible parts of a vehicle that are smaller get no box."""
BEYOND = 0.02
"""How far beyond the picture's edge a slot's corner may be, as a share of its size."""


def boxes(owner: NDArray[np.int32], names: tuple[str, ...]) -> list[list[int]]:
    """Return the xyxy box (pixels) of what is visible of each vehicle."""
    found = []
    for index, name in enumerate(names):
        if name.startswith("person"):
            continue
        ys, xs = np.nonzero(owner == index)
        if len(xs) >= LEAST_PIXELS:
            box = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            found.append([int(edge) for edge in box])
    return found


def people(owner: NDArray[np.int32], names: tuple[str, ...]) -> int:
    """Return how many people are visible."""
    walkers = [index for index, name in enumerate(names) if name.startswith("person")]
    return int(sum(np.count_nonzero(owner == index) >= LEAST_PIXELS for index in walkers))


def slots(
    site: Site, camera: Camera, moment: Moment, size_wh: tuple[int, int]
) -> list[dict[str, Any]]:
    """Return the slots that are wholly in this camera's view, with their outlines in pixels and the
    truth."""
    taken = {car.slot_id for car in moment.cars if car.slot_id}
    seen = []
    size = np.array(size_wh)
    for slot in site.slots:
        corners = camera.project(np.column_stack([slot.plan, np.zeros(4)]), size_wh)
        if np.isnan(corners).any():
            continue
        if (corners < -BEYOND * size).any() or (corners > (1 + BEYOND) * size).any():
            continue
        outline = np.clip(corners, 0, size).round(1).tolist()
        state = int(slot.slot_id in taken)
        seen.append({"id": slot.slot_id, "polygon": outline, "occupied": state})
    return seen


def annotations(site: Site, frames: list[dict[str, Any]], gate: list[GateEvent]) -> dict[str, Any]:
    """Return the whole file: who made it, the site's plan in metres, gate events and frames."""
    events = [
        {"frame": max(0, round((event.time - START) / STEP)), "direction": event.direction}
        for event in gate
    ]
    plan = {
        slot.slot_id: {"zone": slot.zone_id, "plan": slot.plan.round(2).tolist()}
        for slot in site.slots
    }
    zones = {zone: f"Zone {zone}" for zone in sorted({slot.zone_id for slot in site.slots})}
    return {
        "dataset": "demo",
        "licence": "AGPL-3.0-only, rendered by the project (tools/render)",
        "site": {"id": "demo", "name": "Demo lot", "zones": zones, "slots": plan},
        "cameras": {camera.name: {"name": camera.name.title()} for camera in site.cameras},
        "gate": sorted(events, key=lambda event: event["frame"]),
        "frames": frames,
    }
