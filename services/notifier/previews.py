"""The detector, asked about outlines that somebody is drawing."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import msgspec

from parking.core.errors import UNREADABLE, Retryable
from parking.wire.bodies import TooLarge
from parking.wire.previews import PreviewOrder, SlotPreview
from services.notifier.asking import ask
from services.notifier.refusals import Busy, Elsewhere

ANSWER_LIMIT_S: Final = 20.0
CONNECT_LIMIT_S: Final = 3.0
_MAX_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Previews:
    """The detector at `url`. It is asked for one preview at a time, because its first task is the
    cameras."""

    url: str
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def judge(self, order: PreviewOrder) -> SlotPreview:
        """Raises Busy, Elsewhere with the detector's reason, Retryable when it does not answer."""
        if self.turn.locked():
            raise Busy(
                "busy", "the detector is judging another drawing: try again in a few seconds"
            )
        async with self.turn:
            status, body = await self._ask(order)
        try:
            if status == 200:
                return msgspec.json.decode(body, type=SlotPreview)
            words = msgspec.json.decode(body, type=dict[str, str])
        except UNREADABLE:
            raise _silent(f"status {status}") from None
        if status == 503:
            raise Busy("busy", "the detector is busy with the cameras: try again in a few seconds")
        if status == 404:  # an older detector
            raise _silent("it cannot judge drawings: update it")
        raise Elsewhere(422, words.get("error", "refused"), words.get("detail", "")[:500])

    async def _ask(self, order: PreviewOrder) -> tuple[int, bytes]:
        timeout = aiohttp.ClientTimeout(total=ANSWER_LIMIT_S, sock_connect=CONNECT_LIMIT_S)
        headers = {"Content-Type": "application/json"}
        try:
            return await ask(
                "POST",
                f"{self.url}/preview",
                sent=msgspec.json.encode(order),
                headers=headers,
                limits=timeout,
                limit_bytes=_MAX_BYTES,
            )
        except (TooLarge, TimeoutError, aiohttp.ClientError) as error:
            raise _silent(type(error).__name__) from None


def _silent(why: str) -> Retryable:
    return Retryable(f"the detector does not answer ({why})", "no-detector")
