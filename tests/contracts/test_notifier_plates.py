"""Plates through the API: only for sites that keep them, and only for clients with the right."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from parking.access.keys import KeyFile
from parking.access.plates import Plates
from parking.core.events import GateEventReceived, PlateSealed
from parking.core.topics import GATE_EVENTS, PLATES, SESSIONS
from parking.runtime.settings import Reader
from parking.wire import codec
from services.notifier.history import History
from tests.support import persisting as make
from tests.support.databases import new_store
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.notifying import layout, record, session
from tools.stack.infra import Infra

KEY = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210"
READ: list[tuple[str, int, str, Any, str]] = [
    ("demo", 7, "main", "entry", "BAB1234"),
    ("demo", 9, "east", "exit", "8AB1234"),
    ("demo", 7, "east", "entry", "another gate"),
    ("demo", 9, "east", "entry", "another way"),
    ("other", 7, "main", "entry", "another site"),
]
RULES = {"demo": {"plates": "text", "key": KEY}}


class Past(History):
    """A history that answers with these rows."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.found = rows
        self.asked: list[Mapping[str, Any]] = []

    async def rows(self, query: str, arguments: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
        self.asked.append(arguments)
        return self.found

    async def close(self) -> None:
        pass


def rules(**sites: Any) -> Plates:
    return Plates.read(Reader({"PLATES": json.dumps(sites or RULES)}))


def row(plates: Plates, entry: str, leaving: str | None) -> dict[str, Any]:
    rule = plates.of("demo")
    return {
        "session_id": "s",
        "entry_id": "e",
        "entry_sealed": rule.take("e", entry, None).sealed,
        "exit_id": leaving and "x",
        "exit_sealed": leaving and rule.take("x", leaving, None).sealed,
    }


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, dict[str, str]]:
    file = KeyFile(tmp_path / "keys")
    made = {scope: file.add(scope, scope) for scope in ("plates", "write", "devices", "live")}
    return {scope: {"Authorization": f"Bearer {key}"} for scope, key in made.items()}


def given(tmp_path: Path, past: History | None, plates: Plates) -> Given:
    return Given(keys=tmp_path / "keys", history=past, plates=plates)


async def test_plates_are_shown_to_a_key_of_scope_plates_alone(tmp_path, keys):
    plates = rules()
    past = Past(row(plates, "B-AB 1234", "8AB1234"))
    async with Instance(Backend(None), given(tmp_path, past, plates)) as notifier:
        path, chosen = "/api/sites/demo/plates", {"session": "s"}
        for scope in ("write", "devices", "live"):
            answer = await notifier.http.get(path, params=chosen, headers=keys[scope])
            assert (answer.status_code, answer.json()["error"]) == (403, "wrong-scope")
        assert (await notifier.http.get(path, params=chosen)).status_code == 401
        assert past.asked == [], "nothing is read for whoever may not see it"
        answer = await notifier.http.get(path, params=chosen, headers=keys["plates"])
        assert answer.json() == {
            "session_id": "s",
            "entry_plate": "BAB1234",
            "exit_plate": "8AB1234",
        }
        assert answer.headers["Cache-Control"] == "no-store"
        assert past.asked == [{"site": "demo", "session": "s"}]


async def test_a_plates_stays_are_found_by_a_key_of_scope_plates_alone(tmp_path, keys, caplog):
    plates, backend, path = rules(), Backend(None), "/api/sites/demo/plates/search"
    caplog.set_level(logging.INFO)
    stays = [
        replace(
            session(site, n, "opened"), plate_hash=plates.of("demo").take("", text, None).plate_hash
        )
        for n, (site, text) in enumerate(
            [("demo", "B-AB 1234"), ("demo", "BAB1235"), ("other", "BAB1234")]
        )
    ]
    await backend.write(*map(record, stays))
    async with Instance(backend, given(tmp_path, None, plates)) as notifier:
        body = {"plate": "b ab-1234"}
        for scope in ("write", "devices", "live"):
            refused = await notifier.http.post(path, json=body, headers=keys[scope])
            assert (refused.status_code, refused.json()["error"]) == (403, "wrong-scope")
        assert (await notifier.http.post(path, json=body)).status_code == 401
        found = await notifier.http.post(path, json=body, headers=keys["plates"])
        assert [stay["session_id"] for stay in found.json()] == [stays[0].session_id]
        for text, status, error in (("--", 422, "bad-plate"), ("", 422, "bad-schema")):
            answer = await notifier.http.post(path, json={"plate": text}, headers=keys["plates"])
            assert (answer.status_code, answer.json()["error"]) == (status, error)
        elsewhere = path.replace("demo", "other")
        answer = await notifier.http.post(elsewhere, json=body, headers=keys["plates"])
        assert (answer.status_code, answer.json()["error"]) == (404, "no-plates")
    assert "key plates searches a plate at site demo: 1 stays" in caplog.text
    assert "AB-1234" not in caplog.text.upper()


async def test_unknown_values_are_null_or_reported(tmp_path, keys):
    plates, chosen = rules(), {"session": "s"}
    for found, status, detail in (
        ([row(plates, "BAB1234", None)], 200, ("exit_plate", None)),
        ([row(plates, "BAB1234", None) | {"entry_id": "f"}], 409, ("error", "sealed-otherwise")),
        ([], 404, ("error", "no-session")),
    ):
        past = Past(*found)
        async with Instance(Backend(None), given(tmp_path, past, plates)) as notifier:
            answer = await notifier.http.get(
                "/api/sites/demo/plates", params=chosen, headers=keys["plates"]
            )
            assert answer.status_code == status
            assert answer.json()[detail[0]] == detail[1]


@pytest.mark.parametrize("rule", [{"plates": "none"}, {"plates": "hash", "key": KEY}])
async def test_a_site_without_text_has_none_to_show(tmp_path, keys, rule):
    past = Past()
    async with Instance(Backend(None), given(tmp_path, past, rules(demo=rule))) as notifier:
        answer = await notifier.http.get(
            "/api/sites/demo/plates", params={"session": "s"}, headers=keys["plates"]
        )
    assert (answer.status_code, answer.json()["error"]) == (404, "no-plates")
    assert past.asked == []


async def test_a_client_may_tell_a_plate_and_it_is_never_written_in_clear(tmp_path, keys):
    backend = Backend(None)
    await backend.write(record(layout("demo")), record(layout("other")))
    async with Instance(backend, given(tmp_path, None, rules())) as notifier:
        for site in ("demo", "other"):
            body = {"site_id": site, "plate": "B-AB 1234"}
            answer = await notifier.http.post(
                "/api/sessions/entry", json=body, headers=keys["write"]
            )
            assert answer.status_code == 202
    first, second = (codec.decode(r) for r in backend.broker.records(GATE_EVENTS))
    (sealed,) = (codec.decode(r) for r in backend.broker.records(PLATES))
    assert isinstance(first, GateEventReceived)
    assert isinstance(second, GateEventReceived)
    assert isinstance(sealed, PlateSealed)
    assert len(first.plate_near) == 8
    assert sealed.id == first.id
    assert rules().of("demo").reveal(sealed.id, sealed.sealed) == "BAB1234"
    assert (second.plate_hash, second.plate_near) == (None, [])
    written = [r for topic in (GATE_EVENTS, PLATES) for r in backend.broker.records(topic)]
    assert not any(b"AB 1234" in (r.value or b"") for r in written)


@pytest.mark.parametrize("text", ["BAB1234", "0123456789abcdef\0", "x" * 500])
async def test_a_hash_that_is_none_is_refused(tmp_path, keys, text):
    backend = Backend(None)
    await backend.write(record(layout("other")))
    async with Instance(backend, given(tmp_path, None, rules())) as notifier:
        body = {"site_id": "other", "plate_hash": text}
        answer = await notifier.http.post("/api/sessions/entry", json=body, headers=keys["write"])
    assert answer.status_code == 422
    assert text not in answer.text
    assert backend.broker.records(GATE_EVENTS) == []


async def test_both_plates_of_a_stay_are_found_in_postgres(infra: Infra, tmp_path, keys):
    plates = rules()
    stay = make.session("demo", 1, "closed", entry_at_ms=7, entry_gate_id="main")
    stay = replace(stay, exit_at_ms=9, exit_gate_id="east")
    read = [
        PlateSealed(
            id=f"demo/gate/{number}",
            site_id=site,
            time_ms=time_ms,
            gate_id=gate_id,
            direction=direction,
            sealed=plates.of("demo").take(f"demo/gate/{number}", text, None).sealed or "",
        )
        for number, (site, time_ms, gate_id, direction, text) in enumerate(READ)
    ]
    async with new_store(infra) as store:
        messages = [make.out(one, PLATES) for one in read]
        await store.takes(make.out(stay, SESSIONS), *messages)
        past = History(store.url)
        async with Instance(Backend(None), given(tmp_path, past, plates)) as notifier:
            answer = await notifier.http.get(
                "/api/sites/demo/plates",
                params={"session": stay.session_id},
                headers=keys["plates"],
            )
        await past.close()
    assert answer.json() == {
        "session_id": stay.session_id,
        "entry_plate": "BAB1234",
        "exit_plate": "8AB1234",
    }
