"""Many devices' connections in one process: herd.py PORT COUNT BASE_S. The client, the back-off and
the packets are the firmware's. It prints `connected` with the time of each connection until it is
killed."""

import asyncio
import random
import sys
import time

sys.path.insert(0, "firmware")

from app.backoff import Backoff
from app.mqtt import Connection, Lost

PORT, COUNT, BASE_S = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])


async def device(name):
    backoff = Backoff(random.random, BASE_S, 4 * BASE_S)
    while True:
        await asyncio.sleep(backoff.next_s())
        connection = Connection(lambda *_: None)
        login = (name, name, "password of " + name)
        try:
            will = ("parking/v1/%s/status" % name, b"{}")
            await connection.open(("127.0.0.1", PORT, None), login, will)
            print("connected", name, time.time_ns() // 1_000_000)
            backoff.worked()
            await connection.run()
        except Lost as error:
            print("lost", name, error)


async def main():
    await asyncio.gather(*[device("herd/cam-%d" % n) for n in range(COUNT)])


asyncio.run(main())
