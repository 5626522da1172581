"""Build the ordered records of a replay from a recording and the chosen settings. Pure.

The state at the start of the window comes first, then the window. A picture is played at the log
position of its detection, so that the same ticks, gate events and commands come before and after
it. Pictures that the live detector skipped are left out unless requested.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from msgspec.structs import replace as changed

from parking.core import lots
from parking.core.errors import Invalid
from parking.core.events import (
    DetectionMade,
    FrameReceived,
    LayoutPublished,
    ParametersSet,
    SiteCommanded,
    SlotChanged,
    StateCorrected,
)
from parking.core.topics import (
    DETECTIONS,
    DEVICE_EVENTS,
    FRAMES,
    GATE_EVENTS,
    LAYOUTS,
    SITE_COMMANDS,
    SLOT_CHANGES,
)
from tools.record.recording import Kept, Recording
from tools.replay.choice import Choice

Eyes = Literal["model", "recorded"]
"""The source of detections: the model in the chosen settings, or the recording, which is fast and
enough to try the tracker's parameters."""

_ISSUER: Final = "replay"


def script(
    recording: Recording, chosen: Choice, eyes: Eyes = "model", *, every_frame: bool = False
) -> list[Kept]:
    """Return the records to play, in order. Raises Invalid (`no-frames`, `no-detections`) if the
    recording has none of the requested kind."""
    scene = list(_scene(recording, chosen))
    window = [_with_choice(kept, chosen) for kept in _window(recording, eyes, every_frame)]
    return scene + window


def _scene(recording: Recording, chosen: Choice) -> Iterator[Kept]:
    """Yield layouts and their adoption, commands and connections, then each slot's shown state.
    Like an operator's correction, that state holds until the cameras confirm or change it."""
    before = recording.before
    if chosen.tracker:
        for site_id in recording.sites:
            yield _command(site_id, f"replay/parameters/{site_id}", 0, chosen.over(ParametersSet()))
    for kept in before:
        if isinstance(kept.event, LayoutPublished):
            yield kept
            yield _as_command(lots.adoption(kept.event, _ISSUER))
    for topic in (SITE_COMMANDS, DEVICE_EVENTS):
        for kept in before:
            if kept.topic == topic:
                yield _with_choice(kept, chosen)
    for kept in before:
        event = kept.event
        if isinstance(event, SlotChanged) and event.to_state in ("free", "occupied"):
            shown = StateCorrected(
                slot_id=event.slot_id, state=_known(event), reason="as before the recording"
            )
            name = f"replay/before/{event.site_id}/{event.slot_id}"
            yield _command(event.site_id, name, event.time_ms, shown)


def _known(event: SlotChanged) -> Literal["free", "occupied"]:
    return "occupied" if event.to_state == "occupied" else "free"


def _window(recording: Recording, eyes: Eyes, every_frame: bool) -> list[Kept]:
    records = list(recording.of(LAYOUTS, SITE_COMMANDS, DEVICE_EVENTS, GATE_EVENTS))
    detections = list(recording.of(DETECTIONS))
    records += [kept for kept in detections if not isinstance(kept.event, DetectionMade)]
    own_detections = [kept for kept in detections if isinstance(kept.event, DetectionMade)]
    if eyes == "recorded":
        if not own_detections:
            raise Invalid("no-detections", f"{recording.name} contains no recorded detections")
        records += own_detections
        return [kept for kept, _ in sorted(_placed(records, {}), key=_by_place)]
    frames = list(recording.of(FRAMES))
    if not frames:
        hint = (
            "; its recorded detections can be played (--detector recorded)"
            if own_detections
            else ""
        )
        raise Invalid("no-frames", f"{recording.name} contains no pictures{hint}")
    places = {
        kept.event.id: kept.order for kept in reversed(own_detections)
    }  # the first record of an id wins
    if places and not every_frame:
        frames = [kept for kept in frames if kept.event.id in places]
    return [kept for kept, _ in sorted(_placed([*records, *frames], places), key=_by_place)]


Placed = tuple[Kept, tuple[int, ...]]


def _placed(records: Iterable[Kept], places: dict[str, tuple[int, int, int, int]]) -> list[Placed]:
    return [
        (kept, places.get(kept.event.id, kept.order) if kept.topic == FRAMES else kept.order)
        for kept in records
    ]


def _by_place(placed: Placed) -> tuple[int, ...]:
    return placed[1]


def _with_choice(kept: Kept, chosen: Choice) -> Kept:
    """Apply the chosen parameters to those that the recording sets."""
    event = kept.event
    if isinstance(event, SiteCommanded) and isinstance(event.command, ParametersSet):
        event = changed(event, command=chosen.over(event.command))
        return Kept(kept.topic, kept.partition, kept.offset, kept.at_ms, event)
    return kept


def _command(
    site_id: str, name: str, time_ms: int, command: ParametersSet | StateCorrected
) -> Kept:
    return _as_command(
        SiteCommanded(id=name, site_id=site_id, time_ms=time_ms, issued_by=_ISSUER, command=command)
    )


def _as_command(event: SiteCommanded) -> Kept:
    return Kept(SITE_COMMANDS, -1, -1, event.time_ms, event)


def played_span_ms(steps: Iterable[Kept], recording: Recording) -> tuple[int, int]:
    """Return the first and last `time_ms` of pictures, detections and ticks."""
    times = [s.event.time_ms for s in steps if s.topic in (FRAMES, DETECTIONS)]
    return (min(times), max(times)) if times else recording.span_ms()


def live_changes(recording: Recording) -> tuple[list[SlotChanged], list[SlotChanged]]:
    """Return the recorded changes: the last one of each slot before the window, and those in the
    window. Raises Invalid("no-changes")."""
    before = [k.event for k in recording.before if isinstance(k.event, SlotChanged)]
    inside = [k.event for k in recording.of(SLOT_CHANGES) if isinstance(k.event, SlotChanged)]
    if not before and not inside:
        raise Invalid(
            "no-changes",
            f"{recording.name} contains no recorded changes: record it without --without-changes, "
            f"or replay it with today's settings",
        )
    return before, inside


def frames_of(recording: Recording) -> list[tuple[Kept, FrameReceived]]:
    """Return the window's frames."""
    return [(k, k.event) for k in recording.of(FRAMES) if isinstance(k.event, FrameReceived)]
