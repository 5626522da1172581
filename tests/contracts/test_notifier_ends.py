"""Remove and rename through the API: the records that are written and the state that is shown."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parking.access.keys import KeyFile
from parking.core.events import LayoutAdopted, LayoutPublished, Removed, SiteCommanded
from parking.core.topics import CAMERA_STATUS, LAYOUTS, SITE_COMMANDS
from parking.wire import codec
from parking.wire.ports import Outgoing
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.notifying import SQUARE, layout, record, state, status

LAYOUT: dict[str, Any] = {
    "site_name": "Demo",
    "camera_name": "North",
    "interval_ms": 500,
    "zones": [{"zone_id": "A", "name": "Row A"}, {"zone_id": "B", "name": "Row B"}],
    "slots": [
        {"slot_id": "A1", "zone_id": "A", "polygon": SQUARE},
        {"slot_id": "B1", "zone_id": "B", "polygon": [[x + 0.3, y] for x, y in SQUARE]},
    ],
}
CAMERA = "/api/cameras/demo/north"


@pytest.fixture
async def backend() -> Backend:
    made = Backend(None)
    await made.write(record(layout("demo")), record(status("demo")), record(state("demo", 1)))
    return made


@pytest.fixture
async def notifier(backend: Backend, tmp_path: Path) -> AsyncIterator[Instance]:
    key = KeyFile(tmp_path / "keys").add("operator", "write")
    async with Instance(backend, Given(keys=tmp_path / "keys")) as running:
        running.http.headers["Authorization"] = f"Bearer {key}"
        yield running


def commands(backend: Backend) -> list[Any]:
    found = [codec.decode(r) for r in backend.broker.records(SITE_COMMANDS)]
    return [one.command for one in found if isinstance(one, SiteCommanded)]


def layouts(backend: Backend) -> list[LayoutPublished]:
    found = [codec.decode(r) for r in backend.broker.records(LAYOUTS)]
    return [one for one in found if isinstance(one, LayoutPublished)]


async def test_a_camera_is_taken_away(notifier: Instance, backend: Backend):
    answer = await notifier.http.delete(CAMERA)
    assert answer.status_code == 202
    last = layouts(backend)[-1]
    assert (last.version, last.removed, last.slots) == (2, True, [])
    assert commands(backend) == [Removed(camera_ids=["demo/north"])]
    # The tracker's part: the camera's last status, then its end.
    await backend.write(Outgoing(CAMERA_STATUS, b"demo/north", None))
    await notifier.feed.until(lambda: "demo/north" not in notifier.feed.state.statuses)
    assert (await notifier.http.get(CAMERA)).status_code == 404
    assert (await notifier.http.get(f"{CAMERA}/layout")).status_code == 404
    assert (await notifier.http.delete(CAMERA)).status_code == 404


async def test_a_camera_that_comes_back_goes_on_with_its_versions(
    notifier: Instance, backend: Backend
):
    await notifier.http.delete(CAMERA)
    answer = await notifier.http.put(f"{CAMERA}/layout", json=LAYOUT)
    assert (answer.status_code, answer.json().get("version")) == (200, 3), answer.text
    assert [one.removed for one in layouts(backend)] == [False, True, False]


async def test_a_layout_without_slots_takes_a_camera_out_of_service(
    notifier: Instance, backend: Backend
):
    answer = await notifier.http.put(f"{CAMERA}/layout", json={**LAYOUT, "slots": []})
    assert answer.status_code == 200
    (adopted,) = commands(backend)
    assert isinstance(adopted, LayoutAdopted)
    assert adopted.slots == []
    site = (await notifier.http.get("/api/sites/demo")).json()
    assert (site["counts"]["total"], len(site["cameras"])) == (0, 1)


async def test_a_slot_and_a_zone_leave_every_layout(notifier: Instance, backend: Backend):
    await notifier.http.put(f"{CAMERA}/layout", json=LAYOUT)
    assert (await notifier.http.delete("/api/sites/demo/slots/A1")).status_code == 202
    assert (await notifier.http.delete("/api/sites/demo/zones/B")).status_code == 202
    without_slot, without_zone = layouts(backend)[-2:]
    assert [slot.slot_id for slot in without_slot.slots] == ["B1"]
    assert (without_zone.slots, [zone.zone_id for zone in without_zone.zones]) == ([], ["A"])
    removed = [one for one in commands(backend) if isinstance(one, Removed)]
    assert removed == [Removed(slot_ids=["A1"]), Removed(slot_ids=["B1"])]


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        (CAMERA, {"name": "Süd"}, lambda made: made.camera_name == "Süd"),
        ("/api/sites/demo", {"name": "Lot"}, lambda made: made.site_name == "Lot"),
        ("/api/sites/demo/zones/A", {"name": "Z"}, lambda made: made.zones[0].name == "Z"),
        ("/api/sites/demo/slots/A1", {"slot_id": "X"}, lambda made: made.slots[0].slot_id == "X"),
    ],
)
async def test_things_are_called_otherwise(
    notifier: Instance, backend: Backend, path, body, detail
):
    assert (await notifier.http.patch(path, json=body)).status_code == 202
    assert detail(layouts(backend)[-1])
    assert isinstance(commands(backend)[0], LayoutAdopted)


async def test_another_device_takes_a_cameras_view(notifier: Instance, backend: Backend):
    answer = await notifier.http.patch(CAMERA, json={"device": "mast"})
    assert answer.status_code == 202
    new, old = layouts(backend)[-2:]
    assert (new.camera_id, new.removed, len(new.slots)) == ("demo/mast", False, 2)
    assert (old.camera_id, old.removed) == ("demo/north", True)
    adopted, removed = commands(backend)  # the new one first, so that its slots go on
    assert adopted.camera_id == "demo/mast"
    assert removed == Removed(camera_ids=["demo/north"])


async def test_a_site_is_taken_away(notifier: Instance, backend: Backend):
    assert (await notifier.http.delete("/api/sites/demo")).status_code == 202
    assert all(one.removed for one in layouts(backend)[1:])
    assert commands(backend) == [Removed(whole_site=True)]


@pytest.mark.parametrize(
    ("method", "path", "body", "refusal"),
    [
        ("DELETE", "/api/sites/none", None, (404, "no-site")),
        ("DELETE", "/api/cameras/demo/none", None, (404, "no-camera")),
        ("DELETE", "/api/sites/demo/slots/none", None, (404, "no-slot")),
        ("DELETE", "/api/sites/demo/zones/none", None, (404, "no-zone")),
        ("PATCH", "/api/sites/demo", {"name": ""}, (422, "bad-schema")),
        ("PATCH", "/api/sites/demo", {"name": "a\tb"}, (422, "bad-layout")),
        ("PATCH", "/api/sites/demo", {"name": "a\0b"}, (422, "bad-schema")),
        ("PATCH", CAMERA, {}, (422, "bad-schema")),
        ("PATCH", CAMERA, {"device": "north"}, (409, "camera-exists")),
        ("PATCH", "/api/sites/demo/slots/A1", {"slot_id": "A2"}, (409, "slot-exists")),
        ("PATCH", "/api/sites/demo/slots/A1", {"slot_id": "A 2"}, (422, "bad-schema")),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_written(
    notifier: Instance, backend: Backend, method, path, body, refusal
):
    answer = await notifier.http.request(method, path, json=body)
    assert (answer.status_code, answer.json()["error"]) == refusal
    assert len(layouts(backend)) == 1
    assert commands(backend) == []


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
@pytest.mark.parametrize("path", [CAMERA, "/api/sites/demo", "/api/sites/demo/slots/A1"])
async def test_it_needs_a_key(notifier: Instance, backend: Backend, method: str, path: str):
    answer = await notifier.http.request(method, path, headers={"Authorization": ""})
    assert answer.status_code == 401
    assert commands(backend) == []


async def test_a_camera_without_a_stored_picture_is_shown(notifier: Instance):
    """Its layout and status are known, and only the size of its picture is not."""
    answer = await notifier.http.get(CAMERA)
    assert (answer.status_code, answer.json()["camera_id"]) == (200, "demo/north")
