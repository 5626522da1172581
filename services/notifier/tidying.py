"""Delete expired sign-ins and links, and old entries of the audit log, every hour."""

import asyncio
import logging
from typing import Final

from parking.access.sign_ins import SignIns
from parking.core.errors import Retryable
from parking.runtime.retry import pause
from parking.wire.ports import Clock

log = logging.getLogger(__name__)

EVERY_S: Final = 3600.0
_DAY_MS: Final = 86_400_000


async def tidy_accounts(
    stop: asyncio.Event, *, sign_ins: SignIns, audit_days: int, clock: Clock
) -> None:
    """Run until `stop` is set. Several instances may do it side by side."""
    while not stop.is_set():
        now_ms = clock.now_ms()
        try:
            await sign_ins.store.tidy(sign_ins.expiry, now_ms - audit_days * _DAY_MS, now_ms)
        except Retryable as error:
            log.warning("old sign-ins are not deleted yet: %s", error)
        await pause(stop, EVERY_S)
