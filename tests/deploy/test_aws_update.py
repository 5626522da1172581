"""deploy/aws/instance/update on a computer of its own, with AWS's own client against moto's server:
from one release to the next, and from the layout before /opt/smart-parking. Short scripts replace
systemctl and the releases' Python."""

import hashlib
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.aws import REGION
from tests.support.boxes import Box, can_make_namespaces
from tools.stack.settings import ROOT

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not (can_make_namespaces() and shutil.which("aws")),
        reason="needs root, namespaces and AWS's command line",
    ),
]
INSTANCE: Final = ROOT / "deploy" / "aws" / "instance"
BUCKET: Final = "releases"
UPDATE: Final = (INSTANCE / "update").read_text("utf-8")
UNITS: Final = "/etc/systemd/system"
SITE: Final = f"""\
ROLE=backend
SIZE=small
AWS_DEFAULT_REGION={REGION}
RELEASES={BUCKET}
DATABASE_HOST=db.test
DATABASE_SECRET=master
AWS_ENDPOINT_URL=http://127.0.0.1:5999
AWS_ACCESS_KEY_ID=test
AWS_SECRET_ACCESS_KEY=test
"""
# Makes a virtual environment whose programs do nothing; `database.py` writes what it would, and the
# command `parking` a line in the log. It fails while /mnt/no-kafka is there.
PYTHON: Final = """\
#!/bin/bash
case $* in
*venv*) mkdir -p "${@: -1}/bin"; for name in pip python; do cp "$0" "${@: -1}/bin/$name"; done ;;
*database.py) cat >/dev/null; touch $SECRETS/database $SECRETS/database_{read,accounts} ;;
*tools.cli*) [ ! -e /mnt/no-kafka ] && echo "$KAFKA_USERNAME: ${*:3}" >>/mnt/log ;;
esac
"""
SYSTEMCTL: Final = """\
import os, sys
there = os.path.realpath("/opt/smart-parking/current")
print(*[w for w in sys.argv[1:] if w[0] != "-"], os.path.isdir(there), file=open("/mnt/log", "a"))
"""


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """Return a backend that has run before, with settings and secrets but without a release."""
    systemctl = tmp_path / "systemctl.py"
    systemctl.write_text(SYSTEMCTL, "utf-8")
    with Box(tmp_path / "one", systemctl) as box:
        (box.share / "python3.12").write_text(PYTHON, "utf-8")
        (box.share / "site.env").write_text(SITE, "utf-8")
        venv, aws = ROOT.resolve() / ".venv" / "bin", shutil.which("aws")
        box.run(
            f"install -m 755 /mnt/python3.12 /usr/local/sbin/; ln -s {aws} /usr/local/sbin/aws;"
            "id parking || useradd --system --user-group parking;"
            "install -d -m 755 /etc/parking /etc/parking-kafka; cp /mnt/site.env /etc/parking/;"
            "install -d -o parking /etc/parking/secrets; mkdir /var/lib/parking-kafka;"
            "touch /etc/parking/.packages /etc/parking/.settings /etc/parking/common.env;"
            "ln -sf /bin/true /usr/local/sbin/curl;"
            "touch /etc/parking-kafka/server.properties;"
            "echo KEYS_FILE=/etc/parking/keys >/etc/parking/notifier.env;"
            f"rm -f {UNITS}/parking*;"
            f"setsid {venv}/python -m moto.server -p 5999 >/mnt/moto.log 2>&1 </dev/null &"
        )
        aws_cli(box, "until aws sts get-caller-identity; do sleep 1; done")
        aws_cli(box, f"aws s3 mb s3://{BUCKET}")
        aws_cli(box, "aws secretsmanager create-secret --name master --secret-string '{}'")
        yield box


def with_update(box: Box, text: str) -> None:
    (box.share / "update").write_text(text, "utf-8")
    box.run("install -m 700 /mnt/update /usr/local/sbin/parking-update")


def aws_cli(box: Box, command: str) -> str:
    return box.run(f"set -a; . /etc/parking/site.env; {command}")


def publish(box: Box, version: str) -> None:
    """Publish as `release` does: this checkout's deploy folder and an empty wheel."""
    folder = box.share / version
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    for name in ("wheels", "kafka", "requirements"):
        (folder / name).mkdir()
    archive = box.share / f"{version}.tar.gz"
    with tarfile.open(archive, "w:gz") as packing:
        packing.add(folder, ".")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    (box.share / f"{version}.sha256").write_text(f"{digest}  x\n", "utf-8")
    for kind in ("tar.gz", "sha256"):
        aws_cli(box, f"aws s3 cp /mnt/{version}.{kind} s3://{BUCKET}/releases/{version}.{kind}")
    make_current(box, version)


def make_current(box: Box, version: str) -> None:
    aws_cli(box, f"printf {version} | aws s3 cp - s3://{BUCKET}/releases/current")


def current(box: Box) -> str:
    return box.run("readlink /opt/smart-parking/current").strip()


def asked(box: Box) -> list[str]:
    """Return what systemctl was asked and whether a release was current then, and forget it
    afterwards."""
    log = box.share / "log"
    lines = log.read_text("utf-8").splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


def restarted(lines: list[str]) -> list[str]:
    return [line.split()[1] for line in lines if line.startswith("restart parking@")]


READY: Final = "/opt/smart-parking/current/deploy/aws/instance/ready"
READERS_FIRST: Final = [f"parking@{n}" for n in ("notifier", "persister", "tracker", "ingest")]


def test_an_instance_takes_the_current_release_once_and_keeps_the_one_before(box: Box) -> None:
    with_update(box, UPDATE)
    for version in ("one", "two", "three"):
        publish(box, version)
        box.run("parking-update")
        assert current(box) == f"/opt/smart-parking/releases/{version}"
        lines = asked(box)
        assert restarted(lines) == READERS_FIRST
        topics = lines.index("operator: topics apply --replication 1")  # for each release
        assert lines[topics + 1] == "operator: acls apply"
        assert topics < lines.index("restart parking@notifier True")
        assert box.run(f"{READY} {version}") == f"{version} runs\n"
        box.run("parking-update")
        assert asked(box) == []
    assert box.run("ls /opt/smart-parking/releases").split() == ["three", "two"]
    make_current(box, "two")  # the way back
    box.run("parking-update")
    assert current(box) == "/opt/smart-parking/releases/two"


def test_a_release_that_was_not_started_is_not_ready_and_is_taken_again(box: Box) -> None:
    with_update(box, UPDATE)
    box.run("mkdir /opt/parking")
    publish(box, "one")
    (box.share / "no-kafka").touch()
    for _ in range(2):
        box.run("TRIES=1 parking-update", fails=True)
        assert current(box) == "/opt/smart-parking/releases/one"
        assert restarted(asked(box)) == []
        assert "one is installed, but was not started" in box.run(f"{READY} one", fails=True)
    box.run("test -e /opt/parking")
    (box.share / "no-kafka").unlink()
    box.run("parking-update")
    assert restarted(asked(box)) == READERS_FIRST
    assert box.run(f"{READY} one") == "one runs\n"
    # Nor is one that ran earlier, and does not start on the way back.
    publish(box, "two")
    box.run("parking-update")
    make_current(box, "one")
    (box.share / "no-kafka").touch()
    box.run("TRIES=1 parking-update", fails=True)
    assert "was not started" in box.run(f"{READY} one", fails=True)


def test_an_instance_with_releases_in_opt_parking_moves_to_the_present_folder(box: Box) -> None:
    """The script on the instance still belongs to the former release, and Kafka runs from a former
    unit."""
    with_update(box, UPDATE.replace("/opt/smart-parking", "/opt/parking"))
    box.run(
        "mkdir -p /opt/parking/releases/zero; cd /opt/parking; ln -s releases/zero current;"
        f"echo ExecStart=/opt/parking/current/kafka >{UNITS}/parking-kafka.service"
    )
    publish(box, "one")
    box.run("parking-update")
    assert current(box) == "/opt/smart-parking/releases/one"
    lines = asked(box)
    assert restarted(lines) == READERS_FIRST  # once, not once for each layout
    assert all(line.endswith(" True") for line in lines if line.startswith("restart"))
    kafka = lines.index("restart parking-kafka.service True")
    assert kafka < lines.index("restart parking@notifier True")
    kept = (INSTANCE / "units" / "parking-kafka.service").read_text("utf-8")
    assert box.run(f"cat {UNITS}/parking-kafka.service") == kept
    assert "SIGN_IN=required" in box.run("cat /etc/parking/notifier.env")
    assert box.run("cat /usr/local/sbin/parking-update") == UPDATE
    # The timer's next call removes what is left of the former layout.
    box.run("parking-update")
    assert box.run("ls /opt | grep -x parking || true") == ""
    assert asked(box) == []
    publish(box, "two")
    box.run("parking-update")
    assert current(box) == "/opt/smart-parking/releases/two"
    assert "restart parking-kafka.service True" not in asked(box)
