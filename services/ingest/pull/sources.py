"""Choose the code that polls each kind of camera."""

from collections.abc import Callable

from parking.core.topics import site_of
from services.ingest.messages import Limits
from services.ingest.pull.camerafile import Camera
from services.ingest.pull.httpcam import HttpCamera
from services.ingest.pull.networks import SiteNetworks
from services.ingest.pull.onvifcam import OnvifCamera, OnvifDevice
from services.ingest.pull.puller import Source
from services.ingest.pull.rtspcam import RtspCamera
from services.ingest.pull.streams import Streams


def sources(
    networks: SiteNetworks, limits: Limits, limit_s: float, streams: Streams
) -> Callable[[Camera], Source]:
    """Return a source for a camera, with these limits and its site's networks; ONVIF may supply the
    camera's address. All RTSP cameras share the video readers."""

    def source_of(camera: Camera) -> Source:
        allowed = networks.of(site_of(camera.camera_id))
        if camera.onvif and not camera.url:
            login, pin = camera.credential, camera.tls_sha256
            device = OnvifDevice(camera.onvif, allowed, limit_s, login, pin)
            return OnvifCamera(camera, device, source_of)
        if camera.kind == "rtsp":
            return RtspCamera(camera, allowed, streams, limit_s)
        return HttpCamera(camera, allowed, limits.frame_max_bytes, limit_s)

    return source_of
