"""Test the page at one origin and the API at another in a real Chromium, set up as in
deploy/cloudflare.

Between them is a proxy that ends idle streams after IDLE_S, where a CDN waits 100 s. The heartbeats
are scaled by the same factor. dashboard/e2e/origins.mjs contains the steps.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from parking.access.account_memory import MemoryAccounts
from parking.access.account_store import Expiry
from parking.access.passwords import Passwords
from parking.access.rights import EVERY, Role
from parking.access.sign_ins import SignIns
from parking.core.events import LayoutPublished, SlotState
from parking.runtime.ops import SystemClock
from parking.wire.ports import Outgoing
from services.notifier.settings import Limits
from tests.browser.feeding import HEIGHT, WIDTH, layout, picture
from tests.browser.watching import CACHE, SCREENSHOTS, watch
from tests.support.edge import Edge, Pages, served
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.notifying import changed, frame, record, state, status
from tests.support.signed_in import GOOD, QUICK
from tests.support.waiting import wait_until
from tools.stack.certificates import Certificates
from tools.stack.checks import HOST
from tools.stack.settings import ROOT

SITE: Final = "station"
STEPS: Final = 19
IDLE_S: Final = 3.0
PING_S: Final = 0.45  # the default of 15 s against 100 s
API, EVENTS, SOCKETS = "api.parking.test", "app.parking.test", "sockets.parking.test"
ELSEWHERE: Final = "app.elsewhere.test"
_STATES: Final[tuple[SlotState, ...]] = ("occupied", "free")

pytestmark = pytest.mark.timeout(300)


def build(folder: Path, **settings: str) -> Path:
    """Build the page as deploy/cloudflare/README.md describes."""
    npm = [sys.executable, "-m", "tools.stack.node", "npm", "run", "--silent", "build", "--"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
    where = ["--outDir", str(folder), "--emptyOutDir", "--logLevel", "warn"]
    subprocess.run([*npm, *where], cwd=ROOT / "dashboard", env=environ, check=True)
    headers = ROOT / "deploy" / "cloudflare" / "pages" / "_headers"
    text = headers.read_text("utf-8").replace("api.parking.example", API)
    (folder / "_headers").write_text(text, "utf-8")
    return folder


@dataclass
class Lot:
    """A lot whose slots change and whose camera sends pictures when the browser asks for it."""

    backend: Backend
    numbers: Iterator[int] = field(default_factory=lambda: count(2))
    states: Iterator[SlotState] = field(default_factory=lambda: cycle(_STATES))

    def drawn(self) -> LayoutPublished:
        return replace(layout(SITE), interval_ms=60_000)

    async def begin(self) -> None:
        slots = [
            replace(state(SITE, 1, slot=slot.slot_id), zone_id=slot.zone_id, **_times())
            for slot in self.drawn().slots
        ]
        camera = replace(status(SITE), last_frame_at_ms=_now_ms(), layout_version=1)
        events = [record(event) for event in (self.drawn(), camera, *slots)]
        await self.backend.write(*events, self._picture(1))

    async def change(self) -> None:
        number = next(self.numbers)
        to = next(self.states)
        now = replace(state(SITE, number, to), **_times())
        event = replace(changed(SITE, number, to), time_ms=_now_ms())
        await self.backend.write(record(event), record(now))

    async def show(self) -> None:
        await self.backend.write(self._picture(next(self.numbers)))

    def _picture(self, number: int) -> Outgoing:
        taken = {slot.slot_id: number % 2 == 0 for slot in self.drawn().slots}
        jpeg = picture(self.drawn(), taken, number)
        return frame(SITE, number, jpeg, (WIDTH, HEIGHT), time_ms=_now_ms())


@dataclass
class Wishes:
    """Does what the browser's script asks for, by the line that it prints. The script runs in
    another thread."""

    edge: Edge
    lot: Lot
    lively: str
    mute: str
    loop: asyncio.AbstractEventLoop
    before: Counter[str] = field(default_factory=Counter)

    def table(self) -> dict[str, Callable[[], object]]:
        return {
            "quiet": self.note,
            "events outlasted the limit": self.require_same,
            "sockets outlasted the limit": self.require_same,
            "change": lambda: self.run(self.lot.change()),
            "picture": lambda: self.run(self.lot.show()),
            "no heartbeats": lambda: self.reach(self.mute),
            "events were cut": self.require_cut,
            "sockets were cut": self.require_cut,
            "heartbeats": lambda: self.reach(self.lively),
            "buffers all": lambda: self.buffer(obedient=False),
            "was kept back": self.require_kept_back,
            "buffers as told": lambda: self.buffer(obedient=True),
        }

    def note(self) -> None:
        self.before = Counter(cuts=self.edge.cuts, streams=self.edge.streams)

    def require_same(self) -> None:
        now = Counter(cuts=self.edge.cuts, streams=self.edge.streams)
        assert now == self.before, f"{now} streams, {self.before} before"

    def reach(self, upstream: str) -> None:
        self.edge.upstream = upstream
        self.note()

    def require_cut(self) -> None:
        assert self.edge.cuts > self.before["cuts"]

    def buffer(self, *, obedient: bool) -> None:
        self.edge.obedient, self.edge.kept_back = obedient, 0

    def require_kept_back(self) -> None:
        wait_until(lambda: self.edge.kept_back, 20, "pieces that the proxy keeps back")

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(20)


async def test_page_and_api_on_two_origins_behind_a_proxy_in_a_browser(
    e2e: Path, tmp_path: Path, record_property
):
    backend, store = Backend(None), MemoryAccounts()
    lot = Lot(backend)
    await lot.begin()
    sign_ins = SignIns(store, Passwords(QUICK), SystemClock(), Expiry(3_600_000, 86_400_000))
    await sign_ins.create_first("ann", GOOD, True, "test")
    assert (await store.accounts())[0].grants == {EVERY: Role.ADMIN}
    address = f"https://{API}"
    events = await asyncio.to_thread(build, tmp_path / "events", VITE_API_URL=address)
    sockets = await asyncio.to_thread(
        build, tmp_path / "sockets", VITE_API_URL=address, VITE_WS_URL=f"wss://{API}"
    )
    files = Certificates(tmp_path / "tls")
    files.prepare((API, EVENTS, SOCKETS, ELSEWHERE))

    def given(ping_s: float) -> Given:
        return Given(
            limits=Limits(ping_s=ping_s),
            origins=[f"https://{host}" for host in (EVENTS, SOCKETS, ELSEWHERE)],
            hosts=(API,),
            sign_ins=sign_ins,
            secure_cookie=True,
        )

    async with AsyncExitStack() as running:
        lively = await running.enter_async_context(Instance(backend, given(PING_S)))
        mute = await running.enter_async_context(Instance(backend, given(60)))
        edge = Edge(lively.url, idle_s=IDLE_S)
        ports = {
            API: await running.enter_async_context(served(edge, files)),
            EVENTS: await running.enter_async_context(served(Pages(events), files)),
            SOCKETS: await running.enter_async_context(served(Pages(sockets), files)),
        }
        ports[ELSEWHERE] = ports[EVENTS]
        rules = ",".join(f"MAP {host}:443 {HOST}:{port}" for host, port in ports.items())
        arguments = [rules, SITE, "ann", GOOD, f"{1000 * IDLE_S:.0f}", str(CACHE), str(SCREENSHOTS)]
        wishes = Wishes(edge, lot, lively.url, mute.url, asyncio.get_running_loop())
        checked = await asyncio.to_thread(watch, e2e / "origins.mjs", arguments, wishes.table())
    assert len(checked) == STEPS, checked
    assert edge.versions["2"] > 0, edge.versions
    for line in checked:
        record_property("browser", line)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _times() -> dict[str, int]:
    return {"time_ms": _now_ms(), "changed_at_ms": _now_ms(), "observed_at_ms": _now_ms()}
