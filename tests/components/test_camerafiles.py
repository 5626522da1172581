"""The cameras file and its logins on disk: when they are read, and what is refused."""

import json
from pathlib import Path

import pytest

from parking.core.errors import SettingsError
from services.ingest.pull.camerafiles import DiskFiles

ENTRY = {"camera": "demo/a", "kind": "rtsp", "url": "rtsp://cam/1", "credential": "one"}


@pytest.fixture
def cameras(tmp_path: Path) -> Path:
    path = tmp_path / "cameras.json"
    path.write_text(json.dumps({"cameras": [ENTRY]}))
    return path


@pytest.fixture
def logins(tmp_path: Path) -> Path:
    path = tmp_path / "logins.json"
    write_login(path, "first")
    return path


def write_login(path: Path, password: str) -> None:
    path.write_text(json.dumps({"one": {"username": "u", "password": password}}))
    path.chmod(0o600)


def test_an_unchanged_file_is_not_read_again_and_a_changed_login_is_a_changed_camera(
    cameras: Path, logins: Path
):
    files = DiskFiles(cameras, logins)
    first = files.read()
    assert first is not None
    assert files.read() is None
    write_login(logins, "another")
    second = files.read()
    assert second is not None
    assert first["demo/a"] != second["demo/a"]


def test_a_fault_is_reported_once_and_the_mended_file_is_read(cameras: Path, logins: Path):
    files = DiskFiles(cameras, logins)
    good = cameras.read_text()
    cameras.write_text("{")
    with pytest.raises(SettingsError, match="not JSON"):
        files.read()
    assert files.read() is None
    cameras.write_text(good)
    assert files.read() is not None


def test_logins_that_others_can_read_are_refused(cameras: Path, logins: Path):
    logins.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        DiskFiles(cameras, logins).read()


def test_a_login_that_is_named_but_not_given_is_reported(cameras: Path):
    with pytest.raises(SettingsError, match="'one' is not in the credentials file"):
        DiskFiles(cameras, None).read()


def test_missing_files_are_reported_together(tmp_path: Path):
    with pytest.raises(SettingsError) as caught:
        DiskFiles(tmp_path / "no", tmp_path / "none").read()
    assert len(caught.value.problems) == 2


def test_a_file_without_end_is_not_read_to_its_end(cameras: Path):
    with pytest.raises(SettingsError, match="larger than"):
        DiskFiles(Path("/dev/zero"), None).read()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "the file is empty"),
        (b"[]", "the cameras file must be"),
        (b"{}", "the cameras file must be"),
        (b'{"cameras": 3}', "the cameras file must be"),
        (b"\xff", "is not UTF-8"),
        (b"[" * 5000, "not JSON"),
    ],
)
def test_a_wrong_file_is_reported_with_its_name(text: bytes, words: str, tmp_path: Path):
    (tmp_path / "lot.json").write_bytes(text)
    with pytest.raises(SettingsError, match=f"lot.json: .*{words}"):
        DiskFiles(tmp_path / "lot.json", None).read()
