import cv2
import numpy as np
import pytest

from parking.vision.imagehealth import Look, Thresholds, assess, blank_shares, limits_for, measured
from parking.vision.reference import make_reference, read_reference
from services.detector.picture import Picture, small_grey
from tests.components.test_placement import frame as demo_frame
from tests.support.detector_tools import scene
from tools.evaluate.corrupt import corrupt

SOON_FROZEN = Thresholds(frozen_after=3)


def status(picture: Picture) -> str:
    return assess(small_grey(picture), None)[0].status


def motion(picture: Picture, taps: int) -> Picture:
    return np.asarray(cv2.filter2D(picture, -1, np.full((1, taps), 1 / taps)), np.uint8)


@pytest.fixture
def lot():
    return scene(["A1", "A3"], size_wh=(1280, 720))


def test_a_healthy_picture_is_ok(lot):
    health, look = assess(small_grey(lot), None)
    assert (health.status, health.reason, look.repeats) == ("ok", None, 0)
    assert 0.2 < health.brightness < 0.8
    assert health.sharpness > 0.6
    assert health.detail > 0.8


def test_dark_by_gain_and_dark_with_sensor_noise(lot):
    dark = (lot * 0.05).astype(np.uint8)
    noisy = np.clip(dark + np.random.default_rng(1).normal(0, 5, dark.shape), 0, 255)
    assert status(dark) == "dark"
    assert status(noisy.astype(np.uint8)) == "dark"


def test_dusk_is_not_dark(lot):
    assert status((lot * 0.4).astype(np.uint8)) == "ok"


def test_a_night_lit_by_lamps_is_not_dark(lot):
    night = (lot * 0.15).astype(np.uint8)
    night[:, 400:800] = lot[:, 400:800]
    assert status(night) == "ok"


def test_one_lamp_in_the_night_does_not_make_it_bright(lot):
    night = (lot * 0.05).astype(np.uint8)
    cv2.circle(night, (600, 300), 25, (255, 255, 255), -1)
    assert status(night) == "dark"


@pytest.mark.parametrize("level", [60, 128, 255])
def test_covered_by_something_even(level):
    cover = np.full((720, 1280, 3), level, np.uint8)
    noise = np.random.default_rng(2).normal(0, 6, cover.shape)
    assert status(np.clip(cover + noise, 0, 255).astype(np.uint8)) == "covered"


def test_covered_by_something_soft_but_shaded():
    shade = np.linspace(60, 160, 1280, dtype=np.float32)[None].repeat(720, 0)
    assert status(np.dstack([shade] * 3).astype(np.uint8)) == "covered"


def test_a_vehicle_in_front_of_a_fifth_of_the_picture_is_not_a_cover(lot):
    lot[:, :260] = 90
    assert status(lot) == "ok"


@pytest.mark.parametrize("sigma_px", [6, 10])
def test_blurred(lot, sigma_px):
    assert status(cv2.GaussianBlur(lot, (0, 0), sigma_px)) == "blurred"


def test_shaken_in_one_direction_is_blurred(lot):
    assert status(motion(lot, 41)) == "blurred"


def test_a_slightly_soft_lens_is_ok():
    lens = cv2.GaussianBlur(demo_frame(20), (0, 0), 1.5)
    assert status(np.asarray(lens, np.uint8)) == "ok"


def follow(pictures: list[Picture], limits: Thresholds = SOON_FROZEN) -> list[str]:
    look: Look | None = None
    seen: list[str] = []
    for picture in pictures:
        health, look = assess(small_grey(picture), look, limits)
        seen.append(health.status)
    return seen


def test_frozen_after_so_many_repeats_and_ok_again_with_the_next_new_picture(lot):
    other = scene(["A1", "A3"], seed=9, size_wh=(1280, 720))
    assert follow([lot] * 5 + [other]) == ["ok", "ok", "ok", "frozen", "frozen", "ok"]


def test_a_still_scene_with_sensor_noise_is_not_frozen(lot):
    rng = np.random.default_rng(3)
    noisy = [np.clip(lot + rng.normal(0, 2, lot.shape), 0, 255).astype(np.uint8) for _ in range(6)]
    assert follow(noisy) == ["ok"] * 6


def with_clock(picture: Picture, second: int) -> Picture:
    shown = picture.copy()
    for colour, thick in ((0, 5), (255, 2)):
        words = f"2024-06-01 10:{second // 60:02}:{second % 60:02}"
        cv2.putText(shown, words, (20, 40), 0, 1.0, (colour,) * 3, thick)
    return shown


def compressed(picture: Picture, quality: int = 85) -> Picture:
    data = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def test_a_frozen_picture_with_a_running_clock_is_frozen():
    shown = [compressed(with_clock(demo_frame(20), 55 + second)) for second in range(8)]
    assert follow(shown) == ["ok"] * 3 + ["frozen"] * 5


@pytest.mark.parametrize("sigma", [0.2, 0.3])
@pytest.mark.parametrize("quality", [60, 90])
def test_a_live_camera_with_hardly_any_noise_is_not_frozen(sigma, quality):
    rng = np.random.default_rng(5)
    live = [
        compressed(
            (demo_frame(20) + rng.normal(0, sigma, demo_frame(20).shape))
            .round()
            .clip(0, 255)
            .astype(np.uint8),
            quality,
        )
        for _ in range(6)
    ]
    assert follow(live) == ["ok"] * 6


def test_moving_objects_are_not_a_clock():
    """A ball moves in a rendered lot without noise, so too many tiles have changed at some time."""
    shown = []
    for step in range(8):
        picture = demo_frame(20).copy()
        cv2.circle(picture, (100 + 110 * step, 300), 70, (20, 20, 20), -1)
        shown.append(picture)
    assert follow(shown) == ["ok"] * 8


def test_the_frozen_check_can_be_switched_off(lot):
    assert follow([lot] * 5, Thresholds(frozen_after=0)) == ["ok"] * 5


def test_a_changed_resolution_is_a_new_picture(lot):
    grey = small_grey(lot)
    health, look = assess(grey, Look(grey[:-10], 99), Thresholds(frozen_after=3))
    assert (health.status, look.repeats) == ("ok", 0)


@pytest.mark.parametrize("shape", [(1, 1), (5, 480), (480, 3)])
def test_a_tiny_picture_is_covered_and_breaks_nothing(shape):
    grey = np.random.default_rng(4).integers(0, 255, shape, np.uint8)
    assert assess(grey, None)[0].status == "covered"


def test_fog_lifts_the_dark_parts_and_takes_the_contrast(lot):
    foggy = (lot * 0.18 + 215 * 0.82).astype(np.uint8)
    assert status(foggy) == "fogged"


def test_an_empty_sharp_lot_of_one_grey_is_not_fogged():
    """Nothing in it is dark or bright, but its gravel is sharp."""
    rng = np.random.default_rng(8)
    gravel = np.clip(rng.normal(136, 30, (90, 160)), 88, 196).astype(np.uint8)
    gravel = np.asarray(cv2.resize(gravel, (1280, 720), interpolation=0), np.uint8)
    assert status(np.dstack([gravel] * 3)) == "ok"
    faint = (128 + (gravel.astype(float) - 136) * 0.2).astype(np.uint8)
    assert status(np.dstack([faint] * 3)) == "fogged"


def usual(picture: Picture, as_reference: Picture) -> str:
    """Return the status of a picture from a camera whose layout has a known reference picture."""
    made = read_reference(make_reference(as_reference))
    assert made is not None
    limits = limits_for(measured(made.grey), Thresholds())
    return assess(small_grey(picture), None, limits)[0].status


def masked(picture: Picture) -> Picture:
    """Return the picture with a privacy mask over most of it."""
    made = np.zeros_like(picture)
    part = np.s_[210:430, 310:650]
    made[part] = picture[part]
    return made


def soft(picture: Picture, sigma: float = 2.6) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def test_a_soft_lens_and_a_privacy_mask_are_normal_where_the_reference_shows_them():
    assert status(soft(demo_frame(24))) == "blurred"
    assert usual(soft(demo_frame(24)), soft(demo_frame(0))) == "ok"
    assert usual(soft(demo_frame(24)), demo_frame(0)) == "blurred"
    assert usual(soft(demo_frame(24), 5), soft(demo_frame(0))) == "blurred"
    assert status(masked(demo_frame(24))) == "covered"
    assert usual(masked(demo_frame(24)), masked(demo_frame(0))) == "ok"
    assert usual(np.full_like(demo_frame(24), 90), masked(demo_frame(0))) == "covered"


@pytest.mark.parametrize("kept", [0.9, 0.6])
def test_a_little_haze_is_not_fog(lot, kept):
    assert status((lot * kept + 215 * (1 - kept)).astype(np.uint8)) == "ok"


def test_low_contrast_in_the_dark_is_not_fog(lot):
    assert status((lot * 0.3 + 20).astype(np.uint8)) != "fogged"


@pytest.mark.parametrize("angle", [0, 45, 90, 135])
def test_shaking_in_any_direction_is_blur(lot, angle):
    kernel = np.zeros((21, 21), np.float32)
    kernel[10] = 1
    turned = cv2.warpAffine(kernel, cv2.getRotationMatrix2D((10, 10), angle, 1), (21, 21))
    shaken = cv2.filter2D(lot, -1, turned / turned.sum())
    assert status(np.asarray(shaken, np.uint8)) == "blurred"


def test_only_a_slot_that_shows_nothing_is_reported(lot):
    lot[100:300, 100:400] = 90
    grey = small_grey(lot)
    hidden = [(0.09, 0.16), (0.29, 0.16), (0.29, 0.38), (0.09, 0.38)]
    clear = [(x + 0.5, y) for x, y in hidden]
    shares = blank_shares(grey, [hidden, clear])
    assert shares[0] > 0.9
    assert shares[1] < 0.3


def washed(picture: Picture) -> Picture:
    """Return the picture under a bright veil, which halves the contrast."""
    return np.asarray(picture * 0.5 + 100, np.uint8)


def test_washed_out_light_is_normal_where_the_reference_shows_it_and_fog_is_still_fog():
    assert status(washed(demo_frame(24))) == "fogged"
    assert usual(washed(demo_frame(24)), washed(demo_frame(10))) == "ok"
    assert usual(washed(demo_frame(24)), demo_frame(10)) == "fogged"
    foggy = corrupt(washed(demo_frame(24)), "fog", 1, "a seed")
    assert usual(foggy, washed(demo_frame(10))) == "fogged"
    assert usual(washed(washed(demo_frame(24))), washed(demo_frame(10))) == "fogged"


# ---------------------------------------------------------------- empty lots
def ground(level: int, spread: float) -> Picture:
    """Return empty asphalt of one grey, with its grain."""
    grain = np.random.default_rng(4).normal(0, spread, (270, 480, 1))
    grey = np.clip(level + grain, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(np.repeat(grey, 3, axis=2), (960, 540)), np.uint8)


def lined(picture: Picture, level: int, every: int) -> Picture:
    """Return the ground with painted lines."""
    for x in range(40, 960, every):
        cv2.line(picture, (x, 60), (x + 50, 250), (level,) * 3, 4)
    return picture


EMPTY = {
    "pale, with a few bright lines": lined(ground(140, 10), 255, 230),
    "dull": lined(ground(108, 8), 182, 180),
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_lot_of_little_contrast_is_not_in_fog(name):
    """The earlier limits called it fog, because it has hardly any contrast and nowhere much of
    it."""
    seen = measured(small_grey(EMPTY[name]))
    assert seen.bright_end - seen.dark_end < Thresholds().fogged_within
    assert Thresholds().fogged_above < seen.dark_end
    assert seen.local < Thresholds().fogged_locally
    assert assess(seen, None)[0].status == "ok"


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("strength", [3, 4, 5])
def test_the_same_lot_in_fog_is(name, strength):
    assert status(corrupt(EMPTY[name], "fog", strength, "lot")) in ("fogged", "covered")


def test_an_empty_lot_in_the_dark_is_not_covered_and_a_cover_in_the_dark_is():
    """Few blocks show detail, but the lines are sharper than any cover would leave them."""
    dark = ground(55, 1.5)
    lined(dark[:, :430], 110, 45)
    dark[:40] = 75
    seen = measured(small_grey(dark))
    assert 0.2 < seen.detail < Thresholds().covered_below
    assert assess(seen, None)[0].status == "ok"
    for strength in (1, 3, 5):
        assert status(corrupt(dark, "cover-whole", strength, "night")) == "covered"
