"""When PostgreSQL has no space left, the persister pauses, says why, and continues by itself when
there is space again. Every accepted event is stored once.

There are two ways to be full. A limit on the size of a file needs no rights and refuses new pages
of one table. On a small file system in memory, PostgreSQL itself may end (nightly, needs root).
"""

import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.chaos.test_disk_full import fill
from tests.support.databases import new_database
from tests.support.persister_world import (
    Process,
    World,
    dead_letters,
    gates_of,
    own_servers,
)
from tests.support.waiting import wait_until
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

SEGMENT_BYTES = 16 * 2**20  # of the write-ahead log: a lower limit would refuse that, too
FILLER = "x" * 1_000
SIZE_MB = 400
FULL = 'parking_still_seconds{what="postgres-full"}'
AWAY = 'parking_still_seconds{what="postgres'
pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Infra]:
    with own_servers(tmp_path_factory.mktemp("full")) as running:
        yield running


@contextmanager
def small_files() -> Iterator[None]:
    """Let no process started here write a file beyond this size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SEGMENT_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def own_postgres(state: Path) -> Iterator[Infra]:
    with Infra(Paths(state, ROOT / ".state" / "cache"), os.environ, parts=("postgres",)) as server:
        yield server


def fill_table(world: World) -> None:
    """Insert copies of one row until the table cannot grow."""
    columns = "site_id, device_id, direction, time_ms, time_source, via"
    copies = (
        f"insert into gate_events (id, gate_id, {columns}) "  # noqa: S608 -- a test's own words
        f"select gen_random_uuid(), '{FILLER}', {columns} from "
        "(select * from gate_events limit 1) one, generate_series(1, 100)"
    )

    def grow() -> None:
        for _ in range(SEGMENT_BYTES // len(FILLER)):
            world.rows(copies)

    with pytest.raises(psycopg.Error, match="File too large"):
        grow()


def test_a_table_that_cannot_grow_pauses_the_persister(
    own: Infra,
    tmp_path: Path,
    unique: Callable[[str], str],
    record_property: Callable[[str, object], None],
) -> None:
    with ExitStack() as stack:
        with small_files():
            server = stack.enter_context(own_postgres(tmp_path / "state"))
        world = World(own, stack.enter_context(new_database(server)), unique("site"), tmp_path)
        world.send(gates_of(world, 200))
        persister = stack.enter_context(world.persister())
        world.drained()
        fill_table(world)
        before = sum(world.offsets().values())
        began = time.monotonic()
        world.send(gates_of(world, 2_000, 200))
        wait_until(lambda: persister.says("no disk space left"), 60, "the reason in /readyz")
        record_property("said_after_s", round(time.monotonic() - began, 1))
        wait_until(lambda: persister.counted(FULL) > 2, 30, "the metric grows")
        assert persister.asked("/healthz").status_code == 200, "a restart would not help"
        assert sum(world.offsets().values()) < before + 2_000
        record_property("said", persister.asked("/readyz").json()["reasons"]["effects"])
        world.rows("delete from gate_events where gate_id = %s", FILLER)
        world.rows("vacuum gate_events")
        resumed(world, persister, began_s=time.monotonic(), note=record_property)
        assert world.count("gate_events", f"site_id = '{world.site}'") == 2_200


def resumed(
    world: World, persister: Process, began_s: float, note: Callable[[str, object], None]
) -> None:
    """Check that it resumed by itself: the same process, nothing left to write, no dead letters,
    and no complaint in /readyz."""
    world.drained(90)
    note("resumed_after_s", round(time.monotonic() - began_s, 1))
    wait_until(lambda: persister.asked("/readyz").status_code == 200, 30, "it is ready")
    assert persister.counted(AWAY) == 0
    assert persister.process.poll() is None
    assert dead_letters(world) == []


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    command = ["/bin/mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["/bin/umount", "-l", str(folder)], check=True)


@pytest.mark.nightly
@pytest.mark.parametrize("with_log", [False, True], ids=["tables", "and the write-ahead log"])
def test_a_full_disk_pauses_the_persister(
    own: Infra,
    tmp_path: Path,
    unique: Callable[[str], str],
    with_log: bool,
    record_property: Callable[[str, object], None],
) -> None:
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk"))
        server = stack.enter_context(own_postgres(disk / "state"))
        url = stack.enter_context(new_database(server))
        world = World(own, url, unique("site"), tmp_path)
        world.send(gates_of(world, 200))
        with world.persister() as persister:
            world.drained()
            ballast = fill(disk)
            if with_log:
                end_server(server)
            world.send(gates_of(world, 5_000, 200))
            wait_until(lambda: persister.counted(AWAY) > 2, 90, "the metric grows")
            assert persister.says("Postgres"), persister.asked("/readyz").text
            record_property("said", persister.asked("/readyz").json()["reasons"]["effects"])
            assert persister.asked("/healthz").status_code == 200
            ballast.unlink()
            resumed(world, persister, began_s=time.monotonic(), note=record_property)
        assert world.count("gate_events", f"site_id = '{world.site}'") == 5_200
        if with_log:
            assert "is full" in server.log("stack")


def end_server(server: Infra) -> None:
    """Make PostgreSQL end because it cannot begin the next file of its log. The supervisor
    waits."""
    password = (server.settings.paths.secrets / "postgres_admin").read_text("utf-8").strip()
    admin = make_conninfo(server.dsn, user="postgres", password=password, dbname="postgres")
    unit = server._supervisor.units["postgres"]  # noqa: SLF001 -- its state is what is asked

    def ended() -> bool:
        try:
            with psycopg.connect(admin, autocommit=True) as connection:
                connection.execute("select txid_current(), pg_switch_wal()")
        except psycopg.OperationalError:
            pass
        return unit.state == "no space"

    wait_until(ended, 120, "PostgreSQL waits for space")
