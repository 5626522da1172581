"""One vehicle over two slots, through the detector's own analysis with the shipped models. A car in
the demo's picture is copied onto the line between two free slots."""

import json
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from parking.vision.gating import Limits
from parking.vision.imagehealth import Look
from services.detector.analysis import Analyser, Finding, Job, Options
from services.detector.gate import LastView
from services.detector.judging import Judge
from services.detector.runtimes import load_model, load_slotnet
from services.detector.settings import DEFAULT_MODEL, ModelSettings, default_slots
from tools.evaluate.astride import Donor, composed
from tools.evaluate.opinions import layout_of
from tools.train.labels import Frame

DEMO = Path(__file__).parents[2] / "demo"
FIRST, SECOND, DONOR = 14, 15, 16
"""Two free neighbours and the slot of a parked car: B03, B04 and B05 of the north camera."""
CAR = (531.0, 367.0, 640.0, 524.0)


@cache
def frame() -> Frame:
    labelled = json.loads((DEMO / "annotations.json").read_text("utf-8"))["frames"]
    (one,) = (each for each in labelled if each["file"] == "north/003.jpg")
    return Frame("demo", DEMO / one["file"], one)


def picture(share: float | None) -> bytes:
    """Return the frame with a copy of the car, this share of the way from the first slot to the
    second."""
    clean = np.asarray(cv2.imread(str(frame().path)), np.uint8)
    if share is not None:
        outlines = frame().polygons
        pair = (outlines[FIRST], outlines[SECOND])
        copy = composed(clean, Donor(np.array(CAR), outlines[DONOR]), pair, share)
        assert copy is not None
        clean = copy[0]
    return bytes(cv2.imencode(".jpg", clean, (cv2.IMWRITE_JPEG_QUALITY, 92))[1])


class Camera:
    """The demo's north camera and the detector's memory of it."""

    def __init__(self) -> None:
        slots = default_slots(DEFAULT_MODEL)
        settings = ModelSettings(DEFAULT_MODEL, "onnx", "f32", 1, 0, 0, 1, slots=slots)
        detector, facts = load_model(settings)
        judge = Judge(facts, load_slotnet(settings), detector)
        self._analyser = Analyser(judge, Options(gate=Limits()), lambda: None)
        self._looks: dict[str, Look] = {}
        self._views: dict[str, LastView] = {}
        self._seen = 0

    def see(self, share: float | None) -> list[tuple[str, list[str]]]:
        """Return state and `straddling` of the two slots."""
        self._seen += 1
        job = Job(picture(share), "demo/north", layout_of(frame()), None, f"north/1/{self._seen}")
        (finding,) = self._analyser.analyse([job], self._looks, self._views)
        assert isinstance(finding, Finding)
        observations = {one.slot_id: one for one in finding.observations}
        both = [observations[f"s{slot}"] for slot in (FIRST, SECOND)]
        others = [one for one in finding.observations if one not in both]
        assert [one.slot_id for one in others if one.straddling] == []
        return [(one.state, one.straddling) for one in both]


OVER_BOTH = [("occupied", [f"s{SECOND}"]), ("occupied", [f"s{FIRST}"])]
BOTH_FREE: list[tuple[str, list[str]]] = [("free", []), ("free", [])]


def test_a_car_on_the_line_is_over_both_slots_until_it_has_left():
    camera = Camera()
    assert camera.see(None) == BOTH_FREE
    assert camera.see(0.5) == OVER_BOTH
    assert camera.see(0.5) == OVER_BOTH
    assert camera.see(None) == BOTH_FREE


def test_a_car_in_a_slot_is_over_this_one_only():
    assert Camera().see(1.0) == [("free", []), ("occupied", [])]
