"""Files from users give one clear line for each error, all at once and without a traceback."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from parking.core.errors import Invalid, SettingsError
from parking.wire import jsontext
from parking.wire.annotations import load
from services.ingest.pull.camerafile import read_cameras, read_credentials
from tools import endings
from tools.cli.__main__ import main

ROOT = Path(__file__).parents[2]
LAYOUT = ROOT / "schemas" / "examples" / "layout-published.v1--one-slot.json"
FRAME: dict[str, Any] = {
    "file": "a.jpg",
    "camera": "c",
    "width": 100,
    "height": 100,
    "slots": [{"id": 1, "polygon": [[10, 10], [40, 10], [40, 40]], "occupied": 0}],
}
CAMERA = {"camera": "demo/gate", "kind": "snapshot", "url": "http://192.168.1.20/capture"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_marks_and_line_ends_do_not_matter(encoding: str, ends: str):
    text = json.dumps({"name": "Parkhaus Süd"}, ensure_ascii=False, indent=1).replace("\n", ends)
    assert jsontext.parse(text.encode(encoding)) == {"name": "Parkhaus Süd"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ('{"name":\n "Süd"}'.encode("latin-1"), "line 2: byte 0xFC is not UTF-8: save the file"),
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf \r\n", "the file is empty"),
        (b'{"a": 1,}', "line 1, column 9: not JSON: expected a name in double quotes"),
        (b"{\n'a': 1}", "line 2, column 1: not JSON"),
        (b'{"a": [1 2]}', "column 10: not JSON: expected a comma"),
        (b'{"a": "b', "no closing quote"),
        (b'{"a": "C:\\pictures"}', "a backslash in a string is written twice"),
        (b'{"a": 1} x', "after the end of the JSON"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_invalid_json_is_reported_with_its_position(data: bytes, words: str):
    with pytest.raises(Invalid) as caught:
        jsontext.parse(data)
    assert words in caught.value.detail
    assert "\n" not in caught.value.detail


def footage(folder: Path, content: Any) -> Path:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / "annotations.json").write_bytes(data)
    return folder


def test_annotations_with_a_mark_and_crlf_make_a_layout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    text = json.dumps({"frames": [FRAME]}, indent=1).replace("\n", "\r\n")
    main(["layout", "check", str(footage(tmp_path, text.encode("utf-8-sig")))])
    assert "can be used" in capsys.readouterr().out


ODD_ROOTS: list[Any] = [[], [FRAME], "frames", 7, None, {}, {"frames": {}}, {"frames": [[]]}]


@pytest.mark.parametrize("content", ODD_ROOTS)
def test_annotations_in_another_format_are_reported_with_an_example(tmp_path: Path, content: Any):
    with pytest.raises(SystemExit, match=r"annotations\.json: ") as caught:
        main(["layout", "check", str(footage(tmp_path, content))])
    assert "demo/annotations.json is an example" in str(caught.value)


def test_every_fault_of_annotations_is_reported_at_once(tmp_path: Path):
    bad = FRAME | {"width": 0, "slots": [{"id": None, "polygon": [[1, 2], [3]]}]}
    content = {"frames": [{"camera": "c"}, bad], "gate": [{"frame": "1", "direction": "in"}]}
    with pytest.raises(Invalid) as caught:
        load(footage(tmp_path, content))
    places = [fault.split(":")[0].split(" is missing")[0] for fault in caught.value.faults]
    assert sorted(places) == sorted(
        [
            "frames[0].file",
            "frames[0].width",
            "frames[0].height",
            "frames[0].slots",
            "frames[1].width",
            "frames[1].slots[0].id",
            "frames[1].slots[0].polygon",
            "frames[1].slots[0].polygon[1]",
            "gate[0].frame",
            "gate[0].direction",
        ]
    )
    assert "must be text or a whole number, not null" in str(caught.value)


@pytest.mark.parametrize("content", [[], "x", None, {"slots": []}])
def test_a_layout_in_another_format_is_reported(tmp_path: Path, content: Any):
    file = tmp_path / "layout.json"
    file.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match=r"layout\.json: ") as caught:
        main(["layout", "check", str(file)])
    assert "schemas/examples/" in str(caught.value)


def test_a_layout_saved_by_an_editor_of_windows_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "layout.json"
    file.write_bytes(LAYOUT.read_text("utf-8").replace("\n", "\r\n").encode("utf-8-sig"))
    main(["layout", "check", str(file)])
    file.write_bytes(LAYOUT.read_text("utf-8").replace("Demo", "Süd").encode("latin-1"))
    with pytest.raises(SystemExit, match="is not UTF-8: save the file as UTF-8"):
        main(["layout", "check", str(file)])
    assert "can be used" in capsys.readouterr().out


def test_a_cameras_file_in_any_coat_is_read():
    for encoding in ("utf-8-sig", "utf-16"):
        data = json.dumps({"cameras": [CAMERA]}, indent=1).replace("\n", "\r\n").encode(encoding)
        assert list(read_cameras(data, {})) == ["demo/gate"]


@pytest.mark.parametrize(
    "content", [[], [CAMERA], "x", 7, None, {}, {"camera": []}, {"cameras": {}}]
)
def test_a_cameras_file_in_another_format_is_reported_with_an_example(content: Any):
    with pytest.raises(SettingsError, match=r'must be {"cameras": \[{"camera": "demo/gate"'):
        read_cameras(json.dumps(content).encode(), {})


def test_every_fault_of_every_camera_is_reported_in_words_and_no_value_with_them():
    secret = "hunter2"
    cameras = [
        {"camera": "Demo", "kind": "ftp", "url": 7, "interval_s": "5", "pasword": secret},
        7,
        {"camera": secret.upper(), "kind": "rtsp"},
    ]
    with pytest.raises(SettingsError) as caught:
        read_cameras(json.dumps({"cameras": cameras}).encode(), {})
    assert len(caught.value.problems) == 8
    assert "camera 1: pasword is an unknown field" in caught.value.problems
    assert any("SITE/DEVICE, each 1 to 40" in one for one in caught.value.problems)
    assert "^" not in str(caught.value)
    with pytest.raises(SettingsError) as refused:
        read_credentials(json.dumps({"a b": {"username": "u:" + secret}}).encode())
    assert len(refused.value.problems) == 3
    assert secret not in str(caught.value).lower() + str(refused.value)


PROGRAMS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    for path in (ROOT / "tools").rglob("*.py")
    if '__name__ == "__main__"' in path.read_text("utf-8")
)


def test_the_programs_are_found():
    assert {"tools.render", "tools.train", "tools.propose"} <= set(PROGRAMS)


@pytest.mark.nightly
@pytest.mark.parametrize("module", PROGRAMS)
def test_every_program_tells_its_help_or_the_extra_that_is_missing(module: str):
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert "Traceback" not in printed
    assert "usage" in printed or "`python -m" in printed or "this needs the extra" in printed


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ModuleNotFoundError(name="torch"), "this needs the extra `train`"),
        (ModuleNotFoundError(name="mitsuba.x"), "this needs the extra `render`"),
        (Invalid("bad-annotations", "x"), "bad-annotations: x"),
        (FileNotFoundError(2, "No such file or directory", "data"), "data: No such file"),
        (ModuleNotFoundError(name="parking.nosuch"), None),
        (ValueError("a fault of the program"), None),
    ],
)
def test_errors_a_user_can_fix_are_reported_in_words(error: Exception, expected: str | None):
    words = endings.words_of(error)
    assert words is None if expected is None else words is not None and words.startswith(expected)


def test_a_program_ends_in_one_line(tmp_path: Path):
    """In the control, Python ends with a traceback, as it does by default."""
    footage(tmp_path, b"[1]")
    (tmp_path / "passwords.json").write_text("{}")
    given = ["--footage", str(tmp_path), "--passwords", str(tmp_path / "passwords.json")]
    done = subprocess.run(
        [sys.executable, "-m", "tools.simulator", *given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "must be an object" in done.stderr
