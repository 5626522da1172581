"""Find ONVIF cameras for the page, and ask one of them for its streams."""

import asyncio
from dataclasses import dataclass
from typing import Final

from parking.core.errors import Retryable
from parking.wire.camera_sources import AskedCamera, FoundCamera, NewSource, StreamProfile
from services.ingest.pull import media, onvif
from services.ingest.pull.camerafile import polled
from services.ingest.pull.faults import CameraFault
from services.ingest.pull.networks import Forbidden, Networks, SiteNetworks
from services.ingest.pull.onvifcam import OnvifDevice

WAIT_S: Final = 4.0
ASK_LIMIT_S: Final = 45.0


@dataclass(frozen=True, slots=True)
class Finder:
    """The networks in which each site's cameras may be, how long a camera may take to answer, and
    where to send the request."""

    networks: SiteNetworks
    limit_s: float
    group: tuple[str, int] = onvif.GROUP
    wait_s: float = WAIT_S

    async def find(self, site_id: str) -> list[FoundCamera]:
        """Return the cameras in the site's networks that answer within some seconds. The host of a
        service is always the one that answered, because a login must not go to a host that an
        answer names. Raises Retryable."""
        try:
            found = await onvif.discover(self.wait_s, self.group)
        except OSError as error:
            raise Retryable(
                f"the request cannot be sent ({error.strerror})", "no-network"
            ) from None
        networks = self.networks.of(site_id)
        return [
            FoundCamera(address=one.address, model=one.model, service=service)
            for one in found
            if _may_be_asked(networks, one.address)
            and (service := media.web_url(one.service, f"http://{one.address}/"))
        ]

    async def profiles(self, site_id: str, asked: AskedCamera) -> list[StreamProfile]:
        """Return the streams of a camera in the site's networks, with their addresses. Raises
        Invalid, CameraFault."""
        # The address must be one that could be polled.
        source = NewSource(version=0, kind="snapshot", url=asked.service)
        polled("none/none", source, asked.login)
        networks = self.networks.of(site_id)
        device = OnvifDevice(asked.service, networks, self.limit_s, asked.login)
        try:
            async with asyncio.timeout(ASK_LIMIT_S):
                profiles = await device.profiles()
        except TimeoutError:
            raise CameraFault("timeout", "the camera did not answer in time") from None
        return [
            StreamProfile(
                name=one.name or one.token,
                codec=one.codec,
                width=one.width,
                height=one.height,
                rate=one.rate,
                stream=one.stream,
                snapshot=one.snapshot,
            )
            for one in profiles
        ]


def _may_be_asked(networks: Networks, address: str) -> bool:
    try:
        networks.check(address)
    except Forbidden:
        return False
    return True
