"""The device: it wires its loops together. The other files decide, and `hal` drives the hardware.

`hal` (hal/esp32.py, sim/board.py): mono_ms(), random(), flash, store, online(), join(), capture(),
set_frame_size(name), edges (edges.py: filled whatever the loop does), ntp(), health() -> dict,
ssl(), feed(), restart(), say(text), proof (the path of proof.py's file).
"""

import asyncio
import json

from app import RELEASE, VERSION, boots, http, layout, stream
from app.backoff import Backoff
from app.clock import Clock
from app.commands import parse
from app.frames import Motion, Newest, Pace, is_whole
from app.mqtt import Connection, Lost
from app.names import topic
from app.outbox import Outbox
from app.proof import Proof
from app.ring import Ring
from app.sensors import Sensors
from app.update import Updater
from app.watch import Watch
from loader.journal import Journal
from loader.slots import Slots

TELEMETRY_S = 30
SENSOR_MS = 10
CLOCK_AGAIN_S = 3600
CLOCK_SOON_S = 15
PASSING_MS = 30_000  # the longest time that a restart waits for a vehicle in the gate
_LIMITS_MS = {"sensors": 10_000, "link": 400_000, "camera": 120_000, "clock": 4_000_000}
_LIMITS_MS["updates"] = 400_000


class Device:
    """One boot of a device with a checked configuration."""

    def __init__(self, config, hal):
        self.config, self.hal = config, hal
        self.id = config["device_id"]
        self.clock = Clock()
        self.ring = Ring(hal.flash, layout.RING, layout.SECTORS - layout.RING)
        begin = boots.base(config["provisioned_at_s"], config["provisioned_chance"])
        self.boot_id = boots.next_boot(Journal(hal.flash, layout.BOOTS), begin, self.ring.last_boot)
        self.outbox = Outbox(self.ring, self.clock, self.boot_id, hal.mono_ms)
        self.slots = Slots(Journal(hal.flash, layout.SLOTS))
        self.proof = Proof(hal.proof, config, self.slots)
        self.sensors = Sensors(config, hal.edges, hal.mono_ms, self.passed)
        self.newest = Newest()
        self.motion = Motion()
        self.backoff = Backoff(hal.random, config["reconnect_s"], 4 * config["reconnect_s"])
        self.watch = Watch(_LIMITS_MS, hal.mono_ms, hal.feed)
        self.connection = None
        self.connections = 0
        self.interval_ms = config["interval_ms"]
        self.motion_set = config["motion"]
        self._seq = 0
        self._capture_now = False
        self._restart_ms = None
        self._wake = asyncio.Event()
        self._shot = asyncio.Event()
        self._ssl = hal.ssl() if config["tls"] or config["ca"] else None
        mine = (RELEASE, config["board"], config["update_key"])
        alive = lambda: self.watch.alive("updates")  # noqa: E731
        self.updater = Updater(hal.store, self.slots, mine, self._ssl, alive)

    async def run(self):
        """Run until the device restarts. A loop should never end, so one that does restarts the
        device."""
        loops = [self._link(), self._sensors(), self._camera(), self._time(), self._feed()]
        loops.append(self.updater.run(self.hal.say, self._restart_soon))
        if self.config["stream_port"]:
            served = stream.Stream(self.hal.capture, self.config["stream_token"])
            await served.serve("0.0.0.0", self.config["stream_port"])  # noqa: S104 -- its own port
        await asyncio.gather(*loops)

    # ------------------------------------------------------------ the link
    async def _link(self):
        while True:
            wait_s = self.backoff.next_s()
            self.hal.say("connecting in %.1f s" % wait_s)
            until = self.hal.mono_ms() + int(wait_s * 1000)
            while self.hal.mono_ms() < until:
                self.watch.alive("link")
                await asyncio.sleep_ms(max(1, min(1000, until - self.hal.mono_ms())))
            self.watch.alive("link")
            if not self.hal.online() and not await self.hal.join():
                self.hal.say("no network")
                continue
            try:
                await self._connected()
            except (Lost, OSError) as error:
                self.hal.say("connection: %s" % error)
            self.connection = None

    async def _connected(self):
        config = self.config
        self.connections += 1
        connection = Connection(self.received, config["keepalive_s"])
        address = (config["host"], config["port"], self._ssl if config["tls"] else None)
        will = (topic(self.id, "status"), self._status("offline", "connection lost"))
        user = self.id if config["password"] else ""
        await connection.open(address, (self.id, user, config["password"]), will)
        reader = asyncio.create_task(connection.guard(connection.run()))
        pictures = None
        try:
            await connection.subscribe([topic(self.id, "ack"), topic(self.id, "command")])
            online = self._status("online", "connected")
            await connection.publish(topic(self.id, "status"), online, 1, True)
            self.hal.say("connected, boot %d, connection %d" % (self.boot_id, self.connections))
            self.connection = connection
            self.outbox.connected()
            self.backoff.worked()
            pictures = asyncio.create_task(connection.guard(self._pictures(connection)))
            await self._work(connection)
        finally:
            if pictures is not None:
                pictures.cancel()
            reader.cancel()
            await connection.close()

    async def _work(self, connection):
        reported_ms = None
        while connection.why is None:
            self._wake.clear()  # anything that arrives from here on wakes the next round
            self.watch.alive("link")
            now = self.hal.mono_ms()
            if reported_ms is None or now - reported_ms >= TELEMETRY_S * 1000:
                reported_ms = now
                await connection.publish(topic(self.id, "telemetry"), self._telemetry(), 0)
            event = self.outbox.next()
            if event is not None:
                await connection.publish(topic(self.id, *event[0]), event[1])
            await self._obey()
            try:
                await asyncio.wait_for_ms(self._wake.wait(), 250)
            except asyncio.TimeoutError:
                pass  # the round continues: it checks the clock
        raise connection.why

    async def _pictures(self, connection):
        """Post pictures in a separate loop: a POST that hangs does not delay gate events. Over MQTT
        both share one connection, so a gate event waits until the current picture is sent."""
        while connection.why is None:
            frame = self.newest.take()
            if frame is not None:
                await self._send_picture(connection, *frame)
            else:
                self._shot.clear()
                try:
                    await asyncio.wait_for_ms(self._shot.wait(), 1000)
                except asyncio.TimeoutError:
                    pass  # checks that the connection still works

    async def _send_picture(self, connection, jpeg, seq, captured_ms):
        if self.config["post_url"]:
            head = ["Authorization: Bearer " + self.config["api_key"], "Content-Type: image/jpeg"]
            head += ["X-Boot-Id: %d" % self.boot_id, "X-Seq: %d" % seq]
            head += ["X-Captured-At-Ms: %d" % captured_ms]
            url = self.config["post_url"] + self.id
            try:
                status = await http.request(url, self._ssl, head, jpeg, lambda _: None)
                if status != 202:
                    self.hal.say("picture refused: %d" % status)
            except http.Failed as error:
                self.hal.say("picture not sent: %s" % error)
            return
        suffix = ("frame", self.boot_id, seq, captured_ms)
        await connection.publish(topic(self.id, *suffix), jpeg, self.config["frame_qos"])

    def received(self, name, payload):
        """Handle a message on `ack` or `command`."""
        try:
            if name.endswith("/ack"):
                self._acked(json.loads(payload))
            else:
                self._handle(parse(payload))
        except (ValueError, TypeError, AttributeError) as error:
            self.hal.say("not understood on %s: %s" % (name, error))
        self._wake.set()

    def _acked(self, body):
        mine = body.get("boot_id") == self.boot_id
        of_gate = self.outbox.acked(body)
        of_status = mine and body.get("of") == "status"
        accepted = body.get("result") == "accepted" and (of_gate or of_status)
        if accepted and self.proof.acked():
            self.hal.say("the new image is confirmed: " + VERSION)
        if body.get("result") == "rejected":
            self.hal.say("refused: %s %s" % (body.get("of"), body.get("reason")))

    def _handle(self, command):
        self.interval_ms = command.get("interval_ms", self.interval_ms)
        self.motion_set = command.get("motion", self.motion_set)
        self._capture_now = command.get("capture", self._capture_now)
        self.updater.wanted = command.get("update", self.updater.wanted)
        if command.get("restart"):
            self._restart_soon()
        if "frame_size" in command:
            self.hal.set_frame_size(command["frame_size"])

    def _restart_soon(self):
        self._restart_ms = self.hal.mono_ms()

    async def _obey(self):
        if self._restart_ms is None:
            return
        self.sensors.look()
        late = self.hal.mono_ms() - self._restart_ms > PASSING_MS
        if not self.sensors.busy or late:
            self.hal.say("restarting: %s" % ("late" if late else "no vehicle is in the gate"))
            await self.connection.close()
            self.sensors.look()  # a vehicle may have arrived meanwhile
            if late or not self.sensors.busy:
                self.hal.restart()

    def _status(self, state, reason):
        body = {"state": state, "boot_id": self.boot_id, "connection": self.connections}
        body["reason"] = reason
        return json.dumps(body)

    def _telemetry(self):
        body = self.hal.health()
        body["uptime_s"] = self.hal.mono_ms() / 1000
        body["firmware"] = VERSION
        body["frames_dropped"] = self.newest.dropped
        body["gate_events_waiting"] = len(self.ring)
        body["gate_events_lost"] = self.ring.refused
        if self.config["gate"]:
            body.update(self.sensors.telemetry())
        return json.dumps(body)

    # ------------------------------------------------------------ the other loops
    async def _sensors(self):
        while True:
            self.watch.alive("sensors")
            self.sensors.look()
            await asyncio.sleep_ms(SENSOR_MS)

    def passed(self, direction, at_ms):
        """Store a passage in flash, then send it."""
        self._seq += 1
        if not self.outbox.add(direction, self.config["gate_name"], self._seq, at_ms):
            self.hal.say("the ring is full: a gate event is lost (%d)" % self.ring.refused)
        self._wake.set()

    async def _camera(self):
        pace = Pace()
        while True:
            self.watch.alive("camera")
            timed = pace.due(self.hal.mono_ms(), self.interval_ms)
            if timed or self._capture_now or self.motion_set:
                self._take(timed or self._capture_now)
                self._capture_now = False
            await asyncio.sleep_ms(50 if not self.motion_set else 250)

    def _take(self, wanted):
        if self.connection is None:
            return  # nobody can receive it, and old pictures are useless
        jpeg = self.hal.capture()
        if jpeg is None or not is_whole(jpeg):
            self.hal.say("no whole picture from the camera")
            return
        moved = self.motion_set and self.motion.feed(len(jpeg))
        if wanted or moved:
            self._seq += 1
            captured_ms = self.clock.wall_at(self.hal.mono_ms()) or 0
            self.newest.put((jpeg, self._seq, captured_ms))
            self._shot.set()

    async def _time(self):
        while True:
            self.watch.alive("clock")
            answer = await self.hal.ntp() if self.hal.online() else None
            if answer is not None and self.clock.offer(*answer):
                self.outbox.anchored()
                self._wake.set()
            elif answer is not None:
                self.hal.say("the time server is not believed: %d" % answer[0])
            await asyncio.sleep(CLOCK_AGAIN_S if self.clock.known else CLOCK_SOON_S)

    async def _feed(self):
        while True:
            why = self.proof.overdue(self.hal.mono_ms(), self.connection is not None)
            if why:
                self.hal.say(why)
                self.hal.restart()
            if not self.watch.feed():
                self.hal.say("hanging: %s" % ", ".join(self.watch.late()))
            await asyncio.sleep(1)
