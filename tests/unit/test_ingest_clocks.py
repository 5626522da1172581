"""A slow clock is distinguished from pictures that waited."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking.core.events import FrameReceived
from services.ingest.clocks import BAND_MS, PROOF_MS, SLOW_MS, Clocks

NOW_MS = 1_750_000_000_000
CAMERA = "demo/north"


def frame(received_ms: int, lag_ms: int | None, camera: str = CAMERA) -> FrameReceived:
    """Return a frame whose times count from NOW_MS."""
    received_at_ms = NOW_MS + received_ms
    return FrameReceived(
        id=f"{camera}/1/{received_ms}",
        site_id="demo",
        time_ms=received_at_ms,
        camera_id=camera,
        via="mqtt",
        width=64,
        height=48,
        size_bytes=100,
        sha256="0" * 64,
        received_at_ms=received_at_ms,
        time_source="receipt",
        captured_at_ms=None if lag_ms is None else received_at_ms - lag_ms,
    )


def heard(*report: tuple[int, int]) -> Clocks:
    """Return (received, lag) of each picture."""
    clocks = Clocks()
    for received_ms, lag_ms in report:
        clocks.heard(frame(received_ms, lag_ms))
    return clocks


def each_second(lag_ms: int, seconds: int = PROOF_MS // 1000 + 1) -> list[tuple[int, int]]:
    return [(second * 1000, lag_ms) for second in range(seconds)]


@pytest.mark.parametrize("lag_ms", [SLOW_MS, 30_000, 3_000_000])
def test_a_lag_that_stays_the_same_is_a_slow_clock(lag_ms):
    assert heard(*each_second(lag_ms)).slow(CAMERA, lag_ms)
    assert not heard(*each_second(lag_ms)[:-1]).slow(CAMERA, lag_ms), "too soon to be sure"
    assert not heard(*each_second(lag_ms)).slow("demo/south", lag_ms)


@pytest.mark.parametrize("lag_ms", [-2_000, 0, SLOW_MS - 1])
def test_a_clock_that_is_nearly_right_is_believed(lag_ms):
    assert not heard(*each_second(lag_ms)).slow(CAMERA, lag_ms)


def test_a_link_that_takes_now_more_now_less_hides_no_slow_clock():
    unsteady = [(s * 1000, 30_000 + s % 4 * 1000) for s in range(PROOF_MS // 1000 + 1)]
    assert heard(*unsteady).slow(CAMERA, 31_000)


def test_a_picture_that_waited_longer_than_the_clock_is_slow_is_old():
    clocks = heard(*each_second(30_000))
    assert not clocks.slow(CAMERA, 30_000 + BAND_MS + 1)
    clocks.heard(frame(40_000, 60_000))
    assert not clocks.slow(CAMERA, 30_000), "to be proven anew"


def test_a_clock_that_is_set_right_is_believed_at_once():
    clocks = heard(*each_second(30_000))
    assert not clocks.slow(CAMERA, 0)


@given(st.floats(1.2, 1000), st.integers(20_000, 3_000_000))
def test_pictures_that_waited_at_the_broker_are_never_a_slow_clock(times_as_fast, waited_ms):
    """One picture a second was kept. On return they arrive so many times as fast as they were
    taken."""
    clocks, count = Clocks(), round(waited_ms / 1000)
    for number in range(count):
        received_ms = number * 1000 / times_as_fast
        lag_ms = round(waited_ms + received_ms - number * 1000)
        assert not clocks.slow(CAMERA, lag_ms)
        clocks.heard(frame(round(received_ms), lag_ms))
        if lag_ms < SLOW_MS:
            break


def test_a_clock_that_drifts_for_days_stays_known():
    """It drifts by twenty millionths, as a bad crystal does, with one picture a minute."""
    clocks = Clocks()
    for minute in range(5000):
        lag_ms = 30_000 + minute * 60 // 50
        assert minute < 2 or clocks.slow(CAMERA, lag_ms)
        clocks.heard(frame(minute * 60_000, lag_ms))


def test_pictures_without_a_time_tell_nothing_and_devices_are_bounded():
    clocks = Clocks(max_devices=2)
    for received_ms, lag_ms in each_second(30_000):
        for camera in ("demo/a", "demo/b"):
            clocks.heard(frame(received_ms, lag_ms, camera))
    clocks.heard(frame(31_000, None, "demo/c"))
    assert clocks.slow("demo/a", 30_000)
    clocks.heard(frame(31_000, 0, "demo/c"))
    assert not clocks.slow("demo/a", 30_000)
    assert clocks.slow("demo/b", 30_000)
