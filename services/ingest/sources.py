"""Which code fetches which kind of camera."""

from parking.networks import Networks
from services.ingest.camerafile import Camera
from services.ingest.httpcam import HttpCamera
from services.ingest.puller import Source


def source_of(camera: Camera, networks: Networks, max_bytes: int, limit_s: float) -> Source:
    """The camera, to be fetched within these bounds."""
    return HttpCamera(camera, networks, max_bytes, limit_s)
