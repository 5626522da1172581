"""The Kafka records of each write, and the writes that are refused."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parking.access.bearer import WRONG_LIMIT
from parking.access.keys import KeyFile
from parking.core import lots
from parking.core.events import GateEventReceived, LayoutPublished, Recounted, SiteCommanded
from parking.core.topics import GATE_EVENTS, LAYOUTS, SITE_COMMANDS
from parking.wire import codec
from services.detector.picture import Picture
from services.notifier.state import LAYOUTS_REMEMBERED
from tests.components.test_placement import frame as demo_frame
from tests.components.test_placement import shaken
from tests.support.detector_tools import jpeg
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.notifying import SQUARE, frame, layout, record

LAYOUT: dict[str, Any] = {
    "site_name": "Demo",
    "camera_name": "North",
    "interval_ms": 500,
    "zones": [{"zone_id": "A", "name": "Row A"}],
    "slots": [{"slot_id": "A1", "zone_id": "A", "polygon": SQUARE}],
}
FLAT = [(0.1, 0.5), (0.9, 0.5), (0.9, 0.5004), (0.1, 0.5004)]
CROSSED = [(0.1, 0.1), (0.3, 0.3), (0.3, 0.1), (0.1, 0.3)]


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    file = KeyFile(tmp_path / "keys")
    made = {"frames": file.add("demo/cam", "frames"), "write": file.add("write", "write")}
    return {"none": "", "wrong": "pk_wrong", **made}


@pytest.fixture
async def backend() -> Backend:
    made = Backend(None)
    await made.write(record(layout("demo")))
    return made


@pytest.fixture
async def notifier(
    backend: Backend, keys: dict[str, str], tmp_path: Path
) -> AsyncIterator[Instance]:
    given = Given(keys=tmp_path / "keys", origins=["https://lot.example"])
    async with Instance(backend, given) as running:
        yield running


def bearing(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def events_of(backend: Backend, topic: str, cls: type) -> list[Any]:
    found = [codec.decode(r) for r in backend.broker.records(topic)]
    return [event for event in found if isinstance(event, cls)]


async def test_a_count_becomes_a_command_to_the_site(
    notifier: Instance, backend: Backend, keys: dict[str, str]
):
    headers = {**bearing(keys["write"]), "Idempotency-Key": "count-1"}
    response = await notifier.http.post(
        "/api/sites/demo/recount", json={"number_in": 42}, headers=headers
    )
    assert (response.status_code, response.json()) == (202, {"id": "demo/api/count-1"})
    (command,) = events_of(backend, SITE_COMMANDS, SiteCommanded)
    assert command.command == Recounted(number_in=42)
    for site, number, status in (("nowhere", 42, 404), ("demo", -1, 422), ("demo", 4_001, 422)):
        response = await notifier.http.post(
            f"/api/sites/{site}/recount", json={"number_in": number}, headers=headers
        )
        assert response.status_code == status


async def test_a_passage_becomes_a_gate_event_with_the_callers_id(
    notifier: Instance, backend: Backend, keys: dict[str, str]
):
    headers = {**bearing(keys["write"]), "Idempotency-Key": "till-7"}
    body = {"site_id": "demo", "gate_id": "east", "time_ms": 1, "plate_hash": "0123456789abcdef"}
    for _ in range(2):
        response = await notifier.http.post("/api/sessions/entry", json=body, headers=headers)
        assert response.json() == {"id": "demo/api/till-7"}
    first, second = events_of(backend, GATE_EVENTS, GateEventReceived)
    assert first.id == second.id == "demo/api/till-7"
    assert (first.direction, first.gate_id, first.via) == ("entry", "east", "api")
    assert (first.time_source, first.device_id) == ("receipt", "demo/api")
    assert "from now" in first.time_reason
    now = {"site_id": "demo", "time_ms": first.time_ms}
    await notifier.http.post("/api/sessions/exit", json=now, headers=bearing(keys["write"]))
    last = events_of(backend, GATE_EVENTS, GateEventReceived)[-1]
    assert (last.time_ms, last.time_source, last.direction) == (first.time_ms, "device", "exit")
    assert backend.broker.records(GATE_EVENTS)[-1].key == b"demo"


async def test_a_key_that_stands_for_another_request_is_refused(
    notifier: Instance, backend: Backend, keys: dict[str, str]
):
    """It is refused for another slot, state, reason, kind of command, direction or body. The same
    request is still accepted."""
    headers = {**bearing(keys["write"]), "Idempotency-Key": "k-1"}
    slots = "/api/sites/demo/slots"
    requests: list[tuple[str, dict[str, Any] | None]] = [
        (f"{slots}/A1/close", {"reason": "paint"}),
        (f"{slots}/A2/close", {"reason": "paint"}),
        (f"{slots}/A1/close", {"reason": "other"}),
        (f"{slots}/A1/open", None),
        (f"{slots}/A1/correct", {"state": "free"}),
        ("/api/sites/demo/recount", {"number_in": 3}),
        ("/api/sessions/entry", {"site_id": "demo"}),
        ("/api/sessions/exit", {"site_id": "demo"}),
    ]
    answers = [await notifier.http.post(p, json=body, headers=headers) for p, body in requests]
    assert [a.status_code for a in answers] == [202] + [409] * 7
    assert answers[1].json()["error"] == "key-reused"
    again = await notifier.http.post(requests[0][0], json=requests[0][1], headers=headers)
    assert (again.status_code, again.json()) == (202, {"id": "demo/api/k-1"})
    assert len(events_of(backend, SITE_COMMANDS, SiteCommanded)) == 2
    assert events_of(backend, GATE_EVENTS, GateEventReceived) == []


async def test_a_refused_request_uses_up_no_key(notifier: Instance, keys: dict[str, str]):
    headers = {**bearing(keys["write"]), "Idempotency-Key": "k-2"}
    path = "/api/sites/demo/slots/A1/close"
    bad = await notifier.http.post(path, json={"reason": "a\0b"}, headers=headers)
    good = await notifier.http.post(path, json={"reason": "ab"}, headers=headers)
    assert (bad.status_code, good.status_code) == (422, 202)
    assert bad.json()["faults"] == ["reason: the character U+0000 cannot be stored"]


async def test_commands_name_their_issuer(
    notifier: Instance, backend: Backend, keys: dict[str, str]
):
    headers = bearing(keys["write"])
    base = "/api/sites/demo/slots/A1"
    await notifier.http.post(f"{base}/close", json={"reason": "works"}, headers=headers)
    await notifier.http.post(f"{base}/open", headers=headers)
    await notifier.http.post(f"{base}/correct", json={"state": "occupied"}, headers=headers)
    sent = events_of(backend, SITE_COMMANDS, SiteCommanded)
    assert [type(event.command).__name__ for event in sent] == [
        "SlotClosed",
        "SlotOpened",
        "StateCorrected",
    ]
    assert {event.issued_by for event in sent} == {"write"}
    missing = await notifier.http.post("/api/sites/demo/slots/Z9/open", headers=headers)
    assert (missing.status_code, missing.json()["error"]) == (404, "no-slot")


async def test_a_layout_is_versioned_adopted_and_not_repeated(
    notifier: Instance, backend: Backend, keys: dict[str, str]
):
    headers = bearing(keys["write"])
    path = "/api/cameras/demo/north/layout"
    for expected in (2, 2):  # the same again is no new version
        response = await notifier.http.put(path, json=LAYOUT, headers=headers)
        assert response.json() == {"id": f"demo/north/layout/{expected}", "version": expected}
    wide = {**LAYOUT, "camera_name": "North, wide"}
    assert (await notifier.http.put(path, json=wide, headers=headers)).json()["version"] == 3
    shown = (await notifier.http.get(path)).json()
    assert (shown["version"], shown["camera_name"], shown["site_id"]) == (3, "North, wide", "demo")
    again = await notifier.http.put(path, json=shown, headers=headers)
    assert again.json()["version"] == 3
    assert [e.version for e in events_of(backend, LAYOUTS, LayoutPublished)] == [1, 2, 3]
    adopted = [e.command.version for e in events_of(backend, SITE_COMMANDS, SiteCommanded)]
    assert adopted == [2, 2, 3, 3]
    new = await notifier.http.put("/api/cameras/new/cam/layout", json=LAYOUT, headers=headers)
    assert new.json()["version"] == 1


async def test_a_layout_replaces_only_the_version_that_its_author_saw(
    notifier: Instance, backend: Backend, keys: dict[str, str]
):
    path = "/api/cameras/demo/north/layout"

    async def put(body: dict[str, Any], seen: str, to: str = path) -> tuple[int, str]:
        headers = {**bearing(keys["write"]), "If-Match": seen}
        response = await notifier.http.put(to, json=body, headers=headers)
        return response.status_code, response.json().get("error", "")

    seen = (await notifier.http.get(path)).headers["ETag"]
    assert seen == '"1"'
    mine, theirs = ({**LAYOUT, "camera_name": name} for name in ("mine", "theirs"))
    assert await put(theirs, seen) == (200, "")
    assert await put(mine, seen) == (412, "layout-changed")
    assert (await notifier.http.get(path)).json()["camera_name"] == "theirs"
    # The same again, as after a lost answer: nothing is overwritten.
    assert await put(theirs, seen) == (200, "")
    assert await put(mine, (await notifier.http.get(path)).headers["ETag"]) == (200, "")
    new = "/api/cameras/new/cam/layout"
    assert await put(mine, '"1"', new) == (412, "layout-changed")
    assert await put(mine, '"0"', new) == (200, "")
    assert await put(theirs, '"0"', new) == (412, "layout-changed")
    assert await put(theirs, "*", new) == (200, "")
    assert await put(theirs, '"a"', new) == (422, "bad-if-match")


async def test_concurrent_writes_of_the_same_version_are_rejected(
    notifier: Instance, backend: Backend, keys: dict[str, str], tmp_path: Path
):
    headers = {**bearing(keys["write"]), "If-Match": '"1"'}
    bodies = [{**LAYOUT, "camera_name": name} for name in ("one", "two")]
    async with Instance(backend, Given(keys=tmp_path / "keys")) as other:
        answers = await asyncio.gather(
            *(
                instance.http.put("/api/cameras/demo/north/layout", json=body, headers=headers)
                for instance, body in zip((notifier, other), bodies, strict=True)
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200, 412]


async def test_an_unchanged_layout_is_adopted_again_among_thousands(
    notifier: Instance, backend: Backend, keys: dict[str, str]
):
    headers = bearing(keys["write"])
    path = "/api/cameras/demo/north/layout"
    assert (await notifier.http.put(path, json=LAYOUT, headers=headers)).status_code == 200
    others = [f"lot-{number}" for number in range(LAYOUTS_REMEMBERED)]
    await backend.write(*(record(layout(site)) for site in others))
    assert await notifier.holds_layout(f"{others[-1]}/north", layout(others[-1]))
    again = await notifier.http.put(path, json=LAYOUT, headers=headers)
    assert (again.status_code, again.json()["version"]) == (200, 2)


async def test_two_instances_never_publish_the_same_version(
    notifier: Instance, backend: Backend, keys: dict[str, str], tmp_path: Path
):
    headers = bearing(keys["write"])
    path = "/api/cameras/demo/north/layout"
    versions: list[int] = []
    async with Instance(backend, Given(keys=tmp_path / "keys")) as other:
        for number in range(10):
            bodies = [{**LAYOUT, "camera_name": f"{name} {number}"} for name in ("one", "two")]
            answers = await asyncio.gather(
                notifier.http.put(path, json=bodies[0], headers=headers),
                other.http.put(path, json=bodies[1], headers=headers),
            )
            versions += [answer.json()["version"] for answer in answers]
        written = events_of(backend, LAYOUTS, LayoutPublished)
        assert len(written) > 1 + len(versions), "no two of them ever chose the same version"
        assert sorted(versions) == list(range(2, 22))
        first = {v: next(e for e in written if e.version == v) for v in versions}
        for instance in (notifier, other):
            assert await instance.holds_layout("demo/north", first[21])
        assert written[-1] == first[21], (
            "compaction keeps the last one: it must be the one in force"
        )


async def test_a_bad_layout_is_refused_with_every_fault(
    notifier: Instance, backend: Backend, keys: dict[str, str]
):
    bad = {
        **LAYOUT,
        "site_id": "other",
        "slots": [
            {"slot_id": "A1", "zone_id": "A", "polygon": CROSSED},
            {"slot_id": "A1", "zone_id": "B", "polygon": SQUARE},
        ],
    }
    path = "/api/cameras/demo/north/layout"
    response = await notifier.http.put(path, json=bad, headers=bearing(keys["write"]))
    assert response.status_code == 422
    body = response.json()
    assert body["error"] == "bad-layout"
    assert len(body["faults"]) == 4
    assert all(fault in body["detail"] for fault in body["faults"])
    for wrong in ({**LAYOUT, "interval_ms": 1}, {}, {**LAYOUT, "slots": [{"slot_id": "A 1"}]}):
        response = await notifier.http.put(path, json=wrong, headers=bearing(keys["write"]))
        assert (response.status_code, response.json()["error"]) == (422, "bad-layout")
    assert len(events_of(backend, LAYOUTS, LayoutPublished)) == 1


async def test_a_layout_is_refused_for_what_parking_layout_publish_refuses(
    notifier: Instance, backend: Backend, keys: dict[str, str]
):
    """Equal outlines and slots too small to be seen are refused, but those that are already in
    force may stay."""
    headers, path = bearing(keys["write"]), "/api/cameras/demo/north/layout"
    slots = [{"slot_id": name, "zone_id": "A", "polygon": SQUARE} for name in ("A1", "A2")]
    line = {"slot_id": "A3", "zone_id": "A", "polygon": FLAT}
    as_now = await notifier.http.put(path, json={**LAYOUT, "slots": slots}, headers=headers)
    assert (as_now.status_code, as_now.json()["version"]) == (200, 2)
    for body in ({**LAYOUT, "slots": [*slots, line]}, {**LAYOUT, "slots": [slots[0], line]}):
        refused = await notifier.http.put(path, json=body, headers=headers)
        assert refused.status_code == 422
        (fault,) = refused.json()["faults"]
        assert "less than 0.2% (about 2 pixels of 1280x720)" in fault
    elsewhere = "/api/cameras/demo/south/layout"
    twins = await notifier.http.put(elsewhere, json={**LAYOUT, "slots": slots}, headers=headers)
    assert twins.status_code == 422
    assert twins.json()["faults"][0].startswith("slot A2 has the same outline as slot A1")
    assert [e.version for e in events_of(backend, LAYOUTS, LayoutPublished)] == [1, 2]


async def test_a_layout_is_checked_apart_from_the_event_loop(
    notifier: Instance, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    """The check waits until the loop has answered another request."""
    answered, check = threading.Event(), lots.check_new

    def waiting(new: LayoutPublished, in_force: LayoutPublished | None) -> list[str]:
        assert answered.wait(5), "the event loop stood still"
        return check(new, in_force)

    monkeypatch.setattr(lots, "check_new", waiting)
    path = "/api/cameras/demo/north/layout"
    put = notifier.http.put(path, json=LAYOUT, headers=bearing(keys["write"]))
    async with asyncio.TaskGroup() as tasks:
        published = tasks.create_task(put)
        await asyncio.sleep(0.05)
        assert (await notifier.http.get(path)).status_code == 200
        answered.set()
    assert published.result().status_code == 200


async def test_a_bad_idempotency_key_is_refused(notifier: Instance, keys: dict[str, str]):
    headers = {**bearing(keys["write"]), "Idempotency-Key": "a b"}
    body = {"site_id": "demo"}
    response = await notifier.http.post("/api/sessions/entry", json=body, headers=headers)
    assert (response.status_code, response.json()["error"]) == (422, "bad-idempotency-key")


async def test_clients_with_many_wrong_keys_must_wait_and_a_right_key_still_works(
    notifier: Instance, keys: dict[str, str]
):
    path, body = "/api/sessions/entry", {"site_id": "demo"}
    wrong = bearing("pk_guess")
    codes = [
        (await notifier.http.post(path, json=body, headers=wrong)).status_code
        for _ in range(WRONG_LIMIT + 2)
    ]
    assert codes == [401] * WRONG_LIMIT + [429, 429]
    right = await notifier.http.post(path, json=body, headers=bearing(keys["write"]))
    assert right.status_code == 202


async def test_the_input_size_is_set_and_given_back_by_publishing_the_layout_again(
    notifier: Instance, backend: Backend, keys: dict[str, str]
):
    camera, path = "/api/cameras/demo/north", "/api/cameras/demo/north/layout"
    await backend.write(frame("demo", 1, b"\xff\xd8no picture\xff\xd9", (1280, 720)))
    first = (await notifier.http.get(camera)).json()["input"]
    assert (first["automatic"], first["size_px"]) == (True, 480)
    for size_px, automatic in ((1280, False), (None, True)):
        shown = (await notifier.http.get(path)).json()
        body = {**shown, "input_size_px": size_px}
        assert (await notifier.http.put(path, json=body, headers=bearing(keys["write"]))).is_success
        input_shown = (await notifier.http.get(camera)).json()["input"]
        assert (input_shown["automatic"], input_shown["size_px"]) == (automatic, size_px or 480)
    assert [e.input_size_px for e in events_of(backend, LAYOUTS, LayoutPublished)] == [
        None,
        1280,
        None,
    ]


async def test_a_moved_cameras_proposal_is_accepted_by_publishing_it(
    notifier: Instance, backend: Backend, keys: dict[str, str]
):
    camera = "/api/cameras/demo/north"
    headers = bearing(keys["write"])
    put = notifier.http.put

    async def shows(seq: int, picture: Picture) -> None:
        data = jpeg(picture, 95)
        await backend.write(frame("demo", seq, data, (picture.shape[1], picture.shape[0])))
        async with asyncio.timeout(10):  # a picture may be as old as FRESH_MS
            while (await notifier.http.get(f"{camera}/latest.jpg")).content != data:
                continue  # each request lets the others run

    await shows(1, shaken(demo_frame(0)))
    none = await notifier.http.get(f"{camera}/layout/proposal")
    assert (none.status_code, none.json()["error"]) == (404, "no-proposal")
    assert "no reference" in none.json()["detail"]
    taken = await put(f"{camera}/layout?reference=last", json=LAYOUT, headers=headers)
    assert taken.json()["version"] == 2
    assert len((await notifier.http.get(f"{camera}/layout")).json()["reference"]) > 1000
    still = await notifier.http.get(f"{camera}/layout/proposal")
    assert (still.status_code, "same view as" in still.json()["detail"]) == (404, True)

    await shows(2, shaken(demo_frame(20), 0.04))
    made = (await notifier.http.get(f"{camera}/layout/proposal")).json()
    assert "right" in made["words"]
    (slot,) = made["layout"]["slots"]
    assert slot["polygon"][0][0] == pytest.approx(SQUARE[0][0] + 0.04, abs=0.005)
    in_force = (await notifier.http.get(f"{camera}/layout")).json()
    assert in_force["version"] == 2, "a proposal is never applied by itself"
    assert (await put(f"{camera}/layout", json=made["layout"])).status_code == 401
    accepted = await put(f"{camera}/layout", json=made["layout"], headers=headers)
    assert accepted.json()["version"] == 3
    assert (await notifier.http.get(f"{camera}/layout/proposal")).status_code == 404


async def test_a_dark_picture_becomes_no_reference(
    notifier: Instance, backend: Backend, keys: dict[str, str]
):
    dark = (demo_frame(0) * 0.02).astype("uint8")
    await backend.write(frame("demo", 1, jpeg(dark), (dark.shape[1], dark.shape[0])))
    path = "/api/cameras/demo/north/layout?reference=last"
    answer = await notifier.http.put(path, json=LAYOUT, headers=bearing(keys["write"]))
    assert (answer.status_code, answer.json()["error"]) == (422, "bad-reference")
    assert events_of(backend, LAYOUTS, LayoutPublished)[-1].version == 1
