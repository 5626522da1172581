"""A run's folder: the results of a replay and its settings.

  run.json              settings, source, span, counts
  slot-changes.jsonl    SlotChanged, in the tracker's order
  detections.jsonl      DetectionMade, in the order they were applied
  camera-status.jsonl, slot-states.jsonl, sessions.jsonl, refused.jsonl

Nothing in it depends on the time or place of the run, so `diff -r` can compare two runs.
"""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec
from msgspec import Struct

from parking.core.errors import Invalid
from parking.core.events import (
    CameraStatusChanged,
    DetectionMade,
    Event,
    SessionChanged,
    SlotChanged,
    SlotStateUpdated,
)
from parking.wire import codec
from tools.replay.in_process import Played

FORMAT: Final = "smart-parking-run"
FACTS: Final = "run.json"
_FILES: Final[dict[str, type[Event]]] = {
    "detections.jsonl": DetectionMade,
    "slot-changes.jsonl": SlotChanged,
    "slot-states.jsonl": SlotStateUpdated,
    "camera-status.jsonl": CameraStatusChanged,
    "sessions.jsonl": SessionChanged,
}
_REFUSED: Final = "refused.jsonl"
E = TypeVar("E", bound=Event)


class RunFacts(Struct, frozen=True, kw_only=True):
    """run.json. `source` is the source's name on the command line. `from_ms` and `to_ms` are the
    span that was replayed."""

    format: Literal["smart-parking-run"] = FORMAT
    version: Literal[1] = 1
    run: str
    source: str
    how: Literal["in-process", "kafka"]
    model_id: str
    detector: Mapping[str, str]
    tracker: Mapping[str, Any]
    from_ms: int
    to_ms: int
    counts: dict[str, int] = {}
    notes: list[str] = []


def write_run(folder: Path, facts: RunFacts, played: Played) -> RunFacts:
    """Write the folder completely or not at all. It replaces an earlier run of the same name."""
    if folder.exists() and not (folder / FACTS).is_file() and any(folder.iterdir()):
        raise Invalid("not-a-run", f"{folder} contains something else and is not replaced")
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    counts: dict[str, int] = {}
    everything: Sequence[Event] = [*played.detections, *played.outputs]
    for name, cls in _FILES.items():
        events = [event for event in everything if isinstance(event, cls)]
        counts[name] = len(events)
        _write(partial / name, (codec.to_json(event) for event in events))
    counts[_REFUSED] = len(played.refused)
    _write(partial / _REFUSED, (msgspec.json.encode(refused) for refused in played.refused))
    facts = msgspec.structs.replace(facts, counts=counts)
    text = msgspec.json.format(msgspec.json.encode(facts), indent=1)
    (partial / FACTS).write_bytes(text + b"\n")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return facts


def read_facts(folder: Path) -> RunFacts:
    """Read run.json. Raises Invalid."""
    file = folder / FACTS
    try:
        return msgspec.json.decode(file.read_bytes(), type=RunFacts)
    except OSError as error:
        raise Invalid("no-run", f"{file} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise Invalid("bad-run", f"{file}: {error}") from error


def read_events(folder: Path, cls: type[E]) -> list[E]:
    """Read a run's events of one kind. Raises Invalid naming file and line."""
    (name,) = [name for name, kind in _FILES.items() if kind is cls]
    events = []
    try:
        for number, line in enumerate((folder / name).read_bytes().splitlines(), 1):
            try:
                events.append(codec.from_json(line, cls))
            except Invalid as error:
                raise Invalid("bad-run", f"{folder / name}, line {number}: {error}") from error
    except OSError as error:
        raise Invalid("no-run", f"{folder / name} cannot be read: {error.strerror}") from error
    return events


def _write(file: Path, lines: Iterable[bytes]) -> None:
    with file.open("wb") as out:
        for line in lines:
            out.write(line + b"\n")
