"""Requests from clients: keys, media types, methods, malformed text, late events."""

import http.client
import json
import time
from typing import Any

from tools.cases import Verdict, case, verdict
from tools.cases.world import SQUARE, World, words
from tools.stack.checks import HOST

_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@case(
    "api", "the same Idempotency-Key for another slot is 409, and the first request stays in force"
)
def key_reused(world: World) -> Verdict:
    """Send one key for two slots."""
    world.layout("keys", "A01", "A02")
    paths = [f"/api/sites/keys/slots/{slot}/close" for slot in ("A01", "A02")]
    headers = {"Idempotency-Key": "k-1"}
    answers = [world.api.post(p, json={"reason": "paint"}, headers=headers) for p in paths]

    def closed() -> list[str]:
        found = world.api.get("/api/slots", params={"site": "keys", "state": "closed"}).json()
        return [slot["slot_id"] for slot in found]

    world.until(lambda: closed() == ["A01"])
    status = [one.status_code for one in answers]
    return verdict(status == [202, 409] and closed() == ["A01"], f"{status}, closed {closed()}")


@case("api", "a media type in another case is accepted: 202")
def media_type(world: World) -> Verdict:
    """Send `Application/Json`."""
    world.layout("media", "A01")
    answer = world.api.post(
        "/api/sites/media/slots/A01/close",
        content=b'{"reason": "x"}',
        headers={"Content-Type": "Application/Json"},
    )
    return verdict(answer.status_code == 202, words(answer))


@case("api", "HEAD is answered wherever GET is: 200 without a body")
def head(world: World) -> Verdict:
    """Request the page, JSON, a probe and an endless stream."""
    paths = ("/", "/api/sites", "/healthz", "/openapi.json", "/api/events")
    answers = {path: world.api.head(path) for path in paths}
    right = all(a.status_code == 200 and not a.content for a in answers.values())
    return verdict(right, {path: a.status_code for path, a in answers.items()})


@case("api", "a NUL in a reason is refused: 422, and nothing changes")
def nul_in_a_reason(world: World) -> Verdict:
    """Such requests used to be accepted with 202 and then dead-lettered."""
    world.layout("nul", "A01")
    answer = world.api.post("/api/sites/nul/slots/A01/close", json={"reason": "x\0y"})
    return verdict(answer.status_code == 422 and "U+0000" in answer.text, words(answer))


@case("api", "half of a surrogate pair is refused: 422")
def surrogate(world: World) -> Verdict:
    """JSON can express it, but UTF-8 cannot."""
    world.layout("half", "A01")
    answer = world.api.post(
        "/api/sites/half/slots/A01/close",
        content=b'{"reason": "\\ud800"}',
        headers={"Content-Type": "application/json"},
    )
    return verdict(answer.status_code == 422, words(answer))


@case("api", "a plate's hash with a NUL or other free text is refused: 422")
def plate(world: World) -> Verdict:
    """Only a hash is accepted as a hash."""
    world.layout("plates", "A01")
    answers = [
        world.api.post("/api/sessions/entry", json={"site_id": "plates", "plate_hash": given})
        for given in ("p\0q", "\x1b[31m", "KA 12 345", _hash(9))
    ]
    status = [one.status_code for one in answers]
    return verdict(status == [422, 422, 422, 202], status)


def _hash(number: int) -> str:
    """Return a hash as a device computes it from a plate."""
    return f"{number:064x}"


def _upgraded(world: World, host: str, origin: str | None) -> int:
    connection = http.client.HTTPConnection(HOST, world.settings.ports["notifier"], timeout=10)
    given = {**_UPGRADE, "Host": host} | ({"Origin": origin} if origin else {})
    try:
        connection.request("GET", "/ws", headers=given)
        return connection.getresponse().status
    finally:
        connection.close()


@case(
    "api", "/ws: 101 for its own page and for programs, 403 or 421 for others, no ERROR in the log"
)
def origins(world: World) -> Verdict:
    """Anybody can point a name at this server, so such a name is not trusted."""
    own = f"{HOST}:{world.settings.ports['notifier']}"
    status = [
        _upgraded(world, own, f"http://{own}"),
        _upgraded(world, own, None),
        _upgraded(world, own, "https://evil.example"),
        _upgraded(world, "evil.example", "http://evil.example"),
    ]
    log = (world.settings.paths.logs / "notifier.log").read_text("utf-8", "replace")
    noise = [line for line in log.splitlines() if "ERROR" in line or "Traceback" in line]
    return verdict(status == [101, 101, 403, 421] and not noise, f"{status}, {noise[:1]}")


@case(
    "api", "mistyped addresses: JSON 404 under /api, a page elsewhere; an unknown site's stream 404"
)
def mistyped(world: World) -> Verdict:
    """Each answer names what is missing."""
    answers = [
        world.api.get(path) for path in ("/api/sits", "/dashbord", "/api/events?site=nosuch")
    ]
    kinds = [a.headers["content-type"].split(";")[0] for a in answers]
    right = [a.status_code for a in answers] == [404] * 3
    right &= kinds == ["application/json", "text/html", "application/json"]
    return verdict(right, list(zip([a.status_code for a in answers], kinds, strict=True)))


@case("api", "JSON and scripts are compressed for clients that accept it")
def compressed(world: World) -> Verdict:
    """Send gzip."""
    answer = world.api.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    return verdict(answer.headers.get("content-encoding") == "gzip", dict(answer.headers))


@case(
    "api",
    "a connection that was idle for 62 s still answers, at the notifier and at ingest",
    slow=True,
)
def keep_alive(world: World) -> Verdict:
    """Proxies keep connections open for 60 s."""
    ports = [world.settings.ports[name] for name in ("notifier", "ingest")]
    open_ = [http.client.HTTPConnection(HOST, port, timeout=10) for port in ports]
    for one in open_:
        one.request("GET", "/healthz")
        one.getresponse().read()
        one.auto_open = 0  # otherwise it would open a new connection
    time.sleep(62)
    status = []
    for one in open_:
        one.request("GET", "/healthz")
        status.append(one.getresponse().status)
        one.close()
    return verdict(status == [200, 200], status)


@case("api", "entries that arrive after their exits leave no stay open")
def late_entry(world: World) -> Verdict:
    """Use two gates, one of which was offline."""
    site, now = "late", int(time.time() * 1000)
    world.layout(site, "A1")
    for direction, back_ms in (("exit", 600_000), ("entry", 1_200_000)):
        for n in range(5):
            body = {"site_id": site, "plate_hash": _hash(n), "time_ms": now - back_ms + n * 1000}
            world.api.post(f"/api/sessions/{direction}", json=body)

    def stays() -> Any:
        return world.api.get("/api/sessions", params={"site": site}).json()

    closed = world.until(lambda: sum(one["kind"] == "closed" for one in stays()) == 5)
    number = world.site(site)["open_sessions"]
    right = closed and number == 0
    return verdict(right, f"open_sessions {number} of {len(stays())} stays")


# ---------------------------------------------------------------- names and numbers in layouts
_BAD: list[tuple[str, dict[str, Any], int]] = [
    ("NUL in two names", {"site_name": "a\0b", "zones": [{"zone_id": "Z", "name": "z\0"}]}, 2),
    ("control characters in a name", {"site_name": "a\nb\t\x1b[31m"}, 1),
    ("an interval of 50 ms", {"interval_ms": 50}, 1),
    ("an interval of 10^15 ms", {"interval_ms": 10**15}, 1),
    ("an interval of 10^30 ms", {"interval_ms": 10**30}, 1),
    ("an unknown field", {"intervall": 7}, 1),
]


@case("api", "bad strings and numbers in a layout are 422 with every error")
def bad_layouts(world: World) -> Verdict:
    """Send each one alone."""
    odd = []
    for what, more, count in _BAD:
        answer = world.layout("bad", "A1", **more)
        if answer.status_code != 422 or len(answer.json()["faults"]) != count:
            odd.append(f"{what}: {words(answer)}")
    return verdict(not odd, odd or "all refused with their errors")


@case("api", "ids that no URL can address, or with letters outside ASCII, are 422")
def bad_ids(world: World) -> Verdict:
    """Send `..`, umlauts, and a line break at the end."""
    answers = {
        slot: world.layout("ids", slot).status_code for slot in ("..", ".", "Plätze-1", "A1\n")
    }
    return verdict(set(answers.values()) == {422}, answers)


@case("api", "names in every script, map coordinates and 1,000 slots are accepted; 1,001 are not")
def good_layouts(world: World) -> Verdict:
    """Real names can be unusual, too."""
    names = {"site_name": "Parkhaus Süd 🅿️", "camera_name": "北"}
    plan = [[500000.0, 5800000.0], [500002.5, 5800000], [500002.5, 5800005], [500000, 5800005]]
    slot = {"slot_id": "A1", "zone_id": "Z", "polygon": SQUARE}
    many = [
        {
            "slot_id": f"S{i:04}",
            "zone_id": "Z",
            "polygon": [
                [(i % 40 + dx) / 40, (i // 40 + dy) / 26]
                for dx, dy in ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))
            ],
        }
        for i in range(1001)
    ]
    status = [
        world.layout("good", "A1", **names).status_code,
        world.layout("good", slots=[slot | {"plan": plan}]).status_code,
        world.layout("big", slots=many[:1000]).status_code,
        world.layout("big", slots=many).status_code,
        world.layout("good", slots=[slot | {"plan": [[0, 0], [1e300, 0], [1, 1e300]]}]).status_code,
    ]
    return verdict(status == [200, 200, 200, 422, 422], status)


@case("api", "NaN and infinity in a polygon are refused: 400 or 422")
def not_numbers(world: World) -> Verdict:
    """JSON has neither, and 1e999 exceeds a double."""
    usual = json.dumps({"slots": [{"slot_id": "A", "zone_id": "Z", "polygon": [[0.1, 0.4]]}]})
    answers = []
    for odd in ("1e999", "NaN", "Infinity"):
        answer = world.api.put(
            "/api/cameras/odd/c/layout",
            content=usual.replace("0.4", odd).encode(),
            headers={"Content-Type": "application/json"},
        )
        answers.append(answer.status_code)
    return verdict(set(answers) <= {400, 422}, answers)
