"""Where an image begins."""

import asyncio

from app.device import Device
from app.portal import Portal


def main(hal, config):
    """Run until the board restarts."""
    asyncio.run(Device(config, hal).run())


async def provision(random, host, port):
    """Serve the portal until somebody has configured the device; the configuration."""
    portal = Portal(random)
    server = await portal.serve(host, port)
    await portal.done.wait()
    await asyncio.sleep_ms(500)  # the browser gets its answer
    server.close()
    return portal.config
