import struct

import numpy as np
import pytest

from parking.core.errors import SettingsError
from parking.core.geometry import MATCH_RULE
from services.detector.model import Facts, YoloDetector, boxes_of, letterbox, read_facts
from services.detector.onnxfile import onnx_metadata


def onnx_with(**metadata: str) -> bytes:
    """Return the shell of an ONNX file: a version, a name, a graph of bytes, then the metadata."""

    def part(field: int, body: bytes) -> bytes:
        length = len(body)
        size = b""
        while length > 0x7F:
            size += bytes([length & 0x7F | 0x80])
            length >>= 7
        return bytes([field << 3 | 2]) + size + bytes([length]) + body

    entries = b"".join(
        part(14, part(1, k.encode()) + part(2, v.encode())) for k, v in metadata.items()
    )
    return b"\x08\x08" + part(2, b"tests") + part(7, bytes(5000)) + entries


def test_metadata_are_read_past_the_graph():
    written = {"threshold": "0.31", "names": "{0: 'vehicle'}", "long": "x" * 300, "empty": ""}
    assert onnx_metadata(onnx_with(**written)) == written


def test_facts_come_from_the_file(tmp_path):
    path = tmp_path / "model.onnx"
    calibration = '{"a": 1.5, "b": -0.25}'
    path.write_bytes(onnx_with(threshold="0.31", calibration=calibration, match_rule=MATCH_RULE))
    assert read_facts(path) == Facts(threshold=0.31, a=1.5, b=-0.25)


def test_a_file_without_facts_has_the_usual_ones(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_with())
    assert read_facts(path) == Facts()


@pytest.mark.parametrize(
    "content",
    [
        onnx_with(match_rule="another-v9"),
        onnx_with(threshold="high"),
        onnx_with(calibration="[1, 2]"),
        onnx_with(calibration="{"),
        b"this is a text file, not a model",
        struct.pack("<Q", 2**63),
    ],
)
def test_a_file_that_cannot_be_used_is_a_settings_error(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(SettingsError):
        read_facts(path)


def test_probability_grows_with_the_score_and_is_even_at_the_usual_threshold():
    facts = Facts()
    assert facts.probability(0) < 0.01
    assert facts.probability(facts.threshold) == pytest.approx(0.5, abs=0.01)
    assert facts.probability(1) > 0.99


@pytest.mark.parametrize(
    ("shape", "size_px", "expected"),
    [
        ((720, 1280), 640, (1, 3, 384, 640)),
        ((720, 1280), 960, (1, 3, 544, 960)),
        ((1280, 720), 640, (1, 3, 640, 384)),
        ((480, 640), 1000, (1, 3, 768, 1024)),
        ((10, 2000), 640, (1, 3, 32, 640)),
    ],
)
def test_letterbox_keeps_the_aspect_and_pads_to_the_stride(shape, size_px, expected):
    blob, scale, (left, top) = letterbox(np.zeros((*shape, 3), np.uint8), size_px)
    assert blob.shape == expected
    assert scale == size_px / max(shape)
    assert 0 <= left < 16
    assert 0 <= top < 16


def test_letterbox_gives_rgb_in_0_to_1_and_grey_at_the_edges():
    picture = np.zeros((540, 960, 3), np.uint8)
    picture[:, :, 0] = 255  # blue in BGR
    blob, _, (_, top) = letterbox(picture, 960)
    assert blob[0, :, 100, 100].tolist() == [0.0, 0.0, 1.0]
    assert blob[0, :, top - 1, 0] == pytest.approx(114 / 255)


class Planted:
    """A runtime whose output is known: one box in each picture, reported twice, and a faint one."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, blob):
        self.shapes.append(blob.shape)
        _, _, height, width = blob.shape
        middle = [width / 2, height / 2, width / 4, height / 4]
        rows = [[*middle, 0.9], [*middle[:3], height / 4 + 2, 0.8], [*middle, 0.01]]
        return np.repeat(np.array(rows, np.float32).T[None], len(blob), axis=0)


def test_boxes_come_back_in_the_order_and_coordinates_of_the_pictures():
    runtime = Planted()
    pictures = [np.zeros(s, np.uint8) for s in ((720, 1280, 3), (600, 600, 3), (360, 640, 3))]
    found = YoloDetector("planted@0", runtime).detect(pictures, 640)
    assert runtime.shapes == [(2, 3, 384, 640), (1, 3, 640, 640)]
    # 384 rows hold 360 of picture and 24 of padding: a quarter of 384 is 96 of 360.
    wide = (0.375, 0.5 - 48 / 360, 0.625, 0.5 + 48 / 360)
    for boxes, expected in zip(found, (wide, (0.375, 0.375, 0.625, 0.625), wide), strict=True):
        assert boxes.scores == pytest.approx([0.9])
        assert boxes.xyxy[0] == pytest.approx(expected, abs=1e-6)


def test_no_box_at_all():
    boxes = boxes_of(np.zeros((5, 100), np.float32), 1.0, (0, 0), (640, 640))
    assert boxes.xyxy.shape == (0, 4)
    assert boxes.scores.shape == (0,)


def test_boxes_are_clipped_to_the_picture():
    output = np.array([[10, 10, 100, 100, 0.9]], np.float32).T
    assert boxes_of(output, 1.0, (0, 0), (640, 640)).xyxy.min() == 0


def test_a_picture_full_of_candidates_is_bounded():
    rng = np.random.default_rng(0)
    output = rng.uniform(0.1, 1, (5, 20_000)).astype(np.float32)
    output[:4] *= 640
    assert 0 < len(boxes_of(output, 1.0, (0, 0), (640, 640)).scores) <= 2000
