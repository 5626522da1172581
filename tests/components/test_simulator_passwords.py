import json

import pytest

from parking.access.secret_files import PasswordFile
from tools.simulator import passwords
from tools.simulator.footage import load
from tools.stack.demo import FOOTAGE as DEMO


def test_each_device_of_the_footage_becomes_a_user(tmp_path):
    users, out = tmp_path / "devices", tmp_path / "demo.json"
    PasswordFile(users).set("lot/cam-1", "before")
    passwords.main(["--footage", str(DEMO), "--users", str(users), "--out", str(out)])
    created = json.loads(out.read_text("utf-8"))
    assert sorted(created) == sorted(load(DEMO).device_ids)
    assert len(set(created.values())) == len(created)
    assert PasswordFile(users).users() == sorted([*created, "lot/cam-1"])
    assert out.stat().st_mode & 0o777 == 0o600


def test_footage_that_cannot_be_read_is_reported(tmp_path):
    users = tmp_path / "devices"
    out = tmp_path / "demo.json"
    with pytest.raises(SystemExit, match="passwords: "):
        passwords.main(["--footage", str(tmp_path), "--users", str(users), "--out", str(out)])
    assert not users.exists()
