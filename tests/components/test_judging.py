"""The judge: when and where vehicles are searched for, when slots get a closer look, and which
opinion counts."""

import numpy as np
import pytest
from msgspec.structs import replace

from parking.core.events import LayoutSlot
from parking.core.geometry import match_boxes
from parking.wire.ports import Boxes
from services.detector.analysis import Analyser, Finding, Job, Options
from services.detector.closer import MOST_DOUBTED, doubted, in_doubt, together
from services.detector.ground import ground_of
from services.detector.judging import How, Judge, Judgement, Known, Shot
from services.detector.model import Facts
from services.detector.searching import NO_BOXES
from services.detector.slotnet import (
    CONTRADICTS_FROM,
    SURE_FREE,
    SURE_OCCUPIED,
    Fusion,
    SlotNet,
)
from services.detector.trust import NEEDED, earn, is_trusted, spend
from tests.support.detector_tools import WhiteDetector, jpeg, layout, scene

BY_BOXES = Fusion(bias=0, box=1, crop=0, covered=0, low=0.3, high=0.7)
USUAL = Fusion(bias=1.95, box=0.86, crop=0.9, covered=-0.68, low=0.3, high=0.7)
SIZE_WH = (480, 270)
GROUND = ground_of(layout(), SIZE_WH, 0)
EVERY = np.ones(3, np.bool_)
NONE = ~EVERY


class Counting(WhiteDetector):
    """Finds the white vehicles, with a different score on each canvas, and counts the canvases."""

    def __init__(self, *scores: float) -> None:
        super().__init__()
        self.scores = list(scores)
        self.shapes: list[tuple[int, ...]] = []

    def _one(self, image):
        self.shapes.append(image.shape)
        found = super()._one(image)
        score = self.scores.pop(0) if len(self.scores) > 1 else self.scores[0]
        return Boxes(found.xyxy, np.full(len(found.scores), score, np.float32))


def net(*logits: float, fusion: Fusion = USUAL) -> SlotNet:
    """Return a network that gives these answers for slots in turn and then repeats the last one."""
    left = list(logits)

    def forward(blob):
        said = [left.pop(0) if len(left) > 1 else left[0] for _ in blob]
        return np.array(said, np.float32)

    return SlotNet("slots@1", fusion, forward)


def judge(
    slotnet: SlotNet | None,
    detector: Counting,
    occupied=("A1",),
    wanted=EVERY,
    confirm=NONE,
    **more,
) -> tuple[Judgement, list[str]]:
    """Return a picture's observations and the reported states."""
    how, known = more.get("how", How()), more.get("known")
    one = Judge(Facts(), slotnet, detector)
    picture = scene(occupied, size_wh=SIZE_WH)
    judged = one.judge(Shot(picture, GROUND, how, {}), wanted, confirm, known)
    return judged, [seen.state for seen in one.observations(GROUND, judged)]


# ---------------------------------------------------------------- where vehicles are searched
def known(chances=(0.5, 0.5, 0.5), logits=(0.0, 0.0, 0.0), trust: float = 0.0) -> Known:
    return Known(NO_BOXES, np.array(chances), np.array(logits), trust)


def test_where_the_network_is_sure_and_trusted_no_vehicle_is_searched():
    detector = Counting(0.9)
    sure = net(SURE_OCCUPIED, SURE_FREE)
    judged, states = judge(sure, detector, known=known(trust=NEEDED))
    assert states == ["occupied", "free", "free"]
    assert (judged.searched, detector.shapes) == ("nothing", [])
    assert judged.known.trust < NEEDED


def test_where_it_is_not_sure_they_are_and_both_opinions_count():
    detector = Counting(0.9)
    judged, states = judge(net(1.0, SURE_FREE), detector, known=known(trust=NEEDED))
    assert states == ["occupied", "free", "free"]
    assert judged.searched == "slots"
    assert len(judged.known.boxes.scores) == 1


OUTWEIGHED = Fusion(bias=0, box=1, crop=0.5, covered=0, low=0.3, high=0.7)
"""No box and a network that sees a vehicle give P(occupied) = .02."""


@pytest.mark.parametrize(
    ("logit", "state"), [(CONTRADICTS_FROM, "unknown"), (CONTRADICTS_FROM - 0.1, "free")]
)
def test_a_slot_in_which_the_network_sees_a_vehicle_is_never_free(logit, state):
    """Without a box in the slot, P(occupied) is low, as under the end of a lorry."""
    judged, states = judge(net(logit, fusion=OUTWEIGHED), Counting(0.9), occupied=())
    assert judged.known.chances.max() < OUTWEIGHED.low
    assert states == [state] * 3


def test_where_it_is_not_trusted_yet_they_are():
    detector = Counting(0.9)
    judged, _ = judge(net(SURE_OCCUPIED, SURE_FREE), detector, known=known(trust=NEEDED - 1))
    assert len(detector.shapes) > 0
    assert judged.known.trust == NEEDED + 2  # both opinions agreed on three slots


def test_a_sure_answer_that_does_not_hold_takes_all_trust_away():
    """The network sees no vehicle in a slot where one is certainly found."""
    judged, _ = judge(net(SURE_FREE), Counting(0.99), known=known(trust=NEEDED - 1))
    assert judged.known.trust == 0


def test_some_sure_slots_are_still_looked_at_by_both():
    fusion, logits = USUAL, np.full(10, SURE_FREE)
    trust, alone, both = 0.0, 0, 0
    for _ in range(1000):
        if is_trusted(trust):
            trust, alone = spend(trust, 10), alone + 10
        else:
            trust, both = earn(trust, fusion, logits, np.full(10, 0.01)), both + 10
    assert 0.1 < both / (alone + both) < 0.3


def test_the_first_look_at_a_lot_in_doubt_is_at_the_whole_picture():
    judged, _ = judge(net(0.0), Counting(0.9), how=How(closer=False))
    assert judged.searched == "picture"


def test_without_the_network_boxes_alone_decide():
    judged, states = judge(None, Counting(0.9), occupied=("A1", "A3"))
    assert states == ["occupied", "free", "occupied"]
    assert judged.searched == "picture"


def test_only_the_slots_asked_for_are_judged_and_the_rest_stays():
    detector = Counting(0.9)
    before, _ = judge(None, detector, occupied=("A1",))
    only_second = np.array([False, True, False])
    judged, states = judge(None, detector, occupied=("A2",), wanted=only_second, known=before.known)
    assert states == ["occupied"]
    assert (judged.known.chances >= 0.5).tolist() == [True, True, False]
    assert judged.searched == "slots"


def test_a_vehicle_that_left_covers_nothing_any_more():
    detector = Counting(0.9)
    before, _ = judge(net(1.0), detector, occupied=("A1",), how=How(closer=False))
    assert len(before.known.boxes.scores) == 1
    first = np.array([True, False, False])
    judged, states = judge(net(SURE_FREE), detector, (), first, known=before.known)
    assert states == ["free"]
    assert len(judged.known.boxes.scores) == 0


def test_a_slot_of_which_the_network_says_the_same_is_confirmed_by_it_alone():
    detector = Counting(0.9)
    before, _ = judge(net(-2.5), detector, (), how=How(closer=False))
    seen = len(detector.shapes)
    judged, states = judge(net(-2.9), detector, (), confirm=EVERY, known=before.known)
    assert states == []
    assert judged.known.chances.tolist() == before.known.chances.tolist()
    assert len(detector.shapes) == seen


def test_it_is_judged_again_if_the_network_disagrees_or_the_state_was_unknown():
    detector = Counting(0.9)
    before, _ = judge(net(1.0), detector, how=How(closer=False))
    _, states = judge(net(-3.5), detector, confirm=EVERY, known=before.known, occupied=())
    assert states == ["free"] * 3
    for chance in (0.5, 0.85):
        doubtful = Known(before.known.boxes, np.full(3, chance), np.full(3, 1.0))
        _, states = judge(net(1.0), detector, confirm=EVERY, known=doubtful, how=How(closer=False))
        assert len(states) == 3


def test_a_smaller_scale_shows_the_model_less():
    sizes = []
    for scale in (1.0, 0.5):
        detector = Counting(0.9)
        judge(net(0.0), detector, how=How(closer=False, scale=scale))
        sizes.append(sum(h * w for h, w, _ in detector.shapes))
    assert sizes[1] < sizes[0]


# ---------------------------------------------------------------- closer looks
def test_a_slot_in_doubt_is_looked_at_closer_and_all_looks_count():
    detector = Counting(0.5, 0.95)
    judged, states = judge(net(0.0, SURE_FREE, SURE_FREE, 0.0, fusion=BY_BOXES), detector)
    assert judged.closer
    assert states[0] == "occupied"
    assert judged.known.chances[0] == pytest.approx((0.5 + 2 * 0.95) / 3, abs=1e-3)
    assert len(detector.shapes) == 2


def test_not_when_it_is_turned_off_and_not_without_doubt():
    off, states = judge(net(0.0, fusion=BY_BOXES), Counting(0.5), how=How(closer=False))
    assert (off.closer, states[0]) == (False, "unknown")
    sure, _ = judge(net(0.0, fusion=BY_BOXES), Counting(0.95))
    assert not sure.closer


def test_a_doubt_that_is_new_waits_for_the_next_picture():
    slotnet = net(0.0, fusion=BY_BOXES)
    surely_free = known(chances=(0.05, 0.05, 0.05))
    new, states = judge(slotnet, Counting(0.5), known=surely_free)
    assert (new.closer, states[0]) == (False, "unknown")
    stays, states = judge(slotnet, Counting(0.5, 0.95), known=new.known)
    assert (stays.closer, states[0]) == (True, "occupied")


def test_a_closer_look_may_leave_the_doubt():
    _, states = judge(net(0.0, SURE_FREE, SURE_FREE, 0.0, fusion=BY_BOXES), Counting(0.4, 0.5))
    assert states[0] == "unknown"


def test_a_closer_look_shows_the_slot_larger():
    detector = Counting(0.5)
    judge(net(0.0, SURE_FREE, SURE_FREE, 0.0, fusion=BY_BOXES), detector)
    (first_h, first_w, _), (closer_h, closer_w, _) = detector.shapes
    assert closer_h * closer_w > first_h * first_w


def test_nearly_unknown_is_in_doubt_too_and_then_all_that_are_not_surely_right_are_looked_at():
    assert in_doubt([0.01, 0.25]).tolist() == [False, True]
    assert in_doubt([0.99, 0.75, np.nan]).tolist() == [False, True, True]
    assert not in_doubt([0.01, 0.15, 0.85]).any()
    assert doubted([0.01, 0.05, 0.5, 0.96, 0.99]).tolist() == [False, True, True, True, False]
    assert doubted([np.nan, 0.5]).tolist() == [False, True]
    many = doubted(np.linspace(0.1, 0.5, 200))
    assert many.sum() == MOST_DOUBTED
    assert many[-1]


def test_slots_are_seen_mirrored_as_well():
    """A network that takes a bright left half for a vehicle sees a bright right half in the
    mirrored crop."""
    square = np.array([(0.25, 0.25), (0.5, 0.25), (0.5, 0.5), (0.25, 0.5)])
    view = np.full((400, 800, 3), 90, np.uint8)
    view[:, 300:] = 255  # right of the slot's middle

    def left(blob):
        half = blob.shape[-1] // 2
        return (blob[:, :3, :, :half].mean(axis=(1, 2, 3)) - 0.7) * 10

    network = SlotNet("slots@1", BY_BOXES, left)
    (plain,) = network.logits(view, [square])
    (mirrored,) = network.logits(view, [square], mirrored=True)
    assert plain < 0 < mirrored
    found = match_boxes(np.array([[0.25, 0.2, 0.5, 0.5]]), [0.5], [square])
    both = together([found], [np.array([plain]), np.array([mirrored])])
    assert both.logits.tolist() == pytest.approx([(plain + mirrored) / 2])


# ---------------------------------------------------------------- in the analyser
def analysed(detector: Counting, slotnet: SlotNet | None, options: Options, *, wh=SIZE_WH):
    analyser = Analyser(Judge(Facts(), slotnet, detector), options, lambda: None)
    (found,) = analyser.analyse([Job(jpeg(scene(["A1"], size_wh=wh)), None, layout())], {})
    assert isinstance(found, Finding)
    return found


def test_the_analyser_tells_how_it_judged():
    found = analysed(Counting(0.5), net(0.0, fusion=BY_BOXES), Options())
    assert found.timings_ms["closer"] > 0
    assert (found.effort.judged, found.effort.searched, found.effort.closer) == (3, "picture", True)
    assert found.effort.load_level == 0
    off = analysed(Counting(0.5), net(0.0, fusion=BY_BOXES), Options(closer=False))
    assert not off.effort.closer


def test_a_picture_decoded_at_half_its_size_is_judged_like_a_whole_one():
    small = analysed(Counting(0.9), None, Options(size_px=640), wh=(1440, 810))
    whole = analysed(Counting(0.9), None, Options(size_px=1280), wh=(1440, 810))
    assert [s.state for s in small.observations] == [s.state for s in whole.observations]
    assert small.boxes[0].xyxy == pytest.approx(whole.boxes[0].xyxy, abs=0.02)


@pytest.mark.parametrize("count", [0, 1, 300])
def test_any_number_of_slots(count):
    slots = [
        LayoutSlot(
            slot_id=f"S{n}",
            zone_id="lot",
            polygon=[(x, y), (x + 0.04, y), (x + 0.04, y + 0.05), (x, y + 0.05)],
        )
        for n, (x, y) in enumerate((0.05 * (k % 19), 0.055 * (k // 19)) for k in range(count))
    ]
    one = replace(layout(), slots=slots)
    analyser = Analyser(Judge(Facts(), net(0.0), Counting(0.9)), Options(), lambda: None)
    (found,) = analyser.analyse([Job(jpeg(scene()), None, one)], {})
    assert isinstance(found, Finding)
    assert len(found.observations) == count
