"""Read the bodies of HTTP requests and responses up to a limit. Pure."""

from collections.abc import AsyncIterable


class TooLarge(Exception):
    """A body is larger than allowed."""


async def read_at_most(chunks: AsyncIterable[bytes], limit_bytes: int) -> bytes:
    """Join the chunks of a body. Raises TooLarge as soon as they exceed the limit, without reading
    the rest. The caller limits the time."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit_bytes:
            raise TooLarge
    return bytes(body)
