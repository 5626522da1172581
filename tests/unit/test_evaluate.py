from pathlib import Path

import numpy as np
import pytest

from services.detector.closer import Opinion
from tools.evaluate.leave_out import sources, without
from tools.evaluate.measures import auc, ece, measures, story
from tools.evaluate.sequence import shown
from tools.train.examples import Examples, Placer, joined
from tools.train.fusion import Opinions, facts, fitted, probabilities
from tools.train.labels import Frame


def test_measures_of_known_answers():
    chance = np.array([0.9, 0.8, 0.4, 0.2, 0.1])
    occupied = np.array([True, False, True, False, False])
    one = measures(chance, occupied, (chance > 0.3) & (chance < 0.7))
    assert one.slots == 5
    assert one.accuracy == pytest.approx(3 / 5)
    assert one.balanced == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert one.f1 == pytest.approx(2 / 4)
    assert one.unknown == pytest.approx(1 / 5)
    assert one.wrong == pytest.approx(1 / 5)  # the other error is reported as unknown
    assert one.auc == pytest.approx(5 / 6)


def test_auc_counts_ties_half():
    assert auc(np.array([0.5, 0.5]), np.array([True, False])) == pytest.approx(0.5)
    assert np.isnan(auc(np.array([0.5]), np.array([True])))


def test_confidence_that_is_earned_is_calibrated_and_boasting_is_not():
    occupied = np.arange(1000) % 10 != 0
    assert ece(np.full(1000, 0.9), occupied) == pytest.approx(0, abs=1e-6)
    assert ece(np.full(1000, 0.999), occupied) == pytest.approx(0.099, abs=1e-6)


def column(*states):
    return np.array(states, np.int8)[:, None]


def test_a_late_change_is_not_a_flip_and_a_flicker_is_two():
    truth = column(0, 0, 0, 1, 1, 1, 1)
    late = story(column(0, 0, 0, 0, 1, 1, 1), truth, 1)
    assert (late.true_changes, late.flips, late.late) == (1, 0, [1])
    flicker = story(column(0, 1, 0, 1, 1, 1, 1), truth, 1)
    assert (flicker.flips, flicker.late) == (2, [0])
    missed = story(column(0, 0, 0, 0, 0, 0, 0), truth, 1)
    assert (missed.flips, missed.late, missed.missed) == (0, [], 1)


@pytest.mark.parametrize(
    ("states", "flips"),
    [((0, 0, 0, 0, 0, 0, 0, 0), 0), ((0, 0, 0, 0, 0, 0, 1, 1), 1), ((0, 0, 0, 0, 1, 0, 0, 0), 2)],
)
def test_a_missed_change_excuses_no_flip_and_its_way_back_is_not_shown(states, flips):
    truth = column(0, 0, 1, 0, 0, 0, 0, 0)
    one = story(column(*states), truth, 1)
    assert (one.true_changes, one.flips) == (2, flips)
    assert (one.late, one.missed, one.moot) == ([], 1, 1)


def test_unknown_keeps_what_was():
    truth = column(0, 0, 1, 1, 1)
    assert story(column(0, -1, -1, 1, 1), truth, 1).late == [1]
    assert story(column(-1, -1, -1, -1, -1), truth, 1).missed == 1


def test_the_trackers_own_rule_decides_what_is_shown():
    seen = column(0, 0, 1, 0, 1, 1, 1)
    states = shown(seen, np.full(seen.shape, 0.9))
    assert states[:, 0].tolist() == [-1, 0, 0, 0, 0, 1, 1]


def frame(group, camera):
    return Frame(group, Path("a.jpg"), {"camera": camera})


def test_sets_of_one_camera_are_left_out_together():
    frames = {"a": [frame("a", "1")], "b": [frame("b", "2")], "c": [frame("c", "1")]}
    assert without(frames) == {"a": ["a", "c"], "b": ["b"]}


def opinions(seed, box_is_right, crop_is_right, count=400):
    rng = np.random.default_rng(seed)
    occupied = rng.random(count) < 0.5
    agree = [rng.random(count) < share for share in (box_is_right, crop_is_right)]
    said = [np.where(right, occupied, ~occupied) for right in agree]
    scores, logits = np.where(said[0], 0.8, 0.1), np.where(said[1], 3.0, -3.0)
    return Opinions(Opinion(scores, logits, np.zeros(count)), occupied)


def test_the_better_opinion_weighs_more():
    sets = {"a": opinions(1, 0.95, 0.7), "b": opinions(2, 0.95, 0.7)}
    fusion = fitted(sets)
    unseen = opinions(3, 0.95, 0.7)
    right = ((probabilities(fusion, unseen) >= 0.5) == unseen.occupied).mean()
    assert right > 0.92
    swapped = fitted({"a": opinions(1, 0.7, 0.95)})
    assert swapped.crop > fusion.crop
    assert set(facts(fusion, ["m@1"])) == {"fusion", "unknown_band", "box_models", "license"}


def placer(boxes, scores):
    return Placer(np.array(boxes, float), np.array(scores), (800, 600), np.random.default_rng(1))


def test_outlines_are_occupied_under_a_vehicle_and_free_away_from_every_one():
    one = placer([[300, 200, 420, 300]], [0.9])
    found = [place for _ in range(400) if (place := one.place(None)) is not None]
    under = [outline.mean(axis=0) for outline, occupied in found if occupied]
    away = [outline.mean(axis=0) for outline, occupied in found if not occupied]
    assert len(under) > 50
    assert len(away) > 50
    assert max(abs(x - 360) for x, _ in under) < 40
    assert min(max(abs(x - 360) / 120, abs(y - 270) / 100) for x, y in away) > 0.14


def test_where_a_vehicle_is_only_suspected_nothing_is_said():
    boxes = [[300, 200, 420, 300], [300, 130, 420, 230]]
    sure, unsure = placer(boxes[:1], [0.9]), placer(boxes, [0.9, 0.06])
    behind = [
        sum(place is not None and not place[1] for place in (one.place(None) for _ in range(400)))
        for one in (sure, unsure)
    ]
    assert behind[1] < behind[0]


def test_a_vehicle_cut_off_by_the_edge_is_not_an_example():
    assert placer([[0, 200, 120, 300]], [0.9]).sure.size == 0


def test_a_source_is_left_out_with_all_its_sets_and_nothing_of_it_is_trained_on():
    names = ["acpds", "cnr-ext", "pklot-pucpr", "pklot-ufpr04-seq", "scenes"]
    crops = np.zeros((2, 4, 4, 4), np.uint8)
    examples = {name: Examples(crops, np.ones(2, np.float32), np.full(2, name)) for name in names}
    by_source = sources(names[:4])
    assert by_source["pklot"] == ["pklot-pucpr", "pklot-ufpr04-seq"]
    assert set(joined(examples, by_source["pklot"]).group) == {"acpds", "cnr-ext", "scenes"}
    assert set(joined(examples, by_source["acpds"]).group) == set(names) - {"acpds"}
    with pytest.raises(KeyError):
        joined(examples, ["pklot"])
