"""Compute a slot's state from the cameras' observations: votes, hysteresis, corrections. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, Literal, cast

from msgspec import Struct
from msgspec.structs import replace

from parking.core.events import (
    Event,
    Observation,
    ParametersSet,
    SlotChanged,
    SlotState,
    SlotStateUpdated,
)
from parking.core.site import Moment, Sight, Site, Slot, output_id

Known = Literal["free", "occupied"]

# If cameras disagree, the more probable state must be at least this probable, given all of them.
# Otherwise the slot is unknown.
SURE: Final = 0.8
# A single observation never counts as more certain than this, however sure the detector is.
_MOST_CERTAIN: Final = 0.999
# Keeps the products of the odds of many cameras finite.
_MOST_ODDS: Final = 1e12
# Streaks need not be counted beyond the largest number that a parameter can require.
_STREAK_LIMIT: Final = 100


class Verdict(Struct, frozen=True):
    """The cameras' common verdict on a slot."""

    state: Literal["free", "occupied", "unknown"]
    confidence: float
    reason: str


def needed(parameters: ParametersSet, state: Known) -> int:
    """How many observations in a row are needed to become occupied or to become free."""
    occupied = state == "occupied"
    return parameters.enter_observations if occupied else parameters.exit_observations


def see(
    slot: Slot, camera_id: str, seen: Observation, time_ms: int, parameters: ParametersSet
) -> Slot:
    """Return the slot with one more observation. An uncertain one does not count and does not break
    a streak.

    An observation that the detector repeats (`since_ms`) is fresh evidence and counts towards the
    streak like any other. This is safe because the detector repeats one only after two agreeing
    judgements in a row, and checks on each frame whether the slot still looks the same.
    """
    if seen.state == "unknown" or seen.confidence < parameters.min_confidence:
        return slot
    before = slot.sights.get(camera_id)
    same = before is not None and before.state == seen.state
    streak = min(before.streak + 1, _STREAK_LIMIT) if before and same else 1
    sights = dict(slot.sights)
    if not same:
        # The other cameras must confirm their state again now that this one sees another.
        sights = {
            other: sight if sight.state == seen.state else replace(sight, streak=0)
            for other, sight in sights.items()
        }
    sights[camera_id] = Sight(
        state=seen.state,
        confidence=seen.confidence,
        time_ms=time_ms,
        streak=streak,
        straddling=seen.straddling,
    )
    return replace(slot, sights=sights)


def verdict(sights: Mapping[str, Sight], parameters: ParametersSet) -> Verdict | None:
    """Return the cameras' vote, or None if there are not enough observations yet for a new verdict.

    Each camera's confidence is the probability of the state it sees, so the odds multiply
    (docs/decisions/0034). Products need no logarithm, so every computer gets the same result.
    """
    odds: dict[Known, float] = {}
    confirmed: dict[Known, bool] = {"free": False, "occupied": False}
    for sight in sights.values():
        product = odds.get(sight.state, 1.0) * _odds(sight.confidence)
        odds[sight.state] = min(product, _MOST_ODDS)
        confirmed[sight.state] |= sight.streak >= needed(parameters, sight.state)
    if not odds:
        return None
    winner = max(odds, key=lambda state: odds[state])
    share = odds[winner] / sum(odds.values())
    if share < SURE:
        return Verdict("unknown", 1 - share, "disagree") if all(confirmed.values()) else None
    if not confirmed[winner]:
        return None
    best = max(sight.confidence for sight in sights.values() if sight.state == winner)
    return Verdict(winner, min(best, share), "observed")


def _odds(confidence: float) -> float:
    """Return how much more probable the state is than the other one. A camera that sees a state
    never speaks against it."""
    certain = min(confidence, _MOST_CERTAIN)
    return max(1.0, certain / (1 - certain))


def withdraw(slot: Slot, camera_ids: Collection[str]) -> Slot:
    """Return the slot without the sights of these cameras. The time of their last sight is kept."""
    times_ms = [sight.time_ms for camera, sight in slot.sights.items() if camera in camera_ids]
    if not times_ms:
        return slot
    sights = {camera: sight for camera, sight in slot.sights.items() if camera not in camera_ids}
    return replace(slot, sights=sights, observed_at_ms=max(*times_ms, slot.observed_at_ms or 0))


def decide(
    site: Site, slot_id: str, slot: Slot, moment: Moment, withdrawn: str | None = None
) -> tuple[Site, list[Event]]:
    """Return the site with this slot after deciding its state again. `withdrawn` tells why evidence
    was withdrawn, if any was. The slot becomes unknown for that reason if the remaining evidence
    supports no state."""
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
    """Return the cameras' verdict while a person's correction holds. It counts only if it differs
    from the overruled state, or has contradicted the person for long enough. That time starts over
    when one sight disagrees or none is left."""
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
    """Return the site with the slot in a new state (the first one may equal the old one) and the
    next version, and the outputs. `to` is the cameras' verdict, or a state with a `reason` and full
    confidence."""
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
        straddling=_straddling(slot) if state == "occupied" else [],
    )
    site = with_slot(site, slot_id, now)
    return site, [_changed(site, slot_id, slot, now, moment), _updated(site, slot_id, now, moment)]


def _straddling(slot: Slot) -> list[str]:
    """The other slots over which the vehicle stands, according to any camera that sees the slot
    occupied."""
    occupied = (sight for sight in slot.sights.values() if sight.state == "occupied")
    return sorted({other for sight in occupied for other in sight.straddling})


def with_slot(site: Site, slot_id: str, slot: Slot) -> Site:
    """Return the site with this slot; the same site if nothing changed."""
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
        issued_by=moment.issued_by,
        straddling=now.straddling,
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
        issued_by=moment.issued_by,
        straddling=now.straddling,
    )
