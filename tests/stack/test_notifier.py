"""Two notifier processes on real Kafka: a client moves from one to the other through a kill,
streams end with a clean stop, and the past is read from Postgres."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psycopg

from parking.access.keys import KeyFile
from parking.core.topics import LAYOUTS
from parking.runtime.kafka import KafkaSettings
from services.notifier.adapters import KafkaLog
from services.notifier.history import History
from services.persister.migrate import migrate
from tests.support.databases import new_database
from tests.support.notifier_instance import Backend, Events, Given, Instance
from tests.support.notifying import SQUARE, changed, record
from tests.support.waiting import PATIENCE
from tools.stack.checks import HOST, free_ports
from tools.stack.infra import Infra
from tools.stack.settings import ROOT

START_LIMIT_S = 60.0


@asynccontextmanager
async def process(
    infra: Infra, keys: Path
) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    """Run a notifier as the stack starts it, until it is ready."""
    port = free_ports(1)[0]
    environ = {
        **os.environ,
        **infra.env_for("notifier"),
        "HTTP_PORT": str(port),
        "KEYS_FILE": str(keys),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.notifier", cwd=ROOT, env=environ
    )
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=20) as http:
        try:
            await until_ready(running, http)
            yield running, http
        finally:
            if running.returncode is None:
                running.kill()
            await running.wait()


async def until_ready(running: asyncio.subprocess.Process, http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE * START_LIMIT_S):
        while True:
            assert running.returncode is None, "the notifier ended"
            try:
                if (await http.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


async def collect(http: httpx.AsyncClient, site: str, last_id: str, upto: int) -> dict[int, str]:
    """Return versions and ids of what a client receives until it has seen version `upto`."""
    got: dict[int, str] = {}
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with http.stream("GET", "/api/events", headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        events = Events(response)
        while upto not in got:
            event = await events.next()
            assert event.type != "reset", event.data
            if event.type == "snapshot":
                got[0] = event.id
            if event.type == "slot-change" and event.data["site_id"] == site:
                assert event.data["version"] not in got, "sent twice"
                got[event.data["version"]] = event.id
            if upto == 0 and 0 in got:
                break
    return got


async def test_a_client_is_carried_over_a_killed_instance(
    infra: Infra, unique: Callable[[str], str], tmp_path: Path
):
    site = unique("site")
    backend = Backend(KafkaSettings(infra.bootstrap))
    keys = tmp_path / "keys"
    async with process(infra, keys) as (first, one), process(infra, keys) as (second, two):
        start = (await collect(one, site, "", 0))[0]
        await backend.write(*(record(changed(site, n)) for n in range(1, 21)))
        seen = await collect(one, site, start, 12)
        assert sorted(seen) == list(range(1, 13))
        first.send_signal(signal.SIGKILL)
        await first.wait()
        await backend.write(*(record(changed(site, n)) for n in range(21, 41)))
        rest = await collect(two, site, seen[12], 40)
        assert sorted(rest) == list(range(13, 41))
        async with process(infra, keys) as (_, fresh):
            again = await collect(fresh, site, seen[5], 40)
            assert sorted(again) == list(range(6, 41)), "an instance started since then"
        async with two.stream("GET", "/api/events") as response:
            events = Events(response)
            assert (await events.next()).type == "snapshot"
            second.send_signal(signal.SIGTERM)
            async with asyncio.timeout(15):
                assert await second.wait() == 0
    await backend.close()


async def test_a_layout_put_through_the_api_is_in_kafka(
    infra: Infra, unique: Callable[[str], str], tmp_path: Path
):
    site = unique("site")
    key = KeyFile(tmp_path / "keys").add("editor", "write")
    backend = Backend(KafkaSettings(infra.bootstrap))
    body = {
        "site_name": "Lot",
        "camera_name": "North",
        "interval_ms": 1000,
        "zones": [{"zone_id": "A", "name": "A"}],
        "slots": [{"slot_id": "A1", "zone_id": "A", "polygon": SQUARE}],
    }
    path, headers = f"/api/cameras/{site}/north/layout", {"Authorization": f"Bearer {key}"}
    async with Instance(backend, Given(keys=tmp_path / "keys")) as notifier:
        for number in (1, 2):
            named = {**body, "camera_name": f"North {number}"}
            answer = await notifier.http.put(path, json=named, headers=headers)
            assert answer.json()["version"] == number
        crossed = [(0.1, 0.1), (0.3, 0.3), (0.3, 0.1), (0.1, 0.3)]
        bad = {**body, "slots": [{"slot_id": "A1", "zone_id": "B", "polygon": crossed}]}
        answer = await notifier.http.put(path, json=bad, headers=headers)
        assert (answer.status_code, len(answer.json()["faults"])) == (422, 2)
    log = KafkaLog(KafkaSettings(infra.bootstrap))
    bounds = await log.bounds(LAYOUTS)
    records = await log.read(
        {place: first for place, (first, _) in bounds.items()},
        {place: end for place, (_, end) in bounds.items()},
    )
    assert sum(record.key == f"{site}/north".encode() for record in records) == 2
    await log.close()
    await backend.close()


async def test_the_past_is_read_from_postgres(infra: Infra, unique: Callable[[str], str]):
    site = unique("site")
    with new_database(infra) as url:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await migrate(connection)
            for version in range(1, 6):
                await connection.execute(
                    "insert into slot_changes (id, run, site_id, slot_id, zone_id, time_ms,"
                    " from_state, to_state, version, confidence, reason, cause_kind, cause_id)"
                    " values (%s, 'live', %s, 'A1', 'A', %s, 'free', 'occupied', %s, 0.9,"
                    " 'observed', 'frame', 'f')",
                    (f"{site}-{version}", site, 1000 * version, version),
                )
            await connection.execute("insert into sites values (%s)", [site])
            await connection.execute(
                "insert into cameras (camera_id, site_id) values (%s, %s)", [f"{site}/north", site]
            )
            await connection.execute(
                "insert into captures (frame_id, site_id, camera_id, time_ms)"
                " values (%s, %s, %s, 7)",
                (f"{site}/north/1/1", site, f"{site}/north"),
            )
        backend, history = Backend(None), History(url)
        async with Instance(backend, Given(history=history)) as notifier:
            chosen = f"site={site}&slot=A1&from_ms=2000&to_ms=4000&limit=2"
            changes = (await notifier.http.get(f"/api/history/changes?{chosen}")).json()
            assert [change["version"] for change in changes] == [4, 3]
            captures = (await notifier.http.get("/api/captures", params={"site": site})).json()
            assert [c["status"] for c in captures] == ["received"]
        await history.close()


async def test_devices_are_shown_with_their_last_reports(
    infra: Infra, unique: Callable[[str], str], tmp_path: Path
):
    site = unique("site")
    key = KeyFile(tmp_path / "keys").add("fleet", "devices")
    newest = {"rssi_dbm": -71, "firmware": "1.3", "frames_dropped": 9, "gate_events_waiting": 4}
    newest |= {"gate_events_lost": 2, "gate_edges_lost": 0}
    events: list[tuple[str, int, str | None, str | None]] = [
        ("online", 1, None, None),
        ("telemetry", 2, '{"rssi_dbm": -60.5, "firmware": "1.2"}', None),
        ("telemetry", 4, json.dumps(newest), None),
        ("heartbeat", 5, None, "replay"),
        ("heartbeat", 6, None, "rate"),
        ("offline", 3, None, "lost"),
    ]
    with new_database(infra) as url:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await migrate(connection)
            await connection.execute("insert into devices values (%s, %s)", [f"{site}/cam", site])
            for kind, time_ms, telemetry, reason in events:
                await connection.execute(
                    "insert into device_events (id, site_id, device_id, time_ms, kind, telemetry,"
                    " reason) values (%s, %s, %s, %s, %s, %s, %s)",
                    (f"{site}-{time_ms}", site, f"{site}/cam", time_ms, kind, telemetry, reason),
                )
        given = Given(keys=tmp_path / "keys", history=History(url), devices=tmp_path / "passwords")
        async with Instance(Backend(None), given) as notifier:
            path, headers = f"/api/sites/{site}/devices", {"Authorization": f"Bearer {key}"}
            await notifier.http.post(path, json={"device": "gate"}, headers=headers)
            cam, gate = (await notifier.http.get(path, headers=headers)).json()
        assert given.history is not None
        await given.history.close()
    assert gate["device_id"] == f"{site}/gate"
    assert gate["may_connect"] is True
    assert gate["last_seen_ms"] is None
    expected = {
        "may_connect": False,
        "state": "offline",
        "state_since_ms": 3,
        "state_reason": "lost",
        "last_seen_ms": 6,
        "replayed_at_ms": 5,
        "rate_limited_at_ms": 6,
        "uptime_s": None,
    }
    assert (expected | newest).items() <= cam.items()
