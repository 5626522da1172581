"""Rules for ids and names, each as a pattern and in words. Pure."""

from typing import Annotated, Final

from msgspec import Meta

PART: Final = r"^[a-z0-9-]{1,40}$"
"""The pattern of a site's or device's id."""
CAMERA: Final = r"^[a-z0-9-]{1,40}/[a-z0-9-]{1,40}$"
NAME: Final = r"^[A-Za-z0-9._-]{1,40}$"
"""The pattern of a slot's, zone's or gate's id."""
UPLOAD: Final = "upload"
"""The id of a frame that somebody uploaded is CAMERA_ID/upload/..."""


def _words(text: str) -> dict[str, str]:
    """Describe a valid text in error messages (parking/wire/reading.py). That module also rejects
    what Postgres cannot store: U+0000 in a text, and integers beyond a bigint."""
    return {"words": text}


SiteId = Annotated[
    str,
    Meta(
        pattern=PART,
        extra=_words("1 to 40 lower-case letters a-z, digits or -, like demo"),
    ),
]
CameraId = Annotated[
    str,
    Meta(
        pattern=CAMERA,
        description="{site}/{device}",
        extra=_words("SITE/DEVICE, each 1 to 40 of a-z, 0-9 and -, like demo/north"),
    ),
]
SlotId = Annotated[
    str,
    Meta(
        pattern=NAME,
        description="unique in its site",
        extra=_words("1 to 40 of A-Z, a-z, 0-9, dot, _ and -, like A01"),
    ),
]
Sha256 = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{64}$", extra=_words("64 of 0-9 and a-f, a SHA-256"))
]
