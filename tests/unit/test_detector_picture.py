import cv2
import numpy as np
import pytest

from parking.core.errors import Invalid
from parking.core.orientation import Orientation, exif_segment
from parking.vision.imagehealth import assess
from parking.vision.turning import as_shown
from services.detector.analysis import Finding, Job
from services.detector.picture import Picture, decode, decode_grey, header_size, small_grey
from tests.support.detector_tools import analyser, jpeg, layout, scene

GOOD = jpeg(scene(["A1"]))
EOI = b"\xff\xd9"
ORIENTATIONS = [Orientation(turn, mirror) for turn in (0, 90, 180, 270) for mirror in (False, True)]


def refused(
    data: bytes | None,
    max_pixels: int = 2_000_000,
    expected_wh: tuple[int, int] | None = None,
) -> str:
    with pytest.raises(Invalid) as error:
        decode(data, max_pixels, expected_wh)
    return error.value.reason


def saying(wh: tuple[int, int]) -> bytes:
    """Return the good picture with another size in its header."""
    sof = GOOD.index(b"\xff\xc0")
    return GOOD[: sof + 5] + wh[1].to_bytes(2) + wh[0].to_bytes(2) + GOOD[sof + 9 :]


def outcome(data: bytes) -> Picture | Invalid:
    try:
        return decode(data, 2_000_000, None)
    except Invalid as error:
        return error


def test_a_good_picture_comes_back_in_its_size():
    assert decode(GOOD, 480 * 270, (480, 270)).shape == (270, 480, 3)


@pytest.mark.parametrize("size_wh", [(480, 270), (475, 267)])
def test_half_a_picture_shows_the_same_at_half_the_size(size_wh):
    whole = scene(["A2"], size_wh=size_wh)
    half = decode(jpeg(whole), 480 * 270, size_wh, halve=True)
    assert half.shape == (-(-size_wh[1] // 2), -(-size_wh[0] // 2), 3)
    like = cv2.resize(decode(jpeg(whole), 480 * 270, None), half.shape[1::-1], interpolation=3)
    assert np.abs(half.astype(int) - like).mean() < 4


@pytest.mark.parametrize("percent", [10, 50, 90, 99])
def test_half_of_a_truncated_picture_is_refused_too(percent):
    with pytest.raises(Invalid) as error:
        decode(GOOD[: len(GOOD) * percent // 100] + EOI, 2_000_000, None, halve=True)
    assert error.value.reason == "undecodable"


def test_a_grey_jpeg_is_read_as_colour():
    assert decode(jpeg(scene()[:, :, 0]), 2_000_000, None).shape == (270, 480, 3)


def test_progressive_and_odd_sizes():
    odd = scene()[:267, :475]
    data = cv2.imencode(".jpg", odd, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1))[1].tobytes()
    assert header_size(data) == (475, 267)
    assert decode(data, 2_000_000, (475, 267)).shape == odd.shape


@pytest.mark.parametrize("percent", [10, 30, 50, 70, 90, 99])
@pytest.mark.parametrize("ending", [b"", EOI], ids=["cut", "cut-and-closed"])
def test_truncated(percent, ending):
    assert refused(GOOD[: len(GOOD) * percent // 100] + ending) == "undecodable"


@pytest.mark.parametrize("percent", [2, 3, 5])
def test_a_progressive_picture_cut_in_its_first_scan_is_refused_or_not_believed(percent):
    """libjpeg smooths what such a cut leaves, so it may decode. In that case nothing is reported
    for the slots."""
    picture = scene(size_wh=(1280, 720))
    data = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1))[1].tobytes()
    left = outcome(data[: len(data) * percent // 100] + EOI)
    said = left.reason if isinstance(left, Invalid) else assess(small_grey(left), None)[0].status
    assert said in {"undecodable", "blurred", "covered"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (None, "empty"),
        (b"hello, this is text", "undecodable"),
        (b"\xff\xd8", "undecodable"),
        (b"\xff\xd8" + EOI, "undecodable"),
        (b"\xff\xd8" + b"\xff" * 5000, "undecodable"),
        (b"\xff\xd8\xff\xe0\x00\x00" * 100, "undecodable"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "undecodable"),
        (GOOD[:2] + GOOD[-2:], "undecodable"),
    ],
)
def test_an_invalid_picture(data, reason):
    assert refused(data) == reason


def test_more_pixels_than_allowed_are_refused_before_decoding():
    assert refused(GOOD, max_pixels=480 * 270 - 1) == "too-many-pixels"


def test_a_bomb_is_reported_by_its_header():
    assert refused(saying((65_535, 65_535))) == "too-many-pixels"


@pytest.mark.parametrize("width", [0, 1, 7, 8, 9, 480, 65_535])
@pytest.mark.parametrize("height", [0, 1, 7, 8, 9, 270, 65_535])
@pytest.mark.parametrize("believed", [True, False], ids=["said-by-metadata", "unsaid"])
def test_whatever_the_header_says_there_is_a_finding_or_a_reason(width, height, believed):
    """In any case the picture after it is analysed."""
    wh = (width, height)
    odd = Job(saying(wh), "demo/a", layout("demo/a"), wh if believed else None, "1")
    first, second = analyser().analyse([odd, Job(GOOD, "demo/b", layout("demo/b"))], {}, {})
    assert isinstance(second, Finding)
    if not width or not height:
        assert isinstance(first, Invalid)
        assert first.reason == "undecodable"
    if wh == (480, 270):
        assert isinstance(first, Finding)


def test_a_size_that_the_metadata_do_not_say():
    assert refused(GOOD, expected_wh=(270, 480)) == "size-differs"


@pytest.mark.parametrize("turn", ORIENTATIONS, ids=lambda one: f"exif-{one.exif}")
@pytest.mark.parametrize("size_wh", [(480, 270), (1955, 1099)])
def test_a_picture_with_an_orientation_is_decoded_as_browsers_show_it(turn, size_wh):
    """This holds in colour, at half the size, and in grey at a reduced size."""
    sides = turn.size(*size_wh)
    whole = jpeg(scene(["A2"], size_wh=size_wh))
    data = whole[:2] + exif_segment(turn) + whole[2:]
    assert header_size(data) == sides
    for shown, plain in (
        (decode(data, 3_000_000, sides), decode(whole, 3_000_000, None)),
        (decode(data, 3_000_000, sides, halve=True), decode(whole, 3_000_000, None, halve=True)),
        (decode_grey(data, 3_000_000, sides)[0], decode_grey(whole, 3_000_000, None)[0]),
    ):
        assert np.array_equal(shown, as_shown(plain, turn))
    opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(decode(data, 3_000_000, None), np.asarray(opencv))


@pytest.mark.parametrize("turn", ORIENTATIONS, ids=lambda one: f"exif-{one.exif}")
def test_a_turned_picture_whose_end_is_missing_is_refused(turn):
    cut = GOOD[: len(GOOD) * 9 // 10] + EOI
    with pytest.raises(Invalid):
        decode(cut[:2] + exif_segment(turn) + cut[2:], 2_000_000, None)


@pytest.mark.parametrize("turn", [Orientation(90), Orientation(270, True)])
def test_damaged_rows_are_found_in_a_turned_picture(turn):
    """They are columns of the picture as shown."""
    rng = np.random.default_rng(4)
    picture = rng.integers(0, 255, (270, 480, 3), np.uint8)
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.2), np.uint8)
    good = jpeg(picture)
    picture[150:200] = picture[150]
    torn = jpeg(picture)
    for data, is_damaged in ((good, False), (torn, True)):
        turned = data[:2] + exif_segment(turn) + data[2:]
        (found,) = analyser().analyse([Job(turned, "demo/a", None, frame_id="1")], {}, {})
        assert isinstance(found, Finding)
        assert (found.health.status == "damaged") == is_damaged, found.health


def test_any_damage_gives_a_picture_or_a_reason():
    rng = np.random.default_rng(5)
    for _ in range(60):
        data = bytearray(GOOD)
        for at in rng.integers(2, len(data), 12):
            data[at] = rng.integers(0, 256)
        result = outcome(bytes(data))
        if isinstance(result, Invalid):
            assert result.reason in {"undecodable", "too-many-pixels"}
        else:
            assert result.ndim == 3


def test_the_small_picture_has_its_long_side_fixed():
    assert small_grey(np.zeros((1080, 1920, 3), np.uint8)).shape == (270, 480)
    assert small_grey(np.zeros((100, 20, 3), np.uint8)).shape == (480, 96)
