import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from parking.core.errors import SettingsError
from parking.core.events import LayoutSlot, Observation
from services.detector.crops import CROP_PX, crop, crops
from services.detector.observing import without_hidden
from services.detector.slotnet import (
    DOUBT_LEAST,
    MOST_CROPS,
    SURE_FREE,
    SURE_OCCUPIED,
    Fusion,
    SlotNet,
    doubtful_band,
    read_fusion,
)

EVEN = Fusion(bias=0, box=0, crop=1, covered=0, low=0.3, high=0.7)
SQUARE = [(0.25, 0.25), (0.5, 0.25), (0.5, 0.5), (0.25, 0.5)]


def as_input(cut: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn [N, S, S, 4] BGR and mask into [N, 4, S, S] RGB and mask, 0..1."""
    ordered = cut[..., [2, 1, 0, 3]].transpose(0, 3, 1, 2)
    return np.asarray(np.ascontiguousarray(ordered, np.float32) / np.float32(255), np.float32)


def slot(slot_id="A1", polygon=SQUARE):
    return LayoutSlot(slot_id=slot_id, zone_id="A", polygon=polygon)


def picture(value=90):
    return np.full((400, 800, 3), value, np.uint8)


def brightness(blob):
    """Return a network that takes bright ground for a vehicle."""
    return (blob[:, :3].mean(axis=(1, 2, 3)) - 0.5) * 20


def net(fusion=EVEN, forward=brightness):
    return SlotNet("slots@1", fusion, forward)


def test_a_crop_is_the_square_about_the_slot_with_its_outline_as_a_mask():
    outline = np.array([[100, 100], [200, 100], [200, 150], [100, 150]], float)
    cut = crop(picture(), outline, size_px=160, margin=1.6)
    assert cut.shape == (160, 160, 4)
    inside = np.argwhere(cut[..., 3] > 0)
    assert inside.min(axis=0).tolist() == pytest.approx([55, 30], abs=1)
    assert inside.max(axis=0).tolist() == pytest.approx([105, 130], abs=1)


@pytest.mark.parametrize("side", [30, 300])  # enlarged, and averaged down
def test_what_is_in_the_slot_is_in_the_crop_at_any_size(side):
    view = picture(0)
    outline = np.array([[0, 0], [side, 0], [side, side], [0, side]], float) + 50
    cv2.fillPoly(view, [outline.astype(np.int32)], (255, 255, 255))
    cut = crop(view, outline)
    agree = (cut[..., 0] > 127) == (cut[..., 3] > 127)
    assert agree.mean() > 0.96


def test_beyond_the_edge_the_edge_goes_on():
    view = picture(200)
    outline = np.array([[-300, -300], [100, -300], [100, 100], [-300, 100]], float)
    assert (crop(view, outline)[..., :3] == 200).all()


def test_crops_are_the_same_from_a_picture_of_half_the_size():
    view = cv2.GaussianBlur(
        np.random.default_rng(1).integers(0, 255, (400, 800, 3), np.uint8), (0, 0), 9
    )
    whole = crops(np.asarray(view, np.uint8), [np.array(SQUARE)])
    small = cv2.resize(view, (400, 200), interpolation=cv2.INTER_AREA)
    half = crops(np.asarray(small, np.uint8), [np.array(SQUARE)])
    assert whole.shape == (1, 4, CROP_PX, CROP_PX)
    assert np.abs(whole - half).mean() < 0.02


@pytest.mark.parametrize("count", [0, 1, 5, MOST_CROPS, MOST_CROPS + 3])
def test_slots_are_seen_in_one_batch_of_their_number(count):
    shapes = []

    def forward(blob):
        shapes.append(blob.shape)
        return brightness(blob)

    found = net(forward=forward).logits(picture(), [np.array(SQUARE)] * count)
    assert found.shape == (count,)
    assert sum(shape[0] for shape in shapes) == count
    assert {shape[1:] for shape in shapes} <= {(4, CROP_PX, CROP_PX)}
    assert len(shapes) == -(-count // MOST_CROPS)


def test_a_sure_answer_of_the_network_is_reported_whatever_a_box_says():
    fusion = Fusion(bias=1.95, box=0.86, crop=0.9, covered=-0.68, low=0.3, high=0.7)
    logits = np.array([SURE_FREE - 1, SURE_FREE, 0.0, SURE_OCCUPIED, SURE_OCCUPIED + 1])
    assert fusion.sure(logits).tolist() == [True, True, False, True, True]
    alone = fusion.alone(logits)
    assert (alone[:2] < fusion.low).all()
    assert (alone[3:] > fusion.high).all()
    assert (np.diff(alone) > 0).all()
    assert not fusion.sure(np.array([np.nan])).any()


def test_a_picture_in_doubt_is_reported_only_where_it_is_sure():
    fusion = Fusion(bias=0, box=1, crop=1, covered=0, low=0.3, high=0.7)
    assert doubtful_band(fusion, [0.02] * 20 + [0.99] * 20) == (0.3, 0.7)
    low, high = doubtful_band(fusion, [0.25] * 20 + [0.9] * 20)
    assert low == DOUBT_LEAST
    assert high == pytest.approx(1 - DOUBT_LEAST)
    a_little, _ = doubtful_band(fusion, [0.06] * 40)
    assert DOUBT_LEAST < a_little < 0.3


def test_one_slot_in_doubt_makes_no_picture_doubtful():
    fusion = Fusion(bias=0, box=1, crop=1, covered=0, low=0.3, high=0.7)
    assert doubtful_band(fusion, [0.2]) == (0.3, 0.7)
    assert doubtful_band(fusion, []) == (0.3, 0.7)


@pytest.mark.parametrize(
    ("state", "blank", "expected"),
    [
        ("free", 0.3, "free"),
        ("free", 0.4, "unknown"),  # what shows nothing may hide a vehicle
        ("occupied", 0.4, "occupied"),
        ("occupied", 0.6, "unknown"),
    ],
)
def test_what_shows_nothing_is_not_free(state, blank, expected):
    seen = [Observation(slot_id="A", state=state, confidence=0.9)]
    assert without_hidden(seen, [blank])[0].state == expected


def test_both_opinions_count_and_a_covered_slot_believes_its_crop_less():
    fusion = Fusion(bias=0.5, box=1, crop=1, covered=-0.8, low=0.5, high=0.5)
    assert fusion.probability(0.9, 2, 0) > fusion.probability(0.5, 2, 0)
    assert fusion.probability(0.5, 2, 0) > fusion.probability(0.5, 2, 1) > 0.5
    assert fusion.probability(0, -100, 0) < 0.01  # far out, and no overflow


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"fusion": "{}", "unknown_band": "[0.3, 0.7]", "box_models": "[]"},
        {"fusion": "nonsense", "unknown_band": "[0.3, 0.7]", "box_models": "[]"},
    ],
)
def test_a_file_that_does_not_say_how_it_is_weighed_is_refused(tmp_path: Path, metadata):
    with pytest.raises(SettingsError, match=r"slots\.onnx: its metadata cannot be read"):
        read_fusion(onnx_file(tmp_path, metadata), "boxes@1")


def test_a_network_fitted_with_other_boxes_is_refused(tmp_path: Path):
    weights = {"bias": 1, "box": 2, "crop": 3, "covered": 4}
    metadata = {
        "fusion": json.dumps(weights),
        "unknown_band": "[0.3, 0.7]",
        "box_models": '["boxes@1"]',
    }
    file = onnx_file(tmp_path, metadata)
    assert read_fusion(file, "boxes@1") == Fusion(1, 2, 3, 4, 0.3, 0.7)
    with pytest.raises(SettingsError, match="fitted with boxes of boxes@1, not of boxes@2"):
        read_fusion(file, "boxes@2")


def onnx_file(folder: Path, metadata: dict[str, str]) -> Path:
    """Return a file that contains only metadata, as protobuf encodes it: field 14, entries with key
    1 and value 2."""
    data = b""
    for key, value in metadata.items():
        entry = field(1, key.encode()) + field(2, value.encode())
        data += field(14, entry)
    path = folder / "slots.onnx"
    path.write_bytes(data)
    return path


def field(number: int, body: bytes) -> bytes:
    length, left = b"", len(body)
    while True:
        left, low = left >> 7, left & 0x7F
        length += bytes([low | (0x80 if left else 0)])
        if not left:
            return bytes([number << 3 | 2]) + length + body


def test_the_network_sees_the_crops_it_was_trained_on():
    """`crops` writes directly into the input, while training stacks single crops."""
    view = np.random.default_rng(5).integers(0, 256, (90, 160, 3), np.uint8)
    outlines = [
        np.array([[0.1, 0.1], [0.3, 0.1], [0.3, 0.4], [0.1, 0.4]]),
        np.array([[0.7, 0.6], [1.0, 0.6], [0.9, 1.0]]),
        np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]),
    ]
    stacked = np.stack([crop(view, outline * (160, 90)) for outline in outlines])
    assert np.array_equal(crops(view, outlines), as_input(stacked))
