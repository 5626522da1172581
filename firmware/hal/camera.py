"""The camera, through the micropython-camera-API binding (module `camera` of its builds)."""

import camera

QUALITY = 85
_BUFFERS = 2


class Camera:
    """`pins` is CAMERA of a file in boards/."""

    def __init__(self, pins, frame_size):
        self._camera = camera.Camera(
            frame_size=getattr(camera.FrameSize, frame_size),
            pixel_format=camera.PixelFormat.JPEG,
            jpeg_quality=QUALITY,
            fb_count=_BUFFERS,
            grab_mode=camera.GrabMode.LATEST,
            **pins,
        )

    def capture(self):
        """Return a copy of the newest picture, because the driver reuses its buffer. Returns None
        if the sensor delivers none."""
        picture = self._camera.capture()
        if not picture:
            return None
        kept = bytes(picture)
        self._camera.free_buffer()
        return kept

    def set_frame_size(self, name):
        """Set one of commands.FRAME_SIZES."""
        self._camera.reconfigure(frame_size=getattr(camera.FrameSize, name))
