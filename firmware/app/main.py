"""The entry point of an image."""

import asyncio

from app.device import Device
from app.portal import Portal


def main(hal, config):
    """Run until the board restarts."""
    asyncio.run(Device(config, hal).run())


async def provision(random, host, port, limit_s=None):
    """Serve the portal until the device is configured and return the configuration. Returns None
    after `limit_s`."""
    portal = Portal(random)
    server = await portal.serve(host, port)
    try:
        await asyncio.wait_for(portal.done.wait(), limit_s)
        await asyncio.sleep_ms(500)  # time for the browser to get its answer
    except asyncio.TimeoutError:
        pass  # try the existing configuration again
    server.close()
    return portal.config
