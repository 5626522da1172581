"""Stays through the API: who is inside, page by page, the reports of drift, and the capacity."""

import re

from msgspec.structs import replace

from parking.core.events import SessionChanged
from tests.support.notifier_instance import Backend, Instance
from tests.support.notifying import layout, record, session


def stay(number: int, kind: str = "opened", *, site: str = "demo") -> SessionChanged:
    return replace(session(site, number, kind), number_in=number, capacity=12)


async def read(notifier: Instance, address: str) -> list[str]:
    """Return the ids on every page, in order."""
    found: list[str] = []
    while address:
        page = await notifier.http.get(address)
        found += [row["session_id"].rsplit("/", 1)[1] for row in page.json()]
        address = page.links.get("next", {}).get("url", "")
    return found


async def test_stays_are_read_page_by_page_and_by_site():
    backend = Backend(None)
    stays = [stay(number, site="demo" if number % 2 else "other") for number in range(20)]
    await backend.write(record(layout("demo")), *map(record, stays), record(stay(3, "closed")))
    async with Instance(backend) as notifier:
        whole = await read(notifier, "/api/sessions?site=demo&limit=1000")
        assert whole == [str(number) for number in range(19, 0, -2)]
        for limit in (1, 3, 10):
            assert await read(notifier, f"/api/sessions?site=demo&limit={limit}") == whole
        is_open = await read(notifier, "/api/sessions?site=demo&open=true&limit=4")
        assert is_open == [one for one in whole if one != "3"]
        assert await read(notifier, "/api/sessions?site=demo&open=false&limit=4") == ["3"]
        last = await notifier.http.get("/api/sessions?site=demo&limit=10")
        assert "Link" not in last.headers, "nothing is older than the tenth of ten"


async def test_a_row_that_arrives_between_two_pages_is_not_repeated():
    backend = Backend(None)
    await backend.write(*(record(stay(number)) for number in range(4)))
    async with Instance(backend) as notifier:
        first = await notifier.http.get("/api/sessions?limit=2")
        await backend.write(record(stay(9)))
        await notifier.feed.until(lambda: notifier.feed.state.open_count("demo") == 5)
        following = first.links["next"]["url"]
        assert re.fullmatch(r"/api/sessions\?limit=2&cursor=[\w-]+", following)
        assert await read(notifier, following) == ["1", "0"]
        refused = await notifier.http.get("/api/sessions?cursor=x")
        assert (refused.status_code, refused.json()["error"]) == (422, "bad-cursor")


async def test_drift_is_reported_even_after_the_stay_ended():
    backend = Backend(None)
    crowded = replace(stay(1), reason="gate-drift")
    stray = replace(stay(2, "closed"), kind="corrected", reason="exit-without-entry")
    settled = replace(stray, id="x", session_id="demo/session/3", time_ms=stray.time_ms + 1)
    found = replace(settled, id="y", reason="entry-found")
    events = [crowded, stay(1, "closed"), stray, settled, found, stay(4)]
    await backend.write(*map(record, events))
    async with Instance(backend) as notifier:
        assert await read(notifier, "/api/sessions?drift=true&site=demo") == ["2", "1"]
        assert await read(notifier, "/api/sessions?drift=true&site=other") == []
        assert await read(notifier, "/api/sessions?site=demo") == ["4", "2", "1"]


async def test_a_site_says_how_many_vehicles_fit():
    backend = Backend(None)
    await backend.write(record(layout("demo")), record(layout("other")), record(stay(1)))
    async with Instance(backend) as notifier:
        sites = (await notifier.http.get("/api/sites")).json()
        assert {site["site_id"]: site["capacity"] for site in sites} == {"demo": 12, "other": None}
        await backend.write(record(replace(stay(2), capacity=None)))
        await notifier.feed.until(lambda: notifier.feed.state.open_count("demo") == 2)
        assert (await notifier.http.get("/api/sites/demo")).json()["capacity"] is None
