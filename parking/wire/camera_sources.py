"""How a polled camera that was added in the page is passed on: page to notifier to ingest."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from parking.core.ids import CameraId
from parking.wire.typefaults import HIDDEN, WORDS

PolledKind = Literal["snapshot", "mjpeg", "rtsp"]
Address = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=500,
        description="http(s) or rtsp(s) without a login; may contain {username} and {password}",
        extra={HIDDEN: True},
    ),
]
IntervalS = Annotated[float, Meta(ge=0.2, le=3600, description="seconds between pictures")]


class Credential(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A camera's login. Its repr shows nothing."""

    # Neither way to log in supports these characters in a name.
    username: Annotated[
        str,
        Meta(
            max_length=100,
            pattern=r'^[^\x00-\x1f\x7f":\\]*$',
            extra={WORDS: 'text without ", :, \\ and control characters', HIDDEN: True},
        ),
    ]
    password: Annotated[str, Meta(max_length=200, extra={HIDDEN: True})]

    def __repr__(self) -> str:
        return "Credential(...)"


class NewSource(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to poll a camera. `keep_login`: use the stored one, which is possible only while scheme,
    host and port of the address stay the same."""

    version: Annotated[
        int, Meta(ge=0, description="the version that this replaces; 0: a new camera")
    ]
    kind: PolledKind
    url: Address
    interval_s: IntervalS = 5.0
    login: Credential | None = None
    keep_login: bool = False


class FoundCamera(Struct, frozen=True, kw_only=True):
    """A camera that answered a search by ONVIF. `model`: its own name for itself; `service`: where
    to ask it for its streams."""

    address: str
    model: str
    service: str


class AskedCamera(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The camera to ask for its streams."""

    service: Address
    login: Credential | None = None


class StreamProfile(Struct, frozen=True, kw_only=True):
    """One of a camera's streams. Sizes and rate are 0, and addresses empty, where the camera says
    none. Addresses contain no login; they may contain {username} and {password}."""

    name: str
    codec: str
    width: int
    height: int
    rate: int
    stream: str
    snapshot: str


class CameraSource(Struct, frozen=True, kw_only=True):
    """How a camera is polled, without its login. `version` 0: it is in the cameras file, and cannot
    be changed here. `fault`: why it is not polled like this; null: it is."""

    camera_id: CameraId
    version: Annotated[int, Meta(ge=0)]
    kind: PolledKind
    url: str
    interval_s: float
    has_login: bool
    fault: str | None = None
