"""The one route that is open to everybody, and the page that shows it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from parking.access.keys import KeyFile
from parking.core.events import SiteSettings
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.notifying import NOW_MS, SQUARE, changed, layout, record, session, state, status

PUBLIC = SiteSettings(
    public=True, time_zone="Asia/Jakarta", directions="https://maps.example/?q=lot"
)
# Everything that an answer may contain. A new field must be added here on purpose.
SITE_FIELDS = {
    "name", "time_zone", "directions", "counts", "kinds", "observed_at_ms", "old_at_ms",
    "expires_at_ms", "seen_at_ms", "reason", "zones",
}  # fmt: skip
ZONE_FIELDS = {
    "zone_id", "name", "counts", "kinds", "observed_at_ms", "old_at_ms", "expires_at_ms", "reason",
}  # fmt: skip
COUNT_FIELDS = {"free", "occupied", "unknown", "closed", "total"}


@pytest.fixture
async def backend() -> Backend:
    made = Backend(None)
    for site, settings in (("open", PUBLIC), ("shut", replace(PUBLIC, public=False))):
        await made.write(
            record(replace(layout(site), site=settings)), record(state(site, 3)),
            record(replace(status(site), last_frame_at_ms=NOW_MS + 9, layout_version=1)),
            record(session(site, 1, "opened")),
        )  # fmt: skip
    return made


@pytest.fixture
async def notifier(backend: Backend, tmp_path: Path) -> AsyncIterator[Instance]:
    folder = tmp_path / "dist"
    (folder / "driver").mkdir(parents=True)
    (folder / "p").mkdir()
    (folder / "driver" / "index.html").write_text("<title>driver</title>")
    (folder / "p" / "sw.js").write_text("1")
    async with Instance(backend, Given(dashboard=folder, keys=tmp_path / "keys")) as running:
        yield running


async def test_a_public_site_is_counted_for_anybody_and_nothing_else_is_said(notifier: Instance):
    for path in ("/api/v1/public/open", "/api/public/open"):
        response = await notifier.http.get(path)
        assert response.status_code == 200
    body = response.json()
    assert body.keys() == SITE_FIELDS
    assert body["zones"][0].keys() == ZONE_FIELDS
    for counts in (body["counts"], body["kinds"][0]["counts"], body["zones"][0]["counts"]):
        assert counts.keys() == COUNT_FIELDS
    assert body["kinds"][0].keys() == {"kind", "counts"}
    assert body["counts"] == {"free": 1, "occupied": 0, "unknown": 1, "closed": 0, "total": 2}
    assert (body["observed_at_ms"], body["old_at_ms"]) == (NOW_MS + 9, NOW_MS + 6_009)
    assert (body["time_zone"], body["reason"]) == ("Asia/Jakarta", "not-set-up")
    assert all(secret not in response.text for secret in ("A1", "north", "North", "session"))
    assert "date" in response.headers  # the page sets its clock by it


async def test_a_site_that_is_not_public_is_answered_as_one_that_does_not_exist(
    notifier: Instance,
):
    answers = [await notifier.http.get(f"/api/v1/public/{site}") for site in ("shut", "none")]
    assert [one.status_code for one in answers] == [404, 404]
    assert answers[0].text.replace("shut", "none") == answers[1].text
    assert {k: v for k, v in answers[0].headers.items() if k != "date"} == {
        k: v for k, v in answers[1].headers.items() if k != "date"
    }
    pages = [await notifier.http.get(f"/p/{site}{more}")
             for site in ("shut", "none", "No Site") for more in ("", "/wall")]  # fmt: skip
    assert {one.status_code for one in pages} == {404}
    assert {one.text for one in pages} == {"<title>driver</title>"}


async def test_a_poll_costs_nothing_until_something_changes(notifier: Instance, backend: Backend):
    first = await notifier.http.get("/api/v1/public/open")
    assert first.headers["cache-control"] == "public, max-age=2"
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        again = await notifier.http.get("/api/v1/public/open", headers={"If-None-Match": known})
        assert (again.status_code, again.text) == (304, "")
        assert (again.headers["etag"], again.headers["cache-control"]) == (
            tag, "public, max-age=2",
        )  # fmt: skip
    await backend.write(record(changed("open", 4, "occupied")))
    await notifier.seen("open", 4)
    news = await notifier.http.get("/api/v1/public/open", headers={"If-None-Match": tag})
    assert (news.status_code, news.json()["counts"]["occupied"]) == (200, 1)
    assert news.headers["etag"] != tag


async def test_the_switch_applies_at_once(notifier: Instance, backend: Backend):
    now = replace(layout("open", 2), site=replace(PUBLIC, public=False))
    await backend.write(record(now))
    assert await notifier.holds_layout("open/north", now)
    assert (await notifier.http.get("/api/v1/public/open")).status_code == 404
    assert (await notifier.http.get("/p/open")).status_code == 404
    assert (await notifier.http.get("/api/v1/sites/open")).json()["public"] is False


async def test_publishing_a_layout_cannot_make_a_site_public(notifier: Instance, tmp_path: Path):
    key = KeyFile(tmp_path / "keys").add("editor", "write")
    slots = [{"slot_id": "A1", "zone_id": "A", "polygon": SQUARE}]
    body = {
        "site_name": "Lot", "camera_name": "North", "interval_ms": 500, "slots": slots,
        "zones": [{"zone_id": "A", "name": "Row A"}], "site": {"public": True},
    }  # fmt: skip
    for site, status_code in (("shut", 404), ("new", 404), ("open", 200)):
        put = await notifier.http.put(
            f"/api/v1/cameras/{site}/north/layout",
            json=body,
            headers={"Authorization": f"Bearer {key}"},
        )
        assert put.status_code == 200
        counts = await notifier.http.get(f"/api/v1/public/{site}")
        assert counts.status_code == status_code, site


async def test_the_page_its_worker_and_its_manifest_are_served(notifier: Instance):
    for path in ("/p/open", "/p/open/", "/p/open/wall"):
        page = await notifier.http.get(path)
        assert (page.status_code, page.text) == (200, "<title>driver</title>")
        assert page.headers["cache-control"] == "no-cache"
        assert "unsafe" not in page.headers["content-security-policy"]
    worker = await notifier.http.get("/p/sw.js")
    assert worker.headers["content-type"].startswith("text/javascript")
    assert worker.headers["cache-control"] == "no-cache"
    manifest = await notifier.http.get("/p/open/app.webmanifest")
    assert manifest.headers["content-type"] == "application/manifest+json"
    assert json.loads(manifest.text)["start_url"] == "/p/open"
    assert json.loads(manifest.text)["name"] == "Lot open"
    assert (await notifier.http.get("/p/shut/app.webmanifest")).status_code == 404


async def test_without_a_build_the_page_says_how_to_get_one(backend: Backend):
    async with Instance(backend) as notifier:
        for path in ("/p/open", "/p/sw.js"):
            page = await notifier.http.get(path)
            assert (page.status_code, "make dashboard" in page.text) == (404, True)
