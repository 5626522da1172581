"""Which code fetches which kind of camera."""

from collections.abc import Callable

from parking.networks import Networks
from services.ingest.camerafile import Camera
from services.ingest.decoder import Decoder
from services.ingest.httpcam import HttpCamera
from services.ingest.messages import Limits
from services.ingest.puller import Source
from services.ingest.rtspcam import RtspCamera


def sources(
    networks: Networks, limits: Limits, limit_s: float, decoder: Decoder
) -> Callable[[Camera], Source]:
    """How to fetch a camera within these bounds. All RTSP cameras share the decoder."""

    def source_of(camera: Camera) -> Source:
        if camera.kind == "rtsp":
            return RtspCamera(camera, networks, decoder, limit_s)
        return HttpCamera(camera, networks, limits.frame_max_bytes, limit_s)

    return source_of
