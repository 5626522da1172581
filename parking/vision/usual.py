"""Learn a camera's usual look over its first day, so that a thermal, washed-out, soft or masked
picture is not reported as damage. Pure: `note(day, ...) -> day`, `relaxed(usual, limits) ->
limits`.

A sample is taken every half hour from pictures that are not dark, torn, frozen or moved. After a
whole day, the low end of the samples is the camera's usual look, and the health limits are relaxed
to it. A camera that is damaged from the start must not pass as usual. So:

- no picture beyond `FLOORS` is ever taken as usual, and a day with many of them is refused;
- if the layout has a reference picture, the day must look like it, because a person chose that
  picture;
- if it has none, the day must be rather sharp and steady, because fog, rain and condensation come
  and go.

A refused day changes nothing, and the next one is tried. Measured in docs/accuracy.md.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final, Literal

from msgspec.structs import replace

from parking.core.events import Health, LookLearned, LookValues
from parking.vision.imagehealth import FOG_FROM, Measured, Thresholds

Verdict = Literal["covered", "fogged", "blurred"]

EVERY_MS: Final = 1_800_000
DAY_MS: Final = 86_400_000
LEAST_SAMPLES: Final = 12
"""A winter day has about sixteen samples that are not dark."""
MOST_SAMPLES: Final = 48
FLOORS: Final = Thresholds(
    covered_below=0.1, blurred_below=0.4, fogged_within=0.16, fogged_locally=0.15
)
_DAMAGED_SHARE: Final = 1 / 3
_OF_REFERENCE: Final = 0.7
_STEADY: Final = 0.7
_SHARP_ALONE: Final = 0.48
"""Minimum sharpness that is learnt without a reference picture. Soft cameras have at least .54.
Most lenses that are out of focus at the third strength of tools/evaluate have less."""
_LOW: Final = 0.1
_WASHED: Final = 0.5
_MARGIN: Final = {"contrast": 0.85, "local": 0.75, "detail": 0.6, "sharp": 0.9}
"""Limits as shares of the usual values."""
_MOVED_FOR: Final = 2
_SAMPLED: Final = frozenset({"ok", "covered", "fogged", "blurred"})


def values_of(seen: Measured) -> LookValues:
    """What is learnt from a picture."""
    contrast = max(0.0, seen.bright_end - seen.dark_end)
    numbers = (seen.dark_end, contrast, seen.detail, seen.sharp, seen.local)
    dark_end, contrast, detail, sharp, local = (round(min(one, 1.0), 3) for one in numbers)
    return LookValues(dark_end=dark_end, contrast=contrast, detail=detail, sharp=sharp, local=local)


def is_due(day: LookLearned | None, basis: str, at_ms: int) -> bool:
    """Whether a picture with this timestamp must be noted. `basis` is what the layout was drawn on.
    If it changes, everything is learnt again."""
    return day is None or day.basis != basis or at_ms >= day.seen_ms + EVERY_MS


def note(
    day: LookLearned, at_ms: int, values: LookValues, status: Health, reference: LookValues | None
) -> LookLearned:
    """Update with a picture that is due. `reference` holds the values of the layout's reference
    picture, or None if there is none."""
    day = replace(day, seen_ms=at_ms, moved=day.moved + 1 if status == "moved" else 0)
    if day.moved >= _MOVED_FOR:
        return _restarted(day)
    if day.usual is not None or status not in _SAMPLED:
        return day
    if _beyond_floors(values):
        day = replace(day, damaged=day.damaged + 1)
    else:
        day = replace(day, samples=[*day.samples, values][-MOST_SAMPLES:])
    if at_ms - day.began_ms < DAY_MS or len(day.samples) + day.damaged < LEAST_SAMPLES:
        return day
    refused = _refused(day, reference)
    if refused:
        return replace(_restarted(day), refused=refused)
    return replace(day, usual=_low(day.samples), samples=[], damaged=0, refused=None)


def _restarted(day: LookLearned) -> LookLearned:
    return replace(day, began_ms=day.seen_ms, samples=[], damaged=0, usual=None, refused=None)


def _beyond_floors(values: LookValues) -> bool:
    hazy = values.dark_end > FOG_FROM and values.contrast < FLOORS.fogged_within
    return (
        values.detail < FLOORS.covered_below
        or values.sharp < FLOORS.blurred_below
        or (hazy and values.local < FLOORS.fogged_locally)
    )


def _refused(day: LookLearned, reference: LookValues | None) -> str | None:
    """Why this day is not a usual look, in words, or None if it is."""
    if day.damaged > _DAMAGED_SHARE * (len(day.samples) + day.damaged):
        return "too little can be seen on its first day"
    low = _low(day.samples)
    if reference is not None:
        worse = _much_less(low, reference, _OF_REFERENCE)
        words = "its first day shows less than the layout's reference picture"
    elif low.sharp < _SHARP_ALONE:
        return "its first day was blurred, and its layout has no reference picture"
    else:
        worse = _much_less(low, _at(day.samples, 0.5), _STEADY)
        words = "its first day was not steady, and its layout has no reference picture"
    return f"{words} ({', '.join(worse)})" if worse else None


def _much_less(low: LookValues, than: LookValues, share: float) -> list[str]:
    names = ["detail", "sharp"]
    if low.dark_end > FOG_FROM:
        names += ["contrast", "local"]
    return [name for name in names if getattr(low, name) < share * getattr(than, name)]


def _low(samples: Sequence[LookValues]) -> LookValues:
    """The low end of each value. Contrast and local range count only for pale pictures, because
    others are never fogged."""
    low = _at(samples, _LOW)
    pale = [one for one in samples if one.dark_end > FOG_FROM]
    if len(pale) < _LOW * len(samples):
        return replace(low, dark_end=0.0, contrast=1.0, local=1.0)
    of_pale = _at(pale, _LOW)
    return replace(low, dark_end=of_pale.dark_end, contrast=of_pale.contrast, local=of_pale.local)


def _at(samples: Sequence[LookValues], share: float) -> LookValues:
    """For each value, the one that this share of the samples is below."""
    index = int(share * (len(samples) - 1))
    return LookValues(
        **{
            name: sorted(getattr(one, name) for one in samples)[index]
            for name in LookValues.__struct_fields__
        }
    )


def relaxed(usual: LookValues, limits: Thresholds) -> Thresholds:
    """The limits for a camera with this usual look. They are only relaxed, and never beyond
    `FLOORS`."""

    def limit(name: str, usual_value: float) -> float:
        return float(min(getattr(limits, name), max(usual_value, getattr(FLOORS, name))))

    return dataclasses.replace(
        limits,
        covered_below=limit("covered_below", _MARGIN["detail"] * usual.detail),
        blurred_below=limit("blurred_below", _MARGIN["sharp"] * usual.sharp),
        fogged_within=limit("fogged_within", _MARGIN["contrast"] * usual.contrast),
        fogged_locally=limit("fogged_locally", _MARGIN["local"] * usual.local),
    )


def spared(usual: LookValues, limits: Thresholds) -> list[Verdict]:
    """The verdicts that `limits` would give the usual look itself."""
    hazy = usual.dark_end > limits.fogged_above and usual.contrast < limits.fogged_within
    verdicts: dict[Verdict, bool] = {
        "covered": usual.detail < limits.covered_below,
        "fogged": hazy and usual.local < limits.fogged_locally,
        "blurred": usual.sharp < limits.blurred_below,
    }
    return [verdict for verdict, given in verdicts.items() if given]
