"""Choose the code that polls each kind of camera."""

from collections.abc import Callable

from services.ingest.messages import Limits
from services.ingest.pull.camerafile import Camera
from services.ingest.pull.httpcam import HttpCamera
from services.ingest.pull.networks import Networks
from services.ingest.pull.onvifcam import OnvifCamera, OnvifDevice
from services.ingest.pull.puller import Source
from services.ingest.pull.rtspcam import RtspCamera
from services.ingest.pull.streams import Streams


def sources(
    networks: Networks, limits: Limits, limit_s: float, streams: Streams
) -> Callable[[Camera], Source]:
    """Return a source for a camera, with these limits; ONVIF may supply the camera's address. All
    RTSP cameras share the video readers."""

    def source_of(camera: Camera) -> Source:
        if camera.onvif and not camera.url:
            login, pin = camera.credential, camera.tls_sha256
            device = OnvifDevice(camera.onvif, networks, limit_s, login, pin)
            return OnvifCamera(camera, device, source_of)
        if camera.kind == "rtsp":
            return RtspCamera(camera, networks, streams, limit_s)
        return HttpCamera(camera, networks, limits.frame_max_bytes, limit_s)

    return source_of
