"""What may happen between flash and the end-to-end ack, with one function per behaviour. Runs under
MicroPython: deliveries.py NAME."""

import asyncio
import json
import sys

sys.path.insert(0, "firmware")

from hearing import Hal, hears

from app import boots, layout, mqtt, packets
from app.clock import Clock
from app.config import filled
from app.device import Device
from app.edges import INSIDE, OUTSIDE
from app.outbox import Outbox
from app.ring import Ring
from loader.journal import Journal
from loader.slots import Slots
from sim.flash import Flash

TRUE_MS = 1_790_000_000_000
HOUR_MS = 3_600_000
CONFIG = {"device_id": "demo/gate-1", "host": "nowhere", "password": "p", "tls": False}
CONFIG.update({"gate": "two", "provisioned_at_s": 1_790_000_000})


class Board:
    """Flash, and a boot of a device on it. The time is what `now` says (ms since power-on)."""

    def __init__(self):
        self.flash, self.boot_id = Flash(layout.SECTORS), 0
        self.power_on()

    def power_on(self):
        self.boot_id += 1
        self.now, self.clock = 0, Clock()
        self.ring = Ring(self.flash, layout.RING, layout.SECTORS - layout.RING)
        self.box = Outbox(self.ring, self.clock, self.boot_id, lambda: self.now)
        self.seq = 0

    def passes(self):
        self.seq += 1
        return self.box.add("entry", "main", self.seq, self.now)

    def time_server(self, wrong_ms=0):
        if self.clock.offer(TRUE_MS + self.now + wrong_ms, self.now):
            self.box.anchored()

    def send(self):
        """Return ((boot, seq), captured_at_ms) of what is sent now, or None."""
        entry = self.box.next()
        return entry and (entry[0][1:], json.loads(entry[1])["captured_at_ms"])

    def ack(self, key, **more):
        body = {"of": "gate", "boot_id": key[0], "seq": key[1], "result": "accepted"}
        body.update(more)
        return self.box.acked(body)


def an_ack_of_no_known_result_gives_nothing_up():
    board = Board()
    board.passes()
    board.box.connected()
    key, _ = board.send()
    for result in ("", None, "later", 1):
        assert not board.ack(key, result=result), result
    assert not board.ack(key, result="rejected", reason="rate"), "too many at once: it is kept"
    assert len(board.ring) == 1
    assert board.ack(key)
    board.passes()
    assert board.ack((1, 2), result="rejected"), "the dead-letter topic has it"
    assert len(board.ring) == 0


def a_link_that_comes_and_goes_does_not_hold_events_for_ever():
    """No time server answers, and no connection lasts as long as an event waits for one."""
    board = Board()
    board.passes()
    board.now = 10_000
    asked, sent = 0, None
    while sent is None and asked < 1000:
        if asked % 90 == 0:
            board.now += 600_000  # away: nothing waits for the time server then
            board.box.connected()
        board.now += 1000
        asked, sent = asked + 1, board.send()
    assert sent == ((1, 1), None)
    assert asked == 121, "it waits for two minutes, not for two minutes of one connection"


def a_full_ring_keeps_the_moment_of_the_clock_once_there_is_room():
    board = Board()
    while board.passes():
        board.now += 1000
    board.time_server()
    board.box.connected()
    first = board.seq - 1 - len(board.ring)
    assert first == 0
    for _ in range(200):
        key, reported_ms = board.send()
        assert reported_ms == TRUE_MS + (key[1] - 1) * 1000
        board.ack(key)
    board.power_on()
    board.box.connected()
    key, reported_ms = board.send()
    assert reported_ms == TRUE_MS + (key[1] - 1) * 1000, "known before the power cut, so after it"


def a_corrected_clock_corrects_earlier_times():
    """The first answer was an hour off, and two later ones agree. The times of the events in
    between are corrected too, even if the power fails before they are sent."""
    for cut in (False, True):
        board = Board()
        board.passes()
        board.now = 5000
        board.time_server(-HOUR_MS)
        board.now = 6000
        board.passes()
        for board.now in (20_000, 35_000):
            board.time_server()
        if cut:
            board.power_on()
        board.box.connected()
        for true_ms in (0, 6000):
            key, reported_ms = board.send()
            assert reported_ms == TRUE_MS + true_ms, (cut, reported_ms - TRUE_MS)
            board.ack(key)


def a_crystal_that_drifts_is_no_clock_that_was_wrong():
    """After a week away, an event's own clock is closer than a time calculated from a distant
    anchor."""
    board = Board()
    board.time_server()
    board.now = 1000
    board.passes()
    board.now = 7 * 24 * HOUR_MS
    for wrong_ms in range(0, 12_001, 1000):  # 20 ppm of it, a second at a time
        board.time_server(wrong_ms)
    assert board.clock.wall_at(board.now) == TRUE_MS + board.now + 12_000
    board.box.connected()
    assert board.send() == ((1, 1), TRUE_MS + 1000)


def a_slot_that_rots_is_skipped():
    board = Board()
    for _ in range(3):
        board.passes()
    board.flash.image[layout.RING * 4096 + 64 + 20] ^= 4
    board.box.connected()
    assert board.send()[0] == (1, 2), "the ring is not stuck behind it"
    assert board.ring.torn == 1
    board.ack((1, 2))
    board.flash.image[layout.RING * 4096 + 3 * 64 + 20] ^= 4
    assert board.send() is None
    assert len(board.ring) == 0
    board.power_on()
    assert (board.ring.torn, board.ring.last_boot) == (2, 1)


def a_worn_cell_loses_no_boot_number():
    flash = Flash(2)
    assert boots.next_boot(Journal(flash, 0), 7) == 7

    class Worn(Flash):
        def _store(self, at, data):
            if not 64 <= at < 192:  # the second and the third record do not hold
                super()._store(at, data)

    worn = Worn(2, flash.image)
    assert [boots.next_boot(Journal(worn, 0), 7) for _ in range(3)] == [8, 9, 10]


def on_trial(flash):
    return Slots(Journal(flash, layout.SLOTS)).on_trial


def only_the_image_that_runs_is_confirmed_and_only_by_what_was_accepted():
    flash = Flash(layout.SECTORS)
    device = Device(filled(CONFIG), Hal(flash))
    device.passed("entry", 0)
    device.slots.install()  # an update has just come; the image of before still runs
    hears(device, of="gate", boot_id=device.boot_id, seq=1, result="accepted")
    hears(device, of="status", boot_id=device.boot_id, result="accepted")
    assert len(device.ring) == 0
    assert on_trial(flash) == "b", "it has not run yet"
    Slots(Journal(flash, layout.SLOTS)).begin()
    device = Device(filled(CONFIG), Hal(flash))
    device.passed("entry", 0)
    hears(device, of="gate", boot_id=device.boot_id, seq=1, result="rejected", reason="x")
    hears(device, of="status", boot_id=device.boot_id - 1, result="accepted")
    hears(device, of="status", boot_id=device.boot_id, result="rejected")
    assert on_trial(flash) == "b", "ingest does not take what it sends"
    hears(device, of="status", boot_id=device.boot_id, result="accepted")
    assert on_trial(flash) is None


class Link:
    """A connection that only has to be closed."""

    async def close(self):
        pass


def a_restart_waits_for_the_vehicle_in_the_gate_but_not_for_ever():
    def asked(stays):
        device = Device(filled(CONFIG), Hal(Flash(layout.SECTORS)))
        hal, device.connection = device.hal, Link()
        hal.edges.put(OUTSIDE, 0)
        device.received("parking/v1/demo/gate-1/command", '{"restart": true}')
        for hal.now in range(100, 40_000, 100):
            if hal.now == 3000 and not stays:
                for at_ms, state in ((1000, OUTSIDE | INSIDE), (2000, INSIDE), (2900, 0)):
                    hal.edges.put(state, at_ms)
            asyncio.run(device._obey())  # noqa: SLF001 -- as the link does at every round
            if "restarted" in hal.said:
                return hal.now, len(device.ring)
        raise AssertionError("never")

    assert asked(stays=False) == (3000, 1), "the moment it had passed, and it is in flash"
    assert asked(stays=True) == (30_100, 0)


def a_retained_command_is_not_obeyed():
    """A retained {"restart": true} would come again after each restart."""

    async def take(flags):
        heard = []
        connection = mqtt.Connection(lambda *report: heard.append(report), 30)
        packet = packets.string("a/command") + b"{}"
        await connection._take(packets.PUBLISH, flags, packet)  # noqa: SLF001 -- as its reader does
        return heard

    assert asyncio.run(take(0)) == [("a/command", b"{}")]
    assert asyncio.run(take(1)) == []


def a_vehicle_that_comes_during_the_goodbye_is_waited_for():
    class Goodbye:
        """A picture is being sent, and the disconnect waits for it."""

        def __init__(self, hal):
            self.hal = hal

        async def close(self):
            self.hal.now += 500
            self.hal.edges.put(OUTSIDE, self.hal.now)

    device = Device(filled(CONFIG), Hal(Flash(layout.SECTORS)))
    device.connection = Goodbye(device.hal)
    device.received("parking/v1/demo/gate-1/command", '{"restart": true}')
    device.hal.now = 100
    asyncio.run(device._obey())  # noqa: SLF001 -- as its loop does
    assert device.sensors.busy
    assert "restarted" not in device.hal.said


print(json.dumps(globals()[sys.argv[1]]()))
