"""What every service process has."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import httpx
import pytest

from parking.runtime import ops


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Let nothing be collected by chance. What `serve` froze is thawed."""
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("no_collector")
async def test_garbage_from_startup_is_freed():
    class Ring:
        def __init__(self) -> None:
            self.itself = self

    dead = weakref.ref(Ring())
    assert dead() is not None, "only the collector finds it"

    async def loop(stop: asyncio.Event) -> None:
        assert dead() is None
        assert gc.get_freeze_count() > 0
        stop.set()
        await asyncio.sleep(0)  # so that the stop request comes before it ends

    await ops.serve({"a loop": loop})


async def test_readyz_keeps_addresses_for_the_log():
    health = ops.Health(
        waiting={
            "kafka": "KafkaConnectionError: Unable to bootstrap from kafka-1.int:9092",
            "since": "no answer from 10.0.0.7:5432 since 2026-11-30 18:00:07 UTC",
        }
    )
    transport = httpx.ASGITransport(ops.ops_app(health))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        answer = await http.get("/readyz")
    assert answer.json()["reasons"] == {
        "kafka": "KafkaConnectionError: Unable to bootstrap from (address)",
        "since": "no answer from (address) since 2026-11-30 18:00:07 UTC",
    }
