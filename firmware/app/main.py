"""The entry point of an image."""

import asyncio

from app.device import Device
from app.portal import Portal


def main(hal, config):
    """Run until the board restarts."""
    asyncio.run(Device(config, hal).run())


async def provision(random, host, port, limit_s=None):
    """Serve the portal until the device is configured and return the configuration; None after
    `limit_s`."""
    portal = Portal(random)
    server = await portal.serve(host, port)
    try:
        await asyncio.wait_for(portal.done.wait(), limit_s)
        await asyncio.sleep_ms(500)  # the browser gets its answer
    except asyncio.TimeoutError:
        pass  # the existing configuration is tried again
    server.close()
    return portal.config
