"""Playing in one process, without servers: the detector's own handler and the tracker's own step.

Deterministic: the same recording and settings give the same events, byte for byte. Times spent
(`timings_ms`) would differ from run to run, so they are left empty.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from parking import codec
from parking.errors import Invalid
from parking.events import (
    DeadLettered,
    DetectionMade,
    Event,
    FrameReceived,
    LayoutPublished,
)
from parking.imagehealth import Look
from parking.occupancy import step
from parking.ports import Clock, Outgoing, Record
from parking.site import Site
from parking.topics import FRAMES, LAYOUTS
from services.detector.__main__ import new_analyser
from services.detector.analysis import Analyser, Finding, Job
from services.detector.gate import Held
from services.detector.handler import Tools, handle_frames
from services.detector.layouts import Layouts
from services.detector.recent import Latest, Looks
from services.detector.settings import Settings
from tools.record.recording import Kept
from tools.replay.choice import ALWAYS, Choice


class Refused(Struct, frozen=True, kw_only=True):
    """A record that no retry can mend: live, it would be a dead letter."""

    topic: str
    id: str
    reason: str
    detail: str


class Played(Struct, frozen=True, kw_only=True):
    """What a run made. `outputs`: the tracker's, in order."""

    model_id: str
    detections: list[DetectionMade]
    outputs: list[Event]
    refused: list[Refused]


class Watcher(Protocol):
    """Looks at pictures."""

    model_id: str

    def take_layout(self, kept: Kept) -> None:
        """From here on this layout is in force for its camera."""

    async def look(self, kept: Kept, frame: FrameReceived) -> DetectionMade:
        """What the picture says. Raises Invalid."""


class ModelWatcher:
    """The detector's own handler, every frame analysed."""

    def __init__(self, analyser: Analyser, picture: Callable[[str], bytes]) -> None:
        async def analyse(
            jobs: Sequence[Job], looks: dict[str, Look], helds: dict[str, Held]
        ) -> AsyncGenerator[Finding | Invalid]:
            for result in analyser.each(jobs, looks, helds):
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
        (written,) = await handle_frames([as_record(message, kept)], self._tools)
        made = codec.decode(as_record(written, kept))
        if isinstance(made, DeadLettered):
            raise Invalid(made.reason, made.detail)
        if not isinstance(made, DetectionMade):
            raise TypeError(f"the detector wrote a {made.TYPE}")
        return replace(made, timings_ms={})


def model_watcher(chosen: Choice, picture: Callable[[str], bytes]) -> ModelWatcher:
    """With the model of the chosen settings; what is not chosen is this version's default. Nothing
    is left out under load, whatever is chosen, for load differs from run to run. Raises
    SettingsError."""
    usual = {"KAFKA_BOOTSTRAP": "none"}
    settings = Settings.from_env({**usual, **chosen.detector, **ALWAYS})
    return ModelWatcher(new_analyser(settings, lambda: None), picture)


class RecordedWatcher:
    """Looks at nothing: detections are played as they were recorded."""

    model_id = "as recorded"

    def take_layout(self, kept: Kept) -> None:
        """Nothing to do with it."""

    async def look(self, kept: Kept, frame: FrameReceived) -> DetectionMade:
        """There are no pictures in such a script."""
        raise TypeError(f"a script without a model has picture {kept.file} of {frame.id}")


async def play(
    steps: Iterable[Kept], watcher: Watcher, run: str, tell: Callable[[int], None]
) -> Played:
    """Play a script; `tell` hears how many records were played."""
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
    """The record as the tracker gets it; None when it is not for the tracker."""
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
    """A message as it would be read at this record's place."""
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
    """Nothing that a replay writes may depend on today."""

    def now_ms(self) -> int:
        """The beginning of time."""
        return 0

    async def sleep(self, seconds: float) -> None:
        """Does not wait."""
