"""The closer look: when a picture is searched again, and what then counts."""

import numpy as np
import pytest

from parking.errors import Invalid
from parking.events import LayoutSlot
from parking.geometry import match_boxes
from parking.ports import Boxes
from services.detector.analysis import Analyser, Job, Options
from services.detector.closer import CLOSER_PX, in_doubt, together
from services.detector.judging import Judge
from services.detector.model import Facts
from services.detector.picture import decode
from services.detector.slotnet import Fusion, SlotNet
from tests.detector_tools import WhiteDetector, jpeg, layout, scene

BY_BOXES = Fusion(bias=0, box=1, crop=0, covered=0, low=0.3, high=0.7)
SQUARE = [(0.25, 0.25), (0.5, 0.25), (0.5, 0.5), (0.25, 0.5)]
VIEW = np.full((400, 800, 3), 90, np.uint8)


def seen(score: float) -> Boxes:
    """A vehicle in the slot."""
    return Boxes(np.array([[0.25, 0.2, 0.5, 0.5]], np.float32), np.array([score], np.float32))


def judge(first: float, closer: float, fusion: Fusion = BY_BOXES):
    """What is told of the slot, how likely that is, and the inputs searched for it."""
    sizes: list[int] = []

    def search(size_px: int) -> Boxes:
        sizes.append(size_px)
        return seen(closer)

    net = SlotNet("slots@1", fusion, lambda blob: np.zeros(len(blob), np.float32))
    slots = [LayoutSlot(slot_id="A1", zone_id="A", polygon=SQUARE)]
    (told,) = Judge(Facts(), net).observe(VIEW, seen(first), slots, search)
    return told.state, told.confidence, sizes


def test_a_picture_in_doubt_is_searched_again_and_all_looks_count():
    state, sure, sizes = judge(first=0.5, closer=0.95)
    assert (state, sizes) == ("occupied", list(CLOSER_PX))
    assert sure == pytest.approx((0.5 + 2 * 0.95) / 3, abs=1e-3)


@pytest.mark.parametrize("first", [0.1, 0.9])
def test_a_picture_without_doubt_is_not_searched_again(first):
    assert judge(first, closer=0.5)[2] == []


def test_a_closer_look_may_leave_the_doubt():
    assert judge(first=0.4, closer=0.5)[0] == "unknown"


def test_nearly_unknown_is_in_doubt_too():
    assert in_doubt([0.01, 0.25])
    assert in_doubt([0.99, 0.75])
    assert not in_doubt([0.01, 0.15, 0.85])
    assert not in_doubt([])


def test_without_a_search_there_is_one_look():
    net = SlotNet("slots@1", BY_BOXES, lambda blob: np.zeros(len(blob), np.float32))
    slots = [LayoutSlot(slot_id="A1", zone_id="A", polygon=SQUARE)]
    assert Judge(Facts(), net).observe(VIEW, seen(0.5), slots)[0].state == "unknown"


def test_slots_are_seen_mirrored_as_well():
    """A network that takes a bright left half for a vehicle sees a bright right one, mirrored."""
    view = VIEW.copy()
    view[:, 300:] = 255  # right of the slot's middle

    def left(blob):
        half = blob.shape[-1] // 2
        return (blob[:, :3, :, :half].mean(axis=(1, 2, 3)) - 0.7) * 10

    net = SlotNet("slots@1", BY_BOXES, left)
    outline = np.array(SQUARE)
    (plain,) = net.logits(view, [outline])
    (mirrored,) = net.logits(view, [outline], mirrored=True)
    assert plain < 0 < mirrored
    found = match_boxes(seen(0.5).xyxy, [0.5], [outline])
    both = together([found], [np.array([plain]), np.array([mirrored])])
    assert both.logits.tolist() == pytest.approx([(plain + mirrored) / 2])


def test_the_judge_counts_the_mirrored_look():
    view = VIEW.copy()
    view[:, 300:] = 255

    def right(blob):
        """Sure of a vehicle where the right half is bright: seen mirrored, sure of none."""
        half = blob.shape[-1] // 2
        return (blob[:, :3, :, half:].mean(axis=(1, 2, 3)) - 0.7) * 10

    slots = [LayoutSlot(slot_id="A1", zone_id="A", polygon=SQUARE)]
    fusion = Fusion(bias=0, box=0.01, crop=0.4, covered=0, low=0.3, high=0.7)
    judge = Judge(Facts(), SlotNet("slots@1", fusion, right))
    once = judge.observe(view, seen(0.5), slots)[0]
    closer = judge.observe(view, seen(0.5), slots, lambda _: seen(0.5))[0]
    assert (once.state, closer.state) == ("occupied", "unknown")


class Unsure(WhiteDetector):
    """Finds the white vehicles with the given score, and keeps what it was shown."""

    def __init__(self, score: float) -> None:
        super().__init__()
        self.score = score
        self.shapes: list[tuple[int, ...]] = []

    def _one(self, image):
        self.shapes.append(image.shape)
        found = super()._one(image)
        return Boxes(found.xyxy, np.full(len(found.scores), self.score, np.float32))


def searched(detector: Unsure, options: Options, size_wh=(480, 270)):
    net = SlotNet("slots@1", BY_BOXES, lambda blob: np.zeros(len(blob), np.float32))
    analyser = Analyser(detector, Facts(), options, lambda: None, net)
    (found,) = analyser.analyse([Job(jpeg(scene(["A1"], size_wh=size_wh)), None, layout())], {})
    return found


def test_the_analyser_searches_again_and_tells_what_it_took():
    detector = Unsure(0.5)
    found = searched(detector, Options(size_px=640))
    assert detector.sizes_px == [640, *CLOSER_PX]
    assert found.timings_ms["closer"] > 0
    assert found.input_size_px == 640
    assert len(found.boxes) == 1  # what is shown are the first look's


@pytest.mark.parametrize(("score", "closer"), [(0.95, True), (0.5, False)])
def test_the_analyser_does_not_where_nothing_is_in_doubt_or_it_is_turned_off(score, closer):
    detector = Unsure(score)
    found = searched(detector, Options(size_px=640, closer=closer))
    assert detector.sizes_px == [640]
    assert "closer" not in found.timings_ms


def test_what_the_first_look_saw_is_not_searched_again():
    detector = Unsure(0.5)
    searched(detector, Options(size_px=1280))
    assert detector.sizes_px == [1280, 1600]


def test_a_picture_that_was_decoded_at_half_its_size_is_decoded_whole():
    detector = Unsure(0.5)
    searched(detector, Options(size_px=640), size_wh=(1440, 810))
    assert [shape[1] for shape in detector.shapes] == [720, 1440, 1440]


def refused_whole() -> bytes:
    """A picture whose last block is nothing but grey once it is decoded whole, and not at half."""
    rng = np.random.default_rng(1)
    end = scene(["A1"], size_wh=(1443, 805))
    end[-48:, -48:] = 128
    for _ in range(5_000):
        reach = int(rng.integers(1, 4))
        end[-16:, -16:] = 128 + rng.integers(-reach, reach + 1, (16, 16, 1))
        tail = np.ascontiguousarray(end[-69:, -67:])  # the same grid of blocks, and quicker
        if decodes(small := jpeg(tail), halve=True) and not decodes(small, halve=False):
            whole = jpeg(end)
            if decodes(whole, halve=True) and not decodes(whole, halve=False):
                return whole
    raise AssertionError("no such picture was found")


def decodes(data: bytes, *, halve: bool) -> bool:
    try:
        decode(data, 10**7, None, halve=halve)
    except Invalid:
        return False
    return True


def test_a_picture_that_only_its_half_gives_is_searched_at_half():
    detector = Unsure(0.5)
    net = SlotNet("slots@1", BY_BOXES, lambda blob: np.zeros(len(blob), np.float32))
    analyser = Analyser(detector, Facts(), Options(size_px=640), lambda: None, net)
    (found,) = analyser.analyse([Job(refused_whole(), None, layout())], {})
    assert not isinstance(found, Invalid)
    assert [shape[1] for shape in detector.shapes] == [722, 722, 722]
