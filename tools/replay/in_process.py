"""Replay in one process without servers, with the detector's own handler and the tracker's step.

Deterministic: the same recording and settings give the same events, byte for byte. Durations
(`timings_ms`) would differ from run to run, so they are left empty.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from parking.core.errors import Invalid
from parking.core.events import (
    DeadLettered,
    DetectionMade,
    Event,
    FrameReceived,
    LayoutPublished,
)
from parking.core.occupancy import step
from parking.core.site import Site
from parking.core.topics import FRAMES, LAYOUTS, LOOKS
from parking.vision.imagehealth import Look
from parking.wire import codec
from parking.wire.ports import Clock, Outgoing, Record
from services.detector.__main__ import new_analyser
from services.detector.analysis import Analyser, Finding, Job
from services.detector.gate import LastView
from services.detector.handler import Tools, handle_frames
from services.detector.layouts import Layouts
from services.detector.recent import Latest, Looks
from services.detector.settings import Settings
from tools.record.recording import Kept
from tools.replay.choice import ALWAYS, Choice


class Refused(Struct, frozen=True, kw_only=True):
    """A record that no retry can fix. Live, it would be a dead letter."""

    topic: str
    id: str
    reason: str
    detail: str


class Played(Struct, frozen=True, kw_only=True):
    """The results of a run. `outputs` are those of the tracker, in order."""

    model_id: str
    detections: list[DetectionMade]
    outputs: list[Event]
    refused: list[Refused]


class Watcher(Protocol):
    """Turns pictures into detections."""

    model_id: str

    def take_layout(self, kept: Kept) -> None:
        """Put this layout in force for its camera from now on."""

    async def look(self, kept: Kept, frame: FrameReceived) -> DetectionMade:
        """Return the detection of a picture. Raises Invalid."""


class ModelWatcher:
    """The detector's own handler, analysing every frame."""

    def __init__(self, analyser: Analyser, picture: Callable[[str], bytes]) -> None:
        async def analyse(
            jobs: Sequence[Job], looks: dict[str, Look], last_views: dict[str, LastView]
        ) -> AsyncGenerator[Finding | Invalid]:
            for result in analyser.each(jobs, looks, last_views):
                yield result

        self.model_id = analyser.model_id
        self._picture = picture
        self._layouts = Layouts()
        self._tools = Tools(
            analyse=analyse,
            model_id=analyser.model_id,
            layouts=self._layouts,
            looks=Looks(),
            latest=Latest(1),
            clock=_NoClock(),
            skip=False,
        )

    def take_layout(self, kept: Kept) -> None:
        """See Watcher."""
        if isinstance(kept.event, LayoutPublished):
            event = kept.event
            self._layouts.apply(
                as_record(codec.outgoing(event, LAYOUTS, event.camera_id, "replay"), kept)
            )

    async def look(self, kept: Kept, frame: FrameReceived) -> DetectionMade:
        """See Watcher."""
        message = codec.outgoing_frame(frame, self._picture(kept.file or ""), "replay")
        results = await handle_frames([as_record(message, kept)], self._tools)
        # What it learns of the camera's usual look stays with the tools.
        (written,) = [result for result in results if result.topic != LOOKS]
        decoded_event = codec.decode(as_record(written, kept))
        if isinstance(decoded_event, DeadLettered):
            raise Invalid(decoded_event.reason, decoded_event.detail)
        if not isinstance(decoded_event, DetectionMade):
            raise TypeError(f"the detector wrote a {decoded_event.TYPE} instead of a detection")
        return replace(decoded_event, timings_ms={})


def model_watcher(chosen: Choice, picture: Callable[[str], bytes]) -> ModelWatcher:
    """Create it with the chosen settings and this version's defaults for the others. It never skips
    work under load, whatever the settings, because load differs from run to run. Raises
    SettingsError."""
    usual = {"KAFKA_BOOTSTRAP": "localhost:0"}
    settings = Settings.from_env({**usual, **chosen.detector, **ALWAYS})
    return ModelWatcher(new_analyser(settings, lambda: None), picture)


class RecordedWatcher:
    """Analyses nothing: recorded detections are replayed."""

    model_id = "as recorded"

    def take_layout(self, kept: Kept) -> None:
        """Ignore it."""

    async def look(self, kept: Kept, frame: FrameReceived) -> DetectionMade:
        """Raise an error, because such a script contains no pictures."""
        raise TypeError(f"a script without a model has picture {kept.file} of {frame.id}")


async def play(
    steps: Iterable[Kept], watcher: Watcher, run: str, tell: Callable[[int], None]
) -> Played:
    """Play a script. `tell` is called with the number of records played."""
    sites: dict[str, Site] = {}
    played = Played(model_id=watcher.model_id, detections=[], outputs=[], refused=[])
    for count, kept in enumerate(steps, 1):
        try:
            event = await _seen(kept, watcher, played)
            if event is not None:
                site = sites.get(event.site_id, Site(site_id=event.site_id, run=run))
                sites[event.site_id], outputs = step(site, event)
                played.outputs.extend(outputs)
        except Invalid as error:
            played.refused.append(
                Refused(
                    topic=kept.topic, id=kept.event.id, reason=error.reason, detail=error.detail
                )
            )
        tell(count)
    return played


async def _seen(kept: Kept, watcher: Watcher, played: Played) -> Event | None:
    """Return the record as the tracker gets it, or None if it is not for the tracker."""
    if kept.topic == LAYOUTS:
        watcher.take_layout(kept)
        return None
    event = kept.event
    if kept.topic == FRAMES and isinstance(event, FrameReceived):
        event = await watcher.look(kept, event)
    if isinstance(event, DetectionMade):
        event = replace(event, timings_ms={})
        played.detections.append(event)
    return event


def as_record(message: Outgoing, kept: Kept) -> Record:
    """Return a message as it would be read at this record's position."""
    return Record(
        message.topic,
        max(0, kept.partition),
        max(0, kept.offset),
        message.key,
        message.value,
        message.headers,
        kept.at_ms,
    )


class _NoClock(Clock):
    """A clock that never advances, because no output of a replay may depend on today's date."""

    def now_ms(self) -> int:
        """Always 0."""
        return 0

    async def sleep(self, seconds: float) -> None:
        """Return without waiting."""
