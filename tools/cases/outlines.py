"""Outlines as people draw them: accepted, or refused with a reason before anything uses them."""

import time
from collections.abc import Sequence
from math import cos, pi, sin

from msgspec.structs import replace

from parking.core.events import LayoutPublished
from parking.core.lots import check_new
from tools.cases import Verdict, case, verdict
from tools.cases.seeing import demo_layout
from tools.cases.world import World


def _with(polygons: Sequence[Sequence[tuple[float, float]]]) -> LayoutPublished:
    one = demo_layout().slots[0]
    slots = [replace(one, slot_id=f"s{n}", polygon=list(p)) for n, p in enumerate(polygons)]
    return replace(demo_layout(), slots=slots)


@case("outlines", "a closed ring is accepted; duplicates and slots too small to see are refused")
def outlines(world: World) -> Verdict:
    """Check a layout before it is published."""
    del world
    square = [(0.4, 0.4), (0.5, 0.4), (0.5, 0.5), (0.4, 0.5)]
    line = [(0.1, 0.5), (0.9, 0.5), (0.9, 0.5004), (0.1, 0.5004)]
    faults = {
        "closed": check_new(_with([[*square, square[0]]])),
        "twins": check_new(_with([square, square])),
        "line": check_new(_with([line])),
    }
    right = (
        not faults["closed"]
        and "same outline" in str(faults["twins"])
        and "2 pixels" in str(faults)
    )
    return verdict(right, faults)


@case("outlines", "checking 1,000 outlines of 64 corners takes under a second of work")
def many_corners(world: World) -> Verdict:
    """Place slots side by side, and all in the same place."""
    del world
    took_s = []
    for apart in (1.0, 0.0):
        rings = [
            [
                (
                    0.02 + apart * (n % 40) / 42 + 0.01 * (1 + cos(k * pi / 32)),
                    0.02 + apart * (n // 40) / 27 + 0.016 * (1 + sin(k * pi / 32)),
                )
                for k in range(64)
            ]
            for n in range(1000)
        ]
        layout = _with(rings)
        start_s = time.process_time()
        check_new(layout)
        took_s.append(round(time.process_time() - start_s, 2))
    return verdict(max(took_s) < 1, f"{took_s} s")
