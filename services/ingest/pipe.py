"""What ingest and its decoder's process say to each other: a head, then that many bytes."""

import struct
from typing import Final

REQUEST: Final = struct.Struct(">III")  # bytes of video, most pixels, most bytes of JPEG
ANSWER: Final = struct.Struct(">?I")  # is it a picture, bytes
