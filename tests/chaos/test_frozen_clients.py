"""With 600 frozen clients at 10,000 slots, the gateway's memory stays bounded.

In the textbook gateway, each of them costs a snapshot of its own (docs/operations.md).
"""

import socket
import time

import psutil
import pytest

from parking.runtime.giveback import EVERY_S
from tests.support.waiting import wait_until
from tools.bench.sse import running
from tools.stack.checks import HOST

FROZEN, SLOTS, PER_S = 600, 10_000, 20.0
GROWTH_BYTES = 64_000_000
KEPT = 0.10
SETTLE_S = 20
pytestmark = [pytest.mark.nightly, pytest.mark.stack, pytest.mark.timeout(300)]


def freeze(port: int) -> socket.socket:
    client = socket.create_connection((HOST, port))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.sendall(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    return client


@pytest.mark.parametrize("more", [(), ("--keep-memory",)], ids=["given back", "control"])
def test_frozen_clients_cost_little_and_are_dropped(more, record_property):
    with running("ours", SLOTS, PER_S, *more) as (port, process):
        for client in [freeze(port) for _ in range(3)]:
            client.close()  # one-time costs of the first client do not count
        time.sleep(5)
        before = process.memory_info().rss
        clients = [freeze(port) for _ in range(FROZEN)]
        most = before
        until = time.monotonic() + SETTLE_S
        while time.monotonic() < until:
            most = max(most, process.memory_info().rss)
            time.sleep(0.1)
        wait_until(lambda: connections(process) < 10, 60, "frozen clients dropped")
        time.sleep(3 * EVERY_S)  # until memory is given back
        after = process.memory_info().rss
        for client in clients:
            client.close()
    record_property("grown_mb", (most - before) / 1e6)
    record_property("kept_mb", (after - before) / 1e6)  # by the allocator, for the next ones
    assert most - before < GROWTH_BYTES
    assert (after - before < KEPT * before) == (not more)


def connections(process: psutil.Process) -> int:
    return len([c for c in process.net_connections("tcp") if c.status == "ESTABLISHED"])
