"""If a part of the lens is wet, dirty or out of focus, the slots behind it are unknown and all
others keep their states."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from parking.core.events import LayoutPublished, LayoutSlot
from parking.vision.gating import Limits
from parking.vision.imagehealth import Look, measured
from parking.vision.lens import out_of_focus, regions, surroundings, tiles
from parking.vision.reference import make_reference, small_grey
from services.detector.analysis import Analyser, Finding, Job, Options
from services.detector.gate import LastView
from services.detector.judging import Judge
from services.detector.model import Facts
from services.detector.picture import Picture
from tests.components.test_placement import frame
from tests.support.detector_tools import WhiteDetector, jpeg, layout

GRID = [(x / 10 + 0.01, y / 8 + 0.02) for y in range(2, 7) for x in range(1, 9)]
POLYGONS = [[(x, y), (x + 0.08, y), (x + 0.08, y + 0.1), (x, y + 0.1)] for x, y in GRID]


def blurred_at(
    picture: Picture, middle: tuple[float, float], reach: float, sigma: float
) -> Picture:
    """Blur the picture within so many picture widths of a place."""
    height, width = picture.shape[:2]
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    far = np.hypot(xs / width - middle[0], (ys - middle[1] * height) / width)
    mask = (1 / (1 + np.exp((far / reach - 1) * 12)))[..., None]
    soft = cv2.GaussianBlur(picture, (0, 0), sigma)
    return np.asarray(picture * (1 - mask) + soft * mask, np.uint8)


def flags(picture: Picture, reference: Picture | None = None) -> list[bool]:
    grey = small_grey(picture)
    size_wh = (grey.shape[1], grey.shape[0])
    fine, usual = measured(grey).fine, None
    places = surroundings(POLYGONS, size_wh)
    assert fine is not None
    if reference is not None:
        known = measured(small_grey(reference)).fine
        assert known is not None
        usual = known.over(places)
    found: list[bool] = out_of_focus(fine.over(places), fine.over(tiles(size_wh)), usual).tolist()
    return found


def decoded(picture: Picture, quality: int = 85) -> Picture:
    data = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize("sigma", [5, 8])
def test_slots_behind_condensation_are_found_and_no_others(sigma):
    seen = flags(decoded(blurred_at(frame(20), (0.5, 0.5), 0.2, sigma)), frame(0))
    for flag, (x, y) in zip(seen, GRID, strict=True):
        far = np.hypot(x + 0.04 - 0.5, (y + 0.05 - 0.5) * 2 / 3)
        assert flag or far > 0.12, (x, y)
        assert not flag or far < 0.27, (x, y)


WHOLE: list[Callable[[Picture], Picture]] = [
    lambda p: p,
    lambda p: decoded(p, 25),
    lambda p: (p * 0.4).astype(np.uint8),
    lambda p: (90 + p * 0.4).astype(np.uint8),
    lambda p: np.asarray(cv2.resize(p, (640, 427), interpolation=cv2.INTER_AREA), np.uint8),
    lambda p: np.asarray(cv2.GaussianBlur(p, (0, 0), 1.2), np.uint8),
]


@pytest.mark.parametrize("change", WHOLE)
@pytest.mark.parametrize("number", [3, 24, 47])
def test_what_is_alike_everywhere_hides_no_slot(change, number):
    assert not any(flags(change(frame(number)), frame(0)))
    assert not any(flags(change(frame(number))))


def test_nearby_places_are_reported_as_one_part():
    boxes = np.array([(10.0, 10, 60, 60), (50, 10, 90, 60), (300, 200, 340, 240), (0, 0, 9, 9)])
    parts = regions(np.array([True, True, True, False]), boxes, (480, 320))
    assert len(parts) == 2
    assert min(parts) == pytest.approx((10 / 480, 10 / 320, 90 / 480, 60 / 320), abs=0.03)


def grid_layout() -> LayoutPublished:
    slots = [
        LayoutSlot(slot_id=f"s{n}", zone_id="lot", polygon=one) for n, one in enumerate(POLYGONS)
    ]
    return replace(layout(reference=make_reference(frame(0))), slots=slots)


def test_those_slots_are_unknown_even_where_nothing_is_judged_and_come_back():
    analyser = Analyser(Judge(Facts(), None, WhiteDetector()), Options(gate=Limits()), lambda: None)
    looks, last_views, count, known = dict[str, Look](), dict[str, LastView](), 0, grid_layout()

    def see(picture: Picture) -> Finding:
        nonlocal count
        count += 1
        name, time_ms = str(count), count * 1000
        job = Job(jpeg(picture), "demo/north", known, frame_id=name, time_ms=time_ms)
        (found,) = analyser.analyse([job], looks, last_views)
        assert isinstance(found, Finding)
        return found

    def states(found: Finding) -> set[str]:
        return {str(one.state) for one in found.observations}

    for _ in range(3):
        assert "unknown" not in states(see(frame(20)))
    wet = see(blurred_at(frame(20), (0.5, 0.5), 0.2, 8))
    middle = {f"s{n}" for n, (x, y) in enumerate(GRID) if 0.4 < x < 0.5 and 0.4 < y < 0.5}
    unknown = {one.slot_id for one in wet.observations if one.state == "unknown"}
    assert middle <= unknown
    assert len(unknown) < len(GRID) / 2
    assert wet.health.status == "ok"
    assert len(wet.health.blurred) == 1
    dry = see(frame(20))
    assert "unknown" not in states(dry)
    assert dry.health.blurred == []
