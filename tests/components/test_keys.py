import pytest

from parking.access.keys import KeyFile, bearer
from parking.core.errors import Invalid


def test_a_key_is_known_by_its_scope_and_kept_only_as_a_hash(tmp_path):
    path = tmp_path / "keys"
    keys = KeyFile(path)
    secret = keys.add("operator", "write")
    found = keys.check(secret, "write")
    assert found is not None
    assert found.name == "operator"
    assert keys.check(secret, "frames") is None
    assert keys.check(secret + "x", "write") is None
    assert keys.check("", "write") is None
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_a_removed_key_stops_working_in_another_process_view(tmp_path):
    path = tmp_path / "keys"
    ours, theirs = KeyFile(path), KeyFile(path)
    secret = ours.add("demo/cam", "frames")
    assert theirs.check(secret, "frames") is not None
    assert ours.remove("demo/cam")
    assert not ours.remove("demo/cam")
    assert theirs.check(secret, "frames") is None


def test_a_reader_sees_the_file_before_or_after_a_removal_never_half_of_it(tmp_path):
    path = tmp_path / "keys"
    keys = KeyFile(path)
    kept = keys.add("operator", "write")
    keys.add("demo/cam", "frames")
    before = path.read_text()
    with path.open() as reader:
        assert keys.remove("demo/cam")
        assert reader.read() == before
    assert KeyFile(path).check(kept, "write") is not None
    assert [file.name for file in tmp_path.iterdir()] == ["keys"]
    assert path.stat().st_mode & 0o077 == 0


def test_without_a_file_nobody_is_known(tmp_path):
    assert KeyFile(tmp_path / "none").check("pk_x", "write") is None


@pytest.mark.parametrize(
    ("name", "scopes"),
    [
        ("Bad Name", ("write",)),
        ("ok", ()),
        ("ok", ("all",)),
        ("demo/cam", ("write",)),
        ("cam", ("frames",)),
        ("demo/Cam", ("frames",)),
        ("demo/cam", ("frames", "write")),
    ],
)
def test_bad_names_and_scopes_are_refused(tmp_path, name, scopes):
    with pytest.raises(Invalid):
        KeyFile(tmp_path / "keys").add(name, *scopes)


def test_a_key_for_frames_is_one_cameras_own(tmp_path):
    keys = KeyFile(tmp_path / "keys")
    found = keys.check(keys.add("demo/cam", "frames"), "frames")
    assert found is not None
    assert found.camera_id == "demo/cam"
    assert keys.cameras() == ["demo/cam"]
    assert keys.without_camera() == []


def test_a_key_of_an_earlier_version_names_no_camera(tmp_path):
    path = tmp_path / "keys"
    keys = KeyFile(path)
    secret = keys.add("demo/cam", "frames")
    path.write_text(path.read_text().replace("demo/cam", "old"))
    found = KeyFile(path).check(secret, "frames")
    assert found is not None
    assert found.camera_id is None
    assert KeyFile(path).without_camera() == ["old"]


def test_a_renewed_key_takes_the_place_of_the_one_before(tmp_path):
    path = tmp_path / "keys"
    ours, theirs = KeyFile(path), KeyFile(path)
    first = ours.renew("demo/cam")
    assert theirs.check(first, "frames") is not None
    second = ours.renew("demo/cam")
    assert theirs.check(first, "frames") is None
    assert theirs.check(second, "frames") is not None
    assert ours.names() == ["demo/cam"]


def test_a_name_is_taken_once(tmp_path):
    keys = KeyFile(tmp_path / "keys")
    keys.add("a", "write")
    with pytest.raises(Invalid, match="remove it first"):
        keys.add("a", "write")


@pytest.mark.parametrize(
    ("header", "key"),
    [("Bearer pk_1", "pk_1"), ("bearer  pk_1", "pk_1"), ("Basic x", ""), (None, "")],
)
def test_bearer(header, key):
    assert bearer(header) == key
