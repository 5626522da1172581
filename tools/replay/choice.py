"""The settings of a replay that differ from the current ones. Pure.

Names in capitals are the detector's settings (MODEL_FILE, DETECTOR_...; see `python -m
services.detector --help`). The others are the tracker's parameters of a site (`ParametersSet` in
parking/core/events.py).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec
from msgspec.structs import replace

from parking.core.errors import Invalid
from parking.core.events import ParametersSet

PARAMETERS: Final = tuple(
    name for name in ParametersSet.__struct_fields__ if name != "kind"
)  # fmt: skip
ALWAYS: Final = {"DETECTOR_SKIP": "off", "DETECTOR_LOAD": "off"}
"""A replay's detector analyses every picture in full, however busy the computer is. Otherwise the
same recording could give different changes each time."""

_DETECTOR: Final = re.compile(r"(?:SLOT_)?MODEL_FILE|FRAME_MAX_PIXELS|DETECTOR_[A-Z0-9_]+")


@dataclass(frozen=True, slots=True)
class Choice:
    """`detector` holds environment variables. `tracker` holds parameters that override the recorded
    ones."""

    detector: Mapping[str, str] = field(default_factory=dict)
    tracker: Mapping[str, Any] = field(default_factory=dict)

    def over(self, parameters: ParametersSet) -> ParametersSet:
        """Return these parameters, overridden by the chosen ones."""
        return replace(parameters, **self.tracker) if self.tracker else parameters


def choice(given: Iterable[str], file: Mapping[str, Any] | None = None) -> Choice:
    """Parse `NAME=VALUE` pairs, which override a settings file's content. Raises
    Invalid("bad-setting") naming every error."""
    values = _of_file(file or {})
    faults = []
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            faults.append(f"{text!r} is not NAME=VALUE")
        else:
            values[name] = value
    detector = {n: _text(v) for n, v in values.items() if _DETECTOR.fullmatch(n)}
    tracker = {n: v for n, v in values.items() if n in PARAMETERS}
    faults += [
        f"{name!r} is not a setting: the tracker has {', '.join(PARAMETERS)}; "
        "the detector's begin with DETECTOR_, or are MODEL_FILE, SLOT_MODEL_FILE, "
        "FRAME_MAX_PIXELS"
        for name in values.keys() - detector.keys() - tracker.keys()
    ]
    chosen: dict[str, Any] = {}
    for name, value in tracker.items():
        try:
            one = msgspec.convert({name: value}, ParametersSet, strict=False)
            chosen[name] = getattr(one, name)
        except msgspec.ValidationError as error:
            faults.append(f"{name}={value}: {error}")
    if faults:
        raise Invalid("bad-setting", "; ".join(sorted(faults)))
    return Choice(dict(sorted(detector.items())), dict(sorted(chosen.items())))


def _of_file(file: Mapping[str, Any]) -> dict[str, Any]:
    """Read the tables [detector] and [tracker], or names at the top level."""
    values: dict[str, Any] = {}
    for name, value in file.items():
        if isinstance(value, Mapping) and name in ("detector", "tracker"):
            values |= cast("Mapping[str, Any]", value)
        else:
            values[name] = value
    return values


def _text(value: object) -> str:
    """Format a value as an environment variable."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
