"""From what the cameras see to the state a slot shows: votes, hysteresis, people's word. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, Literal, cast

from msgspec import Struct
from msgspec.structs import replace

from parking.events import (
    Event,
    Observation,
    ParametersSet,
    SlotChanged,
    SlotState,
    SlotStateUpdated,
)
from parking.site import Moment, Sight, Site, Slot, output_id

Known = Literal["free", "occupied"]

# Cameras that differ must differ in confidence by this share of their sum, or nobody is right.
SIMILAR_SHARE: Final = 0.2
# Streaks need not be counted beyond the largest number that a parameter can ask for.
_STREAK_LIMIT: Final = 100


class Verdict(Struct, frozen=True):
    """What the cameras together say of a slot."""

    state: Literal["free", "occupied", "unknown"]
    confidence: float
    reason: str


def needed(parameters: ParametersSet, state: Known) -> int:
    """How many observations in a row it takes to enter (occupied) or to leave (free)."""
    occupied = state == "occupied"
    return parameters.enter_observations if occupied else parameters.exit_observations


def see(
    slot: Slot, camera_id: str, seen: Observation, time_ms: int, parameters: ParametersSet
) -> Slot:
    """The slot with one more observation; one that is unsure says nothing, and breaks no streak.

    An observation that the detector repeats (`since_ms`) is fresh evidence and counts towards the
    streak like any other: it repeats one only after two judgements in a row agreed, and looks at
    each frame whether the slot still looks the same."""
    if seen.state == "unknown" or seen.confidence < parameters.min_confidence:
        return slot
    before = slot.sights.get(camera_id)
    same = before is not None and before.state == seen.state
    streak = min(before.streak + 1, _STREAK_LIMIT) if before and same else 1
    sights = dict(slot.sights)
    if not same:
        # The others have to say again what they see now that this one sees something else.
        sights = {
            other: sight if sight.state == seen.state else replace(sight, streak=0)
            for other, sight in sights.items()
        }
    sights[camera_id] = Sight(
        state=seen.state, confidence=seen.confidence, time_ms=time_ms, streak=streak
    )
    return replace(slot, sights=sights)


def verdict(sights: Mapping[str, Sight], parameters: ParametersSet) -> Verdict | None:
    """A vote weighted by confidence. None: not enough observations yet to say anything new."""
    weights: dict[Known, float] = {"free": 0.0, "occupied": 0.0}
    confirmed: dict[Known, bool] = {"free": False, "occupied": False}
    for sight in sights.values():
        weights[sight.state] += sight.confidence
        confirmed[sight.state] |= sight.streak >= needed(parameters, sight.state)
    total = sum(weights.values())
    if not total:
        return None
    winner: Known = "occupied" if weights["occupied"] > weights["free"] else "free"
    share = weights[winner] / total
    if 2 * share - 1 < SIMILAR_SHARE:
        return Verdict("unknown", 1 - share, "disagree") if all(confirmed.values()) else None
    if not confirmed[winner]:
        return None
    best = max(sight.confidence for sight in sights.values() if sight.state == winner)
    return Verdict(winner, best * share, "observed")


def withdraw(slot: Slot, camera_ids: Collection[str]) -> Slot:
    """The slot without the sights of these cameras; when they last saw it stays known."""
    gone = [sight.time_ms for camera, sight in slot.sights.items() if camera in camera_ids]
    if not gone:
        return slot
    sights = {camera: sight for camera, sight in slot.sights.items() if camera not in camera_ids}
    return replace(slot, sights=sights, observed_at_ms=max(*gone, slot.observed_at_ms or 0))


def decide(
    site: Site, slot_id: str, slot: Slot, moment: Moment, withdrawn: str | None = None
) -> tuple[Site, list[Event]]:
    """The site with this slot in it, its state decided anew. `withdrawn`: why evidence went, if
    some did; the slot is unknown for that reason when nothing that is left supports its state."""
    said = verdict(slot.sights, site.parameters)
    if said is None and withdrawn is not None:
        supported = any(sight.state == slot.state for sight in slot.sights.values())
        said = None if supported else Verdict("unknown", 0.0, withdrawn)
    if slot.overruled is not None:
        slot, said = _weigh_correction(slot, said, moment, site.parameters)
    if said is None or slot.state in (said.state, "closed"):
        return with_slot(site, slot_id, slot), []
    return show(site, slot_id, slot, moment, said)


def _weigh_correction(
    slot: Slot, said: Verdict | None, moment: Moment, parameters: ParametersSet
) -> tuple[Slot, Verdict | None]:
    """What the cameras' verdict comes to while a person's correction holds: nothing, unless it is
    another than the one overruled, or has contradicted the person for long enough. One sight of
    another mind, or none left, and that time begins anew."""
    if said is not None and said.state not in ("unknown", slot.overruled):
        return replace(slot, overruled=None, contradicted_at_ms=None), said
    agree = bool(slot.sights) and all(s.state == slot.overruled for s in slot.sights.values())
    if not agree or slot.state == slot.overruled:
        return replace(slot, contradicted_at_ms=None), None
    if slot.contradicted_at_ms is None:
        return replace(slot, contradicted_at_ms=moment.time_ms), None
    hold_ms = parameters.correction_hold_ms
    lasted_ms = moment.time_ms - slot.contradicted_at_ms
    if said is None or hold_ms is None or lasted_ms < hold_ms:
        return slot, None
    said = Verdict(said.state, said.confidence, "correction-expired")
    return replace(slot, overruled=None, contradicted_at_ms=None), said


def show(
    site: Site, slot_id: str, slot: Slot, moment: Moment, to: Verdict | SlotState, reason: str = ""
) -> tuple[Site, list[Event]]:
    """The slot in a new state (or, at its first, in the same), one version up, and the outputs.
    `to`: a verdict of the cameras, or a state with a `reason` and nobody's doubt."""
    if isinstance(to, Verdict):
        state, confidence, reason = cast(SlotState, to.state), to.confidence, to.reason
    else:
        state, confidence = to, 0.0 if to == "unknown" else 1.0
    now = replace(
        slot,
        state=state,
        version=slot.version + 1,
        changed_at_ms=moment.time_ms,
        observed_at_ms=max((s.time_ms for s in slot.sights.values()), default=slot.observed_at_ms),
        confidence=confidence,
        reason=reason,
    )
    site = with_slot(site, slot_id, now)
    return site, [_changed(site, slot_id, slot, now, moment), _updated(site, slot_id, now, moment)]


def with_slot(site: Site, slot_id: str, slot: Slot) -> Site:
    """The site with this slot; the same site when nothing changed."""
    if site.slots.get(slot_id) is slot:
        return site
    return replace(site, slots=site.slots | {slot_id: slot})


def watchers(site: Site, slot_id: str) -> Iterable[str]:
    """The cameras whose adopted layout names the slot."""
    return [camera_id for camera_id, c in site.cameras.items() if slot_id in c.slot_ids]


def _changed(site: Site, slot_id: str, was: Slot, now: Slot, moment: Moment) -> SlotChanged:
    return SlotChanged(
        id=output_id(site, moment, slot_id, now.state),
        site_id=site.site_id,
        time_ms=moment.time_ms,
        run=site.run,
        slot_id=slot_id,
        zone_id=now.zone_id,
        from_state=was.state,
        to_state=now.state,
        version=now.version,
        dwell_ms=max(0, moment.time_ms - was.changed_at_ms) if was.version else None,
        confidence=now.confidence,
        reason=now.reason,
        cause=moment.cause,
        camera_id=moment.camera_id,
        frame_ref=moment.frame_ref,
        observed_at_ms=now.observed_at_ms,
    )


def _updated(site: Site, slot_id: str, now: Slot, moment: Moment) -> SlotStateUpdated:
    return SlotStateUpdated(
        id=output_id(site, moment, slot_id, f"{now.state}|state"),
        site_id=site.site_id,
        time_ms=moment.time_ms,
        run=site.run,
        slot_id=slot_id,
        zone_id=now.zone_id,
        state=now.state,
        version=now.version,
        changed_at_ms=now.changed_at_ms,
        observed_at_ms=now.observed_at_ms,
        confidence=now.confidence,
        reason=now.reason,
        camera_ids=sorted(watchers(site, slot_id)),
    )
