"""deploy/box on a computer of its own: install, play the demo, upgrade, roll back, restore.

This needs root, mosquitto and Java, and `make fetch`, and takes five minutes or more. The units run
as their lines say, but without systemd, so none of the hardening is in force.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.boxes import Box, can_run, release
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.alone,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not can_run(), reason="needs root, unshare, mosquitto and Java"),
]
HOST: Final = "lot.example"
TABLES: Final = ("slot_changes", "gate_events", "device_events", "layouts")
# What no later record changes: a capture's other columns are filled once it is judged, an object's
# are written again when its record is read again.
LASTING: Final = {
    "captures": "select sha256, received_at_ms, kafka_partition from captures",
    "objects": "select key from objects",
}
HERE: Final = "/opt/smart-parking/current/deploy/box"
OPTIONS: Final = (
    "--passwords /var/lib/parking/demo.json --state /tmp/devices"
    " --interval-ms 3000 --hold 2 --begin 4"
)
DEMO: Final = """\
[Service]
User=parking
WorkingDirectory=/opt/smart-parking/current
Environment=MQTT_HOST=localhost MQTT_PORT=8883 MQTT_CA_FILE=/etc/parking/private/ca
ExecStart=/opt/smart-parking/current/.venv/bin/python -m tools.simulator @OPTIONS@
"""


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with Box(tmp_path / "one") as box:
        yield box


def play_demo(box: Box, new_changes: int) -> None:
    """Play until the database has so many more slot changes, then wait until the persister has
    written every record."""
    before = len(box.rows("slot_changes"))
    (box.share / "demo.service").write_text(DEMO.replace("@OPTIONS@", OPTIONS), "utf-8")
    box.run("install -m 644 /mnt/demo.service /etc/systemd/system/; systemctl start demo")
    wait_until(lambda: len(box.rows("slot_changes")) >= before + new_changes, 200, "changes")
    wait_until(lambda: pictures(box), 60, "a picture of a change")
    box.run("systemctl stop demo")


def pictures(box: Box) -> set[str]:
    """Return digest, path and names of the extended attributes of each object."""
    lines = box.run(
        "cd /var/lib/parking-s3; find . -type f -exec sha256sum {} + ;"
        "find . -type f -exec python3 -c 'import os, sys;"
        "[print(f, n, os.getxattr(f, n)) for f in sys.argv[1:] for n in os.listxattr(f)]' {} +"
    )
    return set(lines.splitlines())


def rows(box: Box) -> set[tuple[str, str]]:
    """Return each row that must last, with its table."""
    others = {(table, row) for table in TABLES for row in box.rows(table)}
    return others | {
        (t, row) for t, query in LASTING.items() for row in box.sql(query).splitlines()
    }


def test_install_upgrade_roll_back_and_restore(box: Box, tmp_path: Path) -> None:
    release(box.share / "one", "0.1.0")
    release(box.share / "two", "0.2.0", "create table probe (x int);")
    release(box.share / "old", "0.0.9")
    (box.share / "old" / "services" / "persister" / "migrations" / "0008_accounts.sql").unlink()

    installed = box.run(f"/mnt/one/deploy/box/install {HOST}")
    assert f"https://{HOST}:8443" in installed
    assert "use upgrade" in box.run(f"/mnt/one/deploy/box/install {HOST}", fails=True)
    only_three_ports_are_open(box)
    secrets_are_private(box)

    box.run(
        "parking layout publish demo --interval-ms 3000 --wait-s 0;"
        "cd /opt/smart-parking/current; setpriv --reuid parking --regid parking --init-groups"
        " .venv/bin/python -m tools.simulator.passwords --footage demo"
        " --users /var/lib/parking/devices --out /var/lib/parking/demo.json"
    )
    play_demo(box, 4)
    first = rows(box)
    assert {table for table, _ in first} >= {"captures", "slot_changes", "device_events"}

    older = box.run("/mnt/old/deploy/box/upgrade", fails=True)
    assert "0008_accounts.sql" in older
    assert box.run("readlink /opt/smart-parking/current").endswith("/0.1.0\n")

    box.run("/mnt/two/deploy/box/upgrade")
    assert box.run("readlink /opt/smart-parking/current").endswith("/0.2.0\n")
    assert box.sql("select to_regclass('probe')") == "probe\n"
    assert first <= rows(box)
    play_demo(box, 2)
    second = rows(box)
    assert second > first

    box.run(f"{HERE}/rollback")
    assert box.run("readlink /opt/smart-parking/current").endswith("/0.1.0\n")
    assert box.sql("select to_regclass('probe')") == "\n"
    assert "no release to return to" in box.run(f"{HERE}/rollback", fails=True)
    # What came after the backup is read from Kafka again.
    wait_until(lambda: second <= rows(box), 120, "all rows")

    kept, devices = pictures(box), box.run("cat /var/lib/parking/devices")
    box.run(f"{HERE}/backup /mnt/backup.tar")
    before = rows(box)
    with Box(tmp_path / "two") as other:
        shutil.copy(box.share / "backup.tar", other.share / "backup.tar")
        restore_elsewhere(other)
        assert before <= rows(other)
        assert kept <= pictures(other)
        assert other.run("cat /var/lib/parking/devices") == devices
        assert "has devices" in other.run(f"{HERE}/restore /mnt/backup.tar", fails=True)
        play_demo(other, 1)  # the devices' passwords and the authority are the former ones


def restore_elsewhere(other: Box) -> None:
    """Install on an empty computer. A damaged backup changes nothing, and the right one is
    restored."""
    release(other.share / "one", "0.1.0")
    other.run(f"/mnt/one/deploy/box/install {HOST}")
    secret = other.run("sha256sum /etc/parking/private/ca.key")
    damaged = bytearray((other.share / "backup.tar").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (other.share / "damaged.tar").write_bytes(damaged)
    assert "checksum" in other.run(f"{HERE}/restore /mnt/damaged.tar", fails=True)
    assert other.run("sha256sum /etc/parking/private/ca.key") == secret
    other.run(f"{HERE}/restore /mnt/backup.tar")
    assert other.run("sha256sum /etc/parking/private/ca.key") != secret
    assert other.run("ls -d /var/lib/*.before /etc/parking/*.before 2>/dev/null || true") == ""


def only_three_ports_are_open(box: Box) -> None:
    listening = re.findall(r"^LISTEN +\S+ +\S+ +(\S+):(\d+)", box.run("ss -ltn"), re.M)
    assert {int(port) for _, port in listening} >= {8080, 8081, 8443, 8883, 8884, 9000, 9093, 15432}
    local = ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]")
    assert {int(port) for host, port in listening if host not in local} == {8443, 8883}


def secrets_are_private(box: Box) -> None:
    modes = box.run("stat -L -c '%a %n' /etc/parking/private/*").splitlines()
    assert len(modes) > 20
    assert [m for m in modes if not m.startswith("600 ")] == ["644 /etc/parking/private/ca"]
