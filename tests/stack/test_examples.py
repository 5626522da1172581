"""The examples do what they say, run as the processes that a reader starts."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from parking.core.events import OccupancyMeasured
from parking.core.topics import OCCUPANCY
from parking.wire import codec
from parking.wire.ports import Outgoing
from tests.support.notifying import changed, record
from tests.support.tracker_log import send
from tests.support.transactions import transact
from tests.support.waiting import wait_until
from tools.record.__main__ import main as record_window
from tools.stack.infra import Infra
from tools.stack.settings import ROOT

pytestmark = pytest.mark.stack

EXAMPLES = ROOT / "examples"


@contextmanager
def running(out: Path, *arguments: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run an example whose output is appended to `out`."""
    command = [sys.executable, str(EXAMPLES / arguments[0]), *arguments[1:]]
    with (
        out.open("ab") as file,
        subprocess.Popen(command, stdout=file, env=os.environ | env) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def lines(out: Path) -> list[Any]:
    """Return the lines that were printed completely."""
    return [json.loads(line) for line in out.read_text("utf-8").splitlines(keepends=True)
            if line.endswith("\n")]  # fmt: skip


def minute(site: str, number: int) -> Outgoing:
    begin_ms = number * 60_000
    event = OccupancyMeasured(
        id=f"{site}/a/standard/{begin_ms}",
        site_id=site,
        time_ms=begin_ms + 60_000,
        minute_at_ms=begin_ms,
        zone_id="a",
        kind="standard",
        version=number,
        free=1,
        occupied=1,
        unknown=0,
        closed=0,
        entries=0,
        exits=0,
        turnover=0.0,
    )
    return codec.outgoing(event, OCCUPANCY, site, "test")


def test_the_consumer_prints_what_is_committed_and_goes_on_where_it_was(
    infra: Infra, unique, tmp_path: Path
) -> None:
    site, out = unique("site"), tmp_path / "out"

    def printed() -> list[int]:
        return [line["version"] for line in lines(out) if line["site_id"] == site]

    def run(upto: int) -> None:
        with running(out, "occupancy_consumer.py", KAFKA_BOOTSTRAP=infra.bootstrap):
            wait_until(lambda: upto in printed(), 30, f"minute {upto}")

    transact(infra, [minute(site, 1), minute(site, 2)], commit=True)
    transact(infra, [minute(site, 3)], commit=False)
    transact(infra, [minute(site, 4)], commit=True)
    run(4)
    transact(infra, [minute(site, 5)], commit=False)
    transact(infra, [minute(site, 6)], commit=True)
    run(6)
    assert list(dict.fromkeys(printed())) == [1, 2, 4, 6]
    assert printed().count(1) == 1


def test_the_stream_is_resumed_after_a_kill_without_a_gap(
    infra: Infra, unique, tmp_path: Path
) -> None:
    site, out, kept = unique("site"), tmp_path / "out", tmp_path / "last-id"
    infra.start_service("notifier", {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})

    def versions() -> list[int]:
        changes = [line["data"] for line in lines(out) if line["event"] == "slot-change"]
        return [data["version"] for data in changes if data["site_id"] == site]

    try:
        url = f"{infra.url('notifier')}/api/events"
        with running(out, "sse_resume.py", url, str(kept)) as client:
            wait_until(lambda: out.exists() and lines(out), 30, "a snapshot")
            send(infra, [record(changed(site, number)) for number in range(1, 21)])
            wait_until(lambda: 20 in versions(), 30, "twenty changes")
            client.send_signal(signal.SIGKILL)
        send(infra, [record(changed(site, number)) for number in range(21, 41)])
        with running(out, "sse_resume.py", url, str(kept)):
            wait_until(lambda: 40 in versions(), 30, "what was missed")
        assert list(dict.fromkeys(versions())) == list(range(1, 41))
        assert sum(line["event"] == "snapshot" for line in lines(out)) == 1, "it resumed"
        assert len(versions()) <= 41, "at most the last one came twice"
    finally:
        infra.stop("notifier")


def test_a_recorded_window_is_a_table_in_duckdb(
    infra: Infra, unique, tmp_path: Path, monkeypatch
) -> None:
    pytest.importorskip("duckdb", reason="extra `examples` is not installed")
    site, archive, out = unique("site"), tmp_path / "window.zip", tmp_path / "out"
    send(infra, [record(changed(site, number, slot=f"A{number}")) for number in range(1, 6)])
    monkeypatch.setenv("KAFKA_BOOTSTRAP", infra.bootstrap)
    record_window([str(archive), "--site", site, "--from", "1h", "--without-frames"])
    with running(out, "recorded_window.py", str(archive)) as process:
        assert process.wait(60) == 0
    header, row = (line.split("\t") for line in out.read_text("utf-8").splitlines())
    assert header[:3] == ["zone", "slots", "arrivals"]
    assert row[:4] == ["A", "5", "5", "0"]
