import re
import zipfile
from pathlib import Path

import pytest

from parking.core.errors import Invalid
from tests.support.replaying import START_MS, archive, frame, kept, picture, recording, tick
from tests.support.tracking import Teller
from tools.record.__main__ import When, describe
from tools.record.archive import MANIFEST, ArchiveWriter, read_archive
from tools.record.recording import Kept, in_order


def rewritten(path: Path, to: Path, change) -> Path:
    """Return the archive with `change(name, data) -> data | None` applied to each member; None
    leaves the member out."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w") as new:
        for info in old.infolist():
            data = change(info.filename, old.read(info))
            if data is not None:
                new.writestr(info, data)
    return to


def picture_name(path: Path) -> str:
    with zipfile.ZipFile(path) as opened:
        return next(name for name in opened.namelist() if name.endswith(".jpg"))


# ---------------------------------------------------------------- there and back
def test_what_was_written_is_read_back(tmp_path):
    made = recording()
    read = read_archive(archive(tmp_path / "a.zip", made))
    assert read.records == made.records
    assert read.before == made.before
    assert read.sites == ("demo",)
    files = [one.file for one in made.records if one.file]
    assert [read.picture(file) for file in files] == [made.picture(file) for file in files]


def test_the_same_window_gives_the_same_bytes(tmp_path):
    first, second = (archive(tmp_path / name, recording()) for name in ("a.zip", "b.zip"))
    assert first.read_bytes() == second.read_bytes()


def test_every_kind_of_record_can_be_kept(tmp_path):
    t = Teller("demo")
    events = [
        t.adopt("north", "1"),
        t.device("north", "online", 1, 1),
        t.gate("entry", 1),
        t.see("north", {"1": "o"}),
        t.tick(),
    ]
    records = in_order(kept(event, number) for number, event in enumerate(events))
    made = recording(records=records, before=[])
    assert read_archive(archive(tmp_path / "a.zip", made)).records == records


def test_nothing_has_the_archives_name_unless_it_is_whole(tmp_path):
    path = tmp_path / "a.zip"

    def interrupted() -> None:
        with ArchiveWriter(path) as out:
            out.add(kept(tick(1), 1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_failed_recording_leaves_the_one_before_it_alone(tmp_path):
    path = archive(tmp_path / "a.zip", recording())
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), ArchiveWriter(path):
        raise KeyboardInterrupt
    assert path.read_bytes() == before


def test_records_come_back_in_the_order_of_the_log():
    first, second = kept(tick(1), 7, at_ms=5), kept(tick(2), 8, at_ms=5)
    data = picture((), 1)
    shot = kept(frame(data, 1), 1, at_ms=5)
    assert in_order([second, shot, first]) == [shot, first, second]


def test_it_is_described_for_people(tmp_path):
    text = describe(read_archive(archive(tmp_path / "a.zip", recording())))
    assert re.search(r"15 +parking\.frame-received\.v1", text)
    assert "demo" in text


# ---------------------------------------------------------------- damage
DAMAGE = {
    "a changed picture": ("frames/", lambda data: data[:-3] + b"\x00" + data[-2:], "damaged"),
    "a cut picture": ("frames/", lambda data: data[:-9], "bytes, but "),
    "a lost picture": ("frames/", lambda data: None, "missing"),
    "a lost list": ("records/", lambda data: None, "missing"),
    "a changed list": ("records/", lambda data: data[:-3] + b" }\n", "damaged"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_reported_with_its_place(tmp_path, what):
    folder, change, words = DAMAGE[what]
    whole = archive(tmp_path / "a.zip", recording())
    with zipfile.ZipFile(whole) as opened:
        target = next(name for name in opened.namelist() if name.startswith(folder))
    broken = rewritten(
        whole, tmp_path / "b.zip", lambda name, data: change(data) if name == target else data
    )
    with pytest.raises(Invalid) as caught:
        read_archive(broken)
    assert caught.value.reason == "bad-archive"
    assert target in caught.value.detail
    assert words in caught.value.detail


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_file_is_refused(tmp_path, share):
    whole = archive(tmp_path / "a.zip", recording())
    data = whole.read_bytes()
    whole.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(Invalid, match="not an archive, or its end is missing"):
        read_archive(whole)


def test_a_flipped_byte_anywhere_is_found_or_is_none_of_the_content(tmp_path):
    """Whichever byte is changed, the file is either refused or reads the same."""
    made = recording(("", "A1"))
    whole = archive(tmp_path / "a.zip", made)
    data = whole.read_bytes()
    # Few in the pictures, many in the lists and tables at the end.
    for place in (*range(0, len(data) - 6_000, 1_511), *range(len(data) - 6_000, len(data), 37)):
        changed = data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :]
        whole.write_bytes(changed)
        try:
            read = read_archive(whole)
        except Invalid as error:
            assert error.detail  # noqa: PT017 -- a loop over many
        else:
            assert (read.records, read.before) == (made.records, made.before), place
            assert all(read.picture(r.file) == made.picture(r.file) for r in read.records if r.file)


def test_a_picture_that_is_not_the_frames_is_refused_though_the_file_is_whole(tmp_path):
    data, other = picture((), 1), picture(("A1",), 2)
    path = tmp_path / "a.zip"
    with ArchiveWriter(path) as out:
        out.add(kept(frame(data, 1), 1), other)
        out.finish(["demo"], (0, 1))
    with pytest.raises(Invalid, match=r"not the picture that frame demo/north/1/1 describes"):
        read_archive(path)


def test_an_unknown_file_in_it_is_refused(tmp_path):
    path = archive(tmp_path / "a.zip", recording())
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr("../evil.sh", "")
    with pytest.raises(Invalid, match="not in the manifest"):
        read_archive(path)


def test_a_record_in_the_wrong_topic_is_refused_with_its_line(tmp_path):
    path = tmp_path / "a.zip"
    wrong = kept(tick(1), 1)
    with ArchiveWriter(path) as out:
        out.add(Kept("parking.gate-events", 0, 1, 5, wrong.event))
        out.finish(["demo"], (0, 1))
    with pytest.raises(Invalid, match=r"events.jsonl, line 1: wrong-type: unexpected record type"):
        read_archive(path)


def test_a_newer_version_is_distinguished_from_damage(tmp_path):
    whole = archive(tmp_path / "a.zip", recording())
    newer = rewritten(
        whole,
        tmp_path / "b.zip",
        lambda name, data: (
            re.sub(rb'"version": 1', b'"version": 2', data) if name == MANIFEST else data
        ),
    )
    with pytest.raises(Invalid) as caught:
        read_archive(newer)
    assert caught.value.reason == "newer-archive"


def test_a_file_that_is_not_an_archive_is_reported(tmp_path):
    with pytest.raises(Invalid, match="no such file"):
        read_archive(tmp_path / "none.zip")
    text = tmp_path / "text.zip"
    text.write_text("hello")
    with pytest.raises(Invalid, match="not an archive"):
        read_archive(text)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("x", "y")
    with pytest.raises(Invalid, match="not a recording"):
        read_archive(tmp_path / "other.zip")


# ---------------------------------------------------------------- moments
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-28T21:46:40Z", 1_780_004_800_000),
        ("2026-05-28T21:46:40", 1_780_004_800_000),
        ("2026-05-28T23:46:40+02:00", 1_780_004_800_000),
        ("90s", START_MS - 90_000),
        ("2h", START_MS - 7_200_000),
    ],
)
def test_a_moment_is_a_time_or_how_long_ago(text, expected):
    assert When(text)(START_MS) == expected


def test_an_invalid_time_is_refused():
    with pytest.raises(ValueError, match="yesterday"):
        When("yesterday")
