"""A backup of deploy/box comes back as it was, or not at all."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.box.archive import MANIFEST, Damaged, main, pack, read_manifest, unpack

CONTENT = {"database.dump": b"rows" * 500, "kafka.tar": b"\x00\x01" * 3000, "s3.tar": b""}
MIGRATIONS = ("0001_events.sql", "0002_fleet.sql")


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    parts = tmp_path / "parts"
    parts.mkdir()
    for name, content in CONTENT.items():
        (parts / name).write_bytes(content)
    pack(parts, tmp_path / "backup.tar", "1.2.3", MIGRATIONS)
    assert list(parts.iterdir()) == []
    return tmp_path / "backup.tar"


def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "new"
    folder.mkdir()
    return folder


def test_a_backup_comes_back_as_it_was(backup: Path, tmp_path: Path) -> None:
    folder = empty(tmp_path)
    manifest = unpack(backup, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    assert manifest == read_manifest(backup)
    assert (manifest.version, manifest.migrations) == ("1.2.3", MIGRATIONS)
    assert {part.name: part.size for part in manifest.parts} == {
        name: len(content) for name, content in CONTENT.items()
    }


def test_only_its_owner_reads_a_backup(backup: Path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in backup.parent.iterdir()} == {"backup.tar", "parts"}


def rewrite(backup: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    old = backup.parent / "old"
    with tarfile.open(backup) as archive:
        archive.extractall(old, filter="data")
        members = {name: (old / name).read_bytes() for name in archive.getnames()}
    change(members)
    folder = backup.parent / "rewritten"
    folder.mkdir()
    with tarfile.open(backup, "w") as archive:
        for name, content in members.items():
            path = folder / Path(name).name
            path.write_bytes(content)
            archive.add(path, name)


def flip(members: dict[str, bytes]) -> None:
    members["kafka.tar"] = b"\x02" + members["kafka.tar"][1:]


def shorten(members: dict[str, bytes]) -> None:
    members["kafka.tar"] = members["kafka.tar"][:-1]


def lose(members: dict[str, bytes]) -> None:
    del members["s3.tar"]


def add(members: dict[str, bytes]) -> None:
    members["more.tar"] = b""


def leave_the_folder(members: dict[str, bytes]) -> None:
    members["../outside"] = b""


def start_with_another(members: dict[str, bytes]) -> None:
    members[MANIFEST] = members.pop(MANIFEST)


def of_a_later_format(members: dict[str, bytes]) -> None:
    members[MANIFEST] = members[MANIFEST].replace(b'"format": 1', b'"format": 2')


def name_a_path(members: dict[str, bytes]) -> None:
    members[MANIFEST] = members[MANIFEST].replace(b"s3.tar", b"../s3.tar")


def no_json(members: dict[str, bytes]) -> None:
    members[MANIFEST] = b"{"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (flip, "kafka.tar: its checksum"),
        (shorten, "kafka.tar: its checksum"),
        (lose, "s3.tar is missing"),
        (add, "'more.tar' is not in the manifest"),
        (leave_the_folder, "outside' is not in the manifest"),
        (start_with_another, "does not begin with manifest.json"),
        (of_a_later_format, "format 2"),
        (name_a_path, "no valid list"),
        (no_json, "cannot be read"),
    ],
)
def test_negative_control_a_changed_backup_is_refused(
    backup: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], None], words: str
) -> None:
    rewrite(backup, change)
    with pytest.raises(Damaged, match=words):
        unpack(backup, empty(tmp_path))
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("kept", [0, 700, 6000])
def test_a_torn_backup_is_refused(backup: Path, tmp_path: Path, kept: int) -> None:
    backup.write_bytes(backup.read_bytes()[:kept])
    with pytest.raises(Damaged):
        unpack(backup, empty(tmp_path))


def test_the_command_line_says_what_is_wrong(
    backup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["migrations", str(backup)])
    assert tuple(capsys.readouterr().out.split()) == MIGRATIONS
    rewrite(backup, flip)
    with pytest.raises(SystemExit, match=r"backup\.tar: kafka\.tar: its checksum"):
        main(["unpack", str(backup), str(empty(tmp_path))])
