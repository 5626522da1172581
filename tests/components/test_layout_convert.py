"""`parking layout convert` turns files of other programs into layouts, and layouts into such
files."""

import json
from pathlib import Path

import pytest

from tests.unit.test_slotfiles import COCO, CVAT, PKLOT
from tools.cli.__main__ import main


def converted(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    main(["layout", "convert", *arguments])
    out, err = capsys.readouterr()
    return out, err


@pytest.fixture
def cvat(tmp_path: Path) -> Path:
    file = tmp_path / "lot.xml"
    file.write_text(CVAT)
    return file


def test_a_file_of_another_program_becomes_a_layout_that_can_be_used(
    cvat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    layout = tmp_path / "north.layout.json"
    options = ["--camera", "demo/north", "--interval-ms", "5000", "--out", str(layout)]
    _, err = converted(capsys, str(cvat), *options)
    assert "line 13, <polyline>: left out" in err
    assert "--picture chooses another ('south.jpg')" in err
    value = json.loads(layout.read_text())
    assert (value["camera_id"], value["interval_ms"]) == ("demo/north", 5000)
    assert [slot["slot_id"] for slot in value["slots"]] == ["B7", "A01"]
    main(["layout", "check", str(layout)])


def test_a_layout_becomes_a_file_of_another_program(
    cvat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    layout = tmp_path / "north.layout.json"
    main(["layout", "convert", str(cvat), "--camera", "demo/north", "--out", str(layout)])
    with pytest.raises(SystemExit, match="--size 1280x720"):
        main(["layout", "convert", str(layout), "--to", "coco"])
    capsys.readouterr()
    out, _ = converted(capsys, str(layout), "--to", "coco", "--size", "200x100")
    value = json.loads(out)
    assert value["images"] == [{"id": 1, "width": 200, "height": 100, "file_name": "north.jpg"}]
    assert value["annotations"][0]["segmentation"] == [[20, 20, 60, 20, 60, 50, 20, 50]]


def test_the_size_and_the_camera_are_asked_for(tmp_path: Path):
    file = tmp_path / "lot.xml"
    file.write_text(PKLOT)
    with pytest.raises(SystemExit, match=r"lot\.xml: PKLot .* \(--size\)"):
        main(["layout", "convert", str(file), "--camera", "demo/north"])
    with pytest.raises(SystemExit, match="--camera demo/north"):
        main(["layout", "convert", str(file), "--size", "200x100"])
    with pytest.raises(SystemExit):
        main(["layout", "convert", str(file), "--size", "0x100"])


def test_every_fault_has_file_place_and_expectation(tmp_path: Path):
    file = tmp_path / "lot.json"
    file.write_text(json.dumps({**COCO, "images": [{"id": 1}]}))
    with pytest.raises(SystemExit) as caught:
        main(["layout", "convert", str(file)])
    text = str(caught.value)
    assert f"{file}: images[0].width is missing: it must be a number" in text
    assert f"{file}: images[0].height" in text
    assert "formats: layout" in text
    with pytest.raises(SystemExit, match="cannot be read"):
        main(["layout", "convert", str(tmp_path / "none.json")])
