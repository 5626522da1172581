"""Files with slots over the API: read, written, and refused with every fault."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from parking.access.keys import KeyFile
from parking.core.errors import Invalid
from parking.wire import slotfiles
from parking.wire.slotfiles import SLOT_FILE_MAX_BYTES, WRITERS
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.notifying import SQUARE, layout, record

PATH = "/api/v1/cameras/demo/north/slot-file"
AS_FILE = {"Content-Type": "application/octet-stream"}
SIZE = {"width": 1280, "height": 720}
SLOT: dict[str, Any] = {
    "slot_id": "B7",
    "zone_id": "west",
    "polygon": [list(point) for point in SQUARE],
    "plan": None,
    "kind": "ev",
    "enabled": False,
}


@pytest.fixture
async def notifier(tmp_path: Path) -> AsyncIterator[Instance]:
    key = KeyFile(tmp_path / "keys").add("office", "write")
    backend = Backend(None)
    await backend.write(record(layout("demo")))
    async with Instance(backend, Given(keys=tmp_path / "keys")) as running:
        running.http.headers["Authorization"] = f"Bearer {key}"
        yield running


async def sent(notifier: Instance, data: bytes, **more: Any) -> httpx.Response:
    return await notifier.http.post(PATH, content=data, params=SIZE | more, headers=AS_FILE)


@pytest.mark.parametrize("format_", WRITERS)
async def test_a_written_file_is_read_as_the_same_slots(notifier: Instance, format_: str):
    drawing = {"slots": [SLOT], "zones": [], "camera_name": "of a whole layout"}
    written = await notifier.http.post(f"{PATH}/{format_}", json=drawing, params=SIZE)
    assert written.status_code == 200, written.text
    assert "demo-north." in written.headers["content-disposition"]
    answer = await sent(notifier, written.content)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["format"], body["slots"], body["notes"]) == (format_, [SLOT], [])
    assert body["zones"] == [{"zone_id": "west", "name": "west"}]


async def test_every_fault_of_a_file_is_listed(notifier: Instance):
    bad = b'<parking id="1"><space id="1"/>\n<space id="2"/></parking>'
    answer = await sent(notifier, bad)
    assert (answer.status_code, answer.json()["error"]) == (422, "bad-slot-file")
    places = [fault.split(":")[0] for fault in answer.json()["faults"]]
    assert places == ["line 1, <space>", "line 2, <space>"]


async def test_other_bodies_and_formats_are_refused(notifier: Instance):
    large = await sent(notifier, b" " * (SLOT_FILE_MAX_BYTES + 1))
    assert (large.status_code, large.json()["error"]) == (413, "too-large")
    assert (await sent(notifier, b"{}", width=0)).status_code == 422
    unknown = await notifier.http.post(f"{PATH}/kml", json={"slots": [SLOT]}, params=SIZE)
    assert (unknown.status_code, unknown.json()["error"]) == (404, "no-format")
    wrong = await notifier.http.post(f"{PATH}/coco", json={"slots": [{}]}, params=SIZE)
    assert len(wrong.json()["faults"]) == 3


async def test_at_most_four_files_are_held_at_a_time(notifier: Instance):
    """Further files are refused at once. When one of the four is done, there is a place again."""
    done = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await done.wait()
        yield b"}"

    held = [
        asyncio.create_task(notifier.http.post(PATH, content=slow(), params=SIZE, headers=AS_FILE))
        for _ in range(4)
    ]
    async with asyncio.timeout(10):
        while (answer := await sent(notifier, b"{}")).status_code != 503:
            assert answer.status_code == 422
    assert answer.json()["error"] == "busy"
    done.set()
    assert [(await one).status_code for one in held] == [422] * 4
    assert (await sent(notifier, b"{}")).status_code == 422


async def test_a_page_of_another_site_cannot_send_a_file_without_asking(notifier: Instance):
    plain = {"Content-Type": "text/plain"}
    answer = await notifier.http.post(PATH, content=b"{}", params=SIZE, headers=plain)
    assert (answer.status_code, answer.json()["error"]) == (415, "not-a-file")


@pytest.mark.parametrize(
    "data",
    [
        b"filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
        b"region_attributes\na.jpg,-1,{},1,0," + b"[" * 60_000 + b",{}\n",
        b'{"images":[{"id":1,"file_name":"a","width":1%s,"height":9}],"annotations":[]}'
        % (b"0" * 400),
        b'{"images":[{"id":1,"file_name":"a","width":9,"height":9}],"annotations":[{"id":1,'
        b'"image_id":1,"category_id":1,"segmentation":[[1%s,0,1,0,1,1]]}]}' % (b"0" * 400),
    ],
    ids=["deep", "width", "corner"],
)
def test_numbers_and_depths_that_nothing_can_hold_are_refused(data: bytes):
    with pytest.raises(Invalid):
        slotfiles.read(data)
