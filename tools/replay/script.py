"""What a replay plays, in which order: from a recording and the chosen settings. Pure.

First what was in force when the window began, then the window. A picture is played where its
detection stood in the log at the time, so that it meets the same ticks, gates and commands before
and after it. Pictures that the detector passed over then are left out unless asked for.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from msgspec.structs import replace as changed

from parking import lots
from parking.errors import Invalid
from parking.events import (
    DetectionMade,
    FrameReceived,
    LayoutPublished,
    ParametersSet,
    SiteCommanded,
    SlotChanged,
    StateCorrected,
)
from parking.topics import (
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
"""Who looks at the pictures: the model of the chosen settings, or nobody, and the detections are
taken as they were recorded (enough to try the tracker's parameters, and it takes no time)."""

_ISSUER: Final = "replay"


def script(
    recording: Recording, chosen: Choice, eyes: Eyes = "model", *, every_frame: bool = False
) -> list[Kept]:
    """The records to play, in order. Raises Invalid when the recording has none of what is asked
    for: `no-frames`, `no-detections`."""
    scene = list(_scene(recording, chosen))
    window = [_with_choice(kept, chosen) for kept in _window(recording, eyes, every_frame)]
    return scene + window


def _scene(recording: Recording, chosen: Choice) -> Iterator[Kept]:
    """Layouts and their adoption, commands and connections; then each slot as it was shown. That
    holds until the cameras confirm it or something else, as a person's word does."""
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
                slot_id=event.slot_id, state=_known(event), reason="as it was before the recording"
            )
            name = f"replay/before/{event.site_id}/{event.slot_id}"
            yield _command(event.site_id, name, event.time_ms, shown)


def _known(event: SlotChanged) -> Literal["free", "occupied"]:
    return "occupied" if event.to_state == "occupied" else "free"


def _window(recording: Recording, eyes: Eyes, every_frame: bool) -> list[Kept]:
    records = list(recording.of(LAYOUTS, SITE_COMMANDS, DEVICE_EVENTS, GATE_EVENTS))
    detections = list(recording.of(DETECTIONS))
    records += [kept for kept in detections if not isinstance(kept.event, DetectionMade)]
    made = [kept for kept in detections if isinstance(kept.event, DetectionMade)]
    if eyes == "recorded":
        if not made:
            raise Invalid("no-detections", f"{recording.name} holds no recorded detections")
        records += made
        return [kept for kept, _ in sorted(_placed(records, {}), key=_by_place)]
    frames = list(recording.of(FRAMES))
    if not frames:
        hint = "; its recorded detections can be played (--detector recorded)" if made else ""
        raise Invalid("no-frames", f"{recording.name} holds no pictures{hint}")
    places = {kept.event.id: kept.order for kept in reversed(made)}  # the first of an id wins
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
    """Parameters set in the recording keep what was not chosen otherwise."""
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
    """First and last moment (`time_ms`) of what is seen: pictures, detections, ticks."""
    times = [s.event.time_ms for s in steps if s.topic in (FRAMES, DETECTIONS)]
    return (min(times), max(times)) if times else recording.span_ms()


def live_changes(recording: Recording) -> tuple[list[SlotChanged], list[SlotChanged]]:
    """The changes as they happened: the last of each slot before the window, those in it. Raises
    Invalid("no-changes")."""
    before = [k.event for k in recording.before if isinstance(k.event, SlotChanged)]
    inside = [k.event for k in recording.of(SLOT_CHANGES) if isinstance(k.event, SlotChanged)]
    if not before and not inside:
        raise Invalid(
            "no-changes",
            f"{recording.name} holds no recorded changes: record it without --without-changes, "
            "or replay it with today's settings",
        )
    return before, inside


def frames_of(recording: Recording) -> list[tuple[Kept, FrameReceived]]:
    """The window's frames."""
    return [(k, k.event) for k in recording.of(FRAMES) if isinstance(k.event, FrameReceived)]
