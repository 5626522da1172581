"""What ends a connection, and which endings must be noticed, with one function per behaviour. Runs
under MicroPython: endings.py NAME."""

import asyncio
import json
import sys

sys.path.insert(0, "firmware")

from hearing import Hal

from app import http, layout, mqtt, packets, portal, stream
from app.config import filled
from app.device import Device
from sim.flash import Flash

HOST, PORT = "127.0.0.1", int(sys.argv[2])
CONFIG = {"device_id": "demo/cam", "host": HOST, "port": PORT, "password": "p", "tls": False}
CONFIG.update({"provisioned_at_s": 1_790_000_000, "interval_ms": 86_400_000})
TOKEN = b"0123456789abcdef"
SIZE = packets.string("parking/v1/demo/cam/command") + b'{"frame_size": "SVGA"}'
MOMENTS = ((0, ""), (60_000, ""), (60_001, '{"interval_ms": 5000}'), (60_002, ""))
MOMENTS += ((65_000, ""), (65_001, ""), (90_000, ""), (90_001, ""))
ERRORS = (MemoryError("no room"), RuntimeError("the sensor says no"))


class Board(Hal):
    """As much of a board as one connection needs. `wrong` is what a change of the size raises."""

    def __init__(self, wrong=None):
        super().__init__(Flash(layout.SECTORS))
        self.wrong, self.taken = wrong, 0

    def health(self):
        return {}

    def capture(self):
        self.taken += 1
        return b"\xff\xd8\0\xff\xd9"

    def set_frame_size(self, name):
        raise self.wrong


async def broker(reader, writer, command):
    """Grant every subscription, then send `command` to the subscriber."""
    inside = mqtt.Connection(None)
    inside._reader = reader  # noqa: SLF001 -- it reads packets as the device does
    while True:
        kind, flags, body = await inside._read()  # noqa: SLF001
        if kind == 1:
            writer.write(b"\x20\x02\0\0")
        elif kind == 8:
            writer.write(b"\x90\x04" + body[:2] + b"\x01\x01")
            if command:
                writer.write(bytes((0x30, len(command))) + command)
        elif kind == packets.PUBLISH and flags & 6:
            at = 2 + int.from_bytes(body[:2], "big")
            writer.write(b"\x40\x02" + body[at : at + 2])
        await writer.drain()


async def ended(device, command=b""):
    """Return why a device's connection ended within three seconds; None if it did not."""
    server = await asyncio.start_server(lambda *s: broker(*s, command), HOST, PORT)
    try:
        await asyncio.wait_for(device._connected(), 3)  # noqa: SLF001 -- as its link does
    except mqtt.Lost as why:
        return str(why)
    except asyncio.TimeoutError:
        return None
    finally:
        server.close()
        await server.wait_closed()


def a_command_that_fails_ends_the_connection():
    for wrong in ERRORS:
        device = Device(filled(CONFIG), Board(wrong))
        assert asyncio.run(ended(device, SIZE)) == str(wrong)


def a_picture_that_fails_ends_the_connection():
    for wrong in ERRORS:
        device = Device(filled(CONFIG), Board())

        async def send(*_, wrong=wrong):
            raise wrong

        device._send_picture = send  # noqa: SLF001 -- an allocation anywhere in it
        device.newest.put((b"", 1, 0))
        assert asyncio.run(ended(device)) == str(wrong)


def nothing_ends_a_connection_that_works():
    assert asyncio.run(ended(Device(filled(CONFIG), Board()))) is None


class Full:
    """A writer without room for the data it is given."""

    closed = False

    def write(self, data):
        raise MemoryError("no room")

    def close(self):
        pass

    async def wait_closed(self):
        self.closed = True


def a_packet_that_was_cut_short_ends_the_connection():
    """The bytes after half a packet would be read as the rest of it."""

    async def sent(send):
        connection = mqtt.Connection(None, 0.1)
        writer = connection._writer = Full()  # noqa: SLF001
        try:
            await send(connection)
        except mqtt.Lost:
            pass
        return str(connection.why), writer.closed

    async def publish(connection):
        await connection.publish("t", b"x", 0)

    async def ping(connection):
        connection._reader = Silent()  # noqa: SLF001
        reading = asyncio.create_task(connection.guard(connection.run()))
        await asyncio.sleep(0.3)
        reading.cancel()

    for send in (publish, ping):
        assert asyncio.run(sent(send)) == ("no room", True)


class Silent:
    """A stream on which nothing arrives."""

    async def readexactly(self, count):
        await asyncio.sleep(60)


def what_is_called_off_is_no_failure():
    async def called_off():
        connection = mqtt.Connection(None)
        task = asyncio.create_task(connection.guard(Silent().readexactly(1)))
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return connection.why
        raise AssertionError("swallowed")

    assert asyncio.run(called_off()) is None


def the_heap_is_swept_after_a_memory_error():
    swept = []

    class Sweeper:
        collect = staticmethod(lambda: swept.append(1))

    async def fails(wrong):
        raise wrong

    mqtt.gc = Sweeper
    for wrong in ERRORS:
        asyncio.run(mqtt.Connection(None).guard(fails(wrong)))
    assert len(swept) == 1


def an_interval_counts_from_the_last_picture():
    async def reports_of():
        device = Device(filled(CONFIG), Board())
        hal, device.connection = device.hal, True
        taken = []
        loop = asyncio.create_task(device._camera())  # noqa: SLF001 -- one of its loops
        for hal.now, command in MOMENTS:
            if command:
                device.received("parking/v1/demo/cam/command", command)
            await asyncio.sleep_ms(120)  # two rounds of the loop
            taken.append(hal.taken)
        loop.cancel()
        return taken

    assert asyncio.run(reports_of()) == [1, 1, 2, 2, 2, 3, 4, 4]


async def at_its_end(server, said):
    """Return what arrives until the other side closes; None if it does not."""
    server = await server
    try:
        reader, writer = await asyncio.open_connection(HOST, PORT)
        writer.write(said)
        await writer.drain()
        return await asyncio.wait_for(reader.read(-1), 2)
    except asyncio.TimeoutError:
        return None
    finally:
        server.close()
        await server.wait_closed()


def a_viewer_who_was_answered_is_hung_up_on():
    shown = stream.Stream(Board().capture, TOKEN.decode()).serve(HOST, PORT)
    answer = asyncio.run(at_its_end(shown, b"GET /picture?token=" + TOKEN + b" HTTP/1.0\r\n\r\n"))
    assert answer is not None
    assert answer.endswith(b"\xff\xd9")


def a_phone_that_was_answered_is_hung_up_on():
    form = portal.Portal(lambda: 0.5).serve(HOST, PORT)
    answer = asyncio.run(at_its_end(form, b"GET / HTTP/1.0\r\n\r\n"))
    assert answer is not None
    assert answer.endswith(b"</html>\n") or b"</form>" in answer


def a_server_whose_answer_is_not_wanted_is_hung_up_on():
    heard = []

    async def answer(reader, writer):
        while await reader.readline() != b"\r\n":
            pass
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nbody")
        await writer.drain()
        heard.append(await reader.read(-1))

    def sink(piece):
        raise ValueError("not wanted")

    async def asked():
        server = await asyncio.start_server(answer, HOST, PORT)
        try:
            await http.request("http://%s:%d/" % (HOST, PORT), None, [], None, sink)
        except http.Failed:
            await asyncio.sleep(1)
        server.close()
        return heard

    assert asyncio.run(asked()) == [b""]


print(json.dumps(globals()[sys.argv[1]]()))
