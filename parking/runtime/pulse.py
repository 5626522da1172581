"""Check every few seconds, in every service, whether Kafka answers.

When Kafka hangs (a frozen process, a cut network), a consumer that waits for records gets no error,
and it looks as if no records were published. So each service requests its cluster metadata, and
/readyz, the metrics and the page show within seconds that Kafka does not answer, and since when. It
never ends a process, because a restart does not fix an outage.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from parking.core.errors import Retryable
from parking.runtime.kafka import KafkaSettings
from parking.runtime.metrics import STILL_SECONDS
from parking.runtime.ops import Health, SystemClock
from parking.runtime.printable import utc
from parking.runtime.retry import pause
from parking.wire.ports import Clock

log = logging.getLogger(__name__)

EVERY_S: Final = 2.0
ANSWER_LIMIT_S: Final = 3.0
"""Together with EVERY_S, it shows an outage after at most 5 s."""
WHAT: Final = "pulse"


def _nobody(_: int | None) -> None:
    """Used if nobody needs to know."""


@dataclass(slots=True)
class Pulse:
    """Checks repeatedly. Calls `changed` with the time of the last answer (Unix ms) when answers
    stop, and with None when they resume."""

    ask: Callable[[], Awaitable[None]]
    health: Health
    clock: Clock = field(default_factory=SystemClock)
    changed: Callable[[int | None], None] = _nobody
    _answered_ms: int | None = None
    _still: bool = False

    async def loop(self, stop: asyncio.Event) -> None:
        """Check repeatedly until `stop` is set."""
        while not stop.is_set():
            await self.look()
            await pause(stop, EVERY_S)

    async def look(self) -> None:
        """Request the cluster metadata once."""
        if self._answered_ms is None:  # the process's start time, because there was no answer yet
            self._answered_ms = self.clock.now_ms()
        try:
            await self.ask()
        except Retryable as error:
            self._stands_still(error)
        else:
            self._answered_ms = self.clock.now_ms()
            STILL_SECONDS.labels("kafka").set(0)
            self.health.waiting.pop(WHAT, None)
            if self._still:
                self._still = False
                log.warning("Kafka is responding again")
                self.changed(None)

    def _stands_still(self, error: Retryable) -> None:
        since_ms = self._answered_ms or 0
        STILL_SECONDS.labels("kafka").set(max(0, self.clock.now_ms() - since_ms) / 1000)
        since = utc(since_ms)
        self.health.waiting[WHAT] = f"Kafka has not answered since {since}"
        if not self._still:
            self._still = True
            log.warning("Kafka has not answered since %s: %s", since, error)
            self.changed(since_ms)


class KafkaAsker:
    """Query Kafka over a separate connection, reopened after each failure."""

    def __init__(self, settings: KafkaSettings, limit_s: float = ANSWER_LIMIT_S) -> None:
        self._settings = settings
        self._limit_s = limit_s
        self._admin: AIOKafkaAdminClient | None = None

    async def ask(self) -> None:
        """Query Kafka. Raises Retryable if no answer arrives in time."""
        try:
            async with asyncio.timeout(self._limit_s):
                if self._admin is None:
                    self._admin = AIOKafkaAdminClient(**self._settings.client())
                    await self._admin.start()
                await self._admin.describe_cluster()
        except (TimeoutError, KafkaError, OSError) as error:
            await self.close()
            raise Retryable(f"Kafka did not answer: {error!r}") from error

    async def close(self) -> None:
        """End the connection."""
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()


def kafka_pulse(
    settings: KafkaSettings, health: Health, changed: Callable[[int | None], None] = _nobody
) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop of a service."""

    async def loop(stop: asyncio.Event) -> None:
        asker = KafkaAsker(settings)
        try:
            await Pulse(asker.ask, health, changed=changed).loop(stop)
        finally:
            await asker.close()

    return loop
