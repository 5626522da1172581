"""The end of a stream."""


async def closed(writer):
    """Close it now. MicroPython's `close()` does nothing, and a stream left to the garbage
    collector keeps its socket and 40 kB of TLS."""
    try:
        writer.close()
        await writer.wait_closed()
    except OSError:
        pass  # already closed
