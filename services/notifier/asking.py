"""Requests of the notifier to another of our services."""

from collections.abc import Mapping
from typing import Final

import aiohttp

from parking.wire.bodies import read_at_most

_CHUNK_BYTES: Final = 65_536


async def ask(
    method: str,
    url: str,
    *,
    sent: bytes | None,
    headers: Mapping[str, str],
    limits: aiohttp.ClientTimeout,
    limit_bytes: int,
) -> tuple[int, bytes]:
    """Send one request; return the status and the body. Redirects are not followed. Raises
    TooLarge above `limit_bytes`, TimeoutError, aiohttp.ClientError."""
    async with (
        aiohttp.ClientSession(timeout=limits, headers=headers) as session,
        session.request(method, url, data=sent, allow_redirects=False) as response,
    ):
        chunks = response.content.iter_chunked(_CHUNK_BYTES)
        return response.status, await read_at_most(chunks, limit_bytes)
