"""Read the two sides of a comparison: a run's folder, a recording's live changes, or the truth."""

from collections.abc import Mapping
from pathlib import Path

from parking.core.errors import Invalid
from parking.core.events import DetectionMade, FrameReceived, SlotChanged
from parking.core.topics import DETECTIONS
from tools.compare.result import Truth
from tools.compare.timeline import Account, Key, Shown, timeline, timelines
from tools.record.recording import Recording
from tools.replay.folder import Labels, truth_of
from tools.replay.runs import FACTS, read_events, read_facts
from tools.replay.script import frames_of, live_changes
from tools.replay.sources import open_source

Seen = dict[str, Mapping[str, tuple[str, float]]]


def is_run(path: Path) -> bool:
    """Return whether it is a run's folder."""
    return (path / FACTS).is_file()


def of_run(path: Path) -> Account:
    """Read a run of tools.replay. Raises Invalid."""
    facts = read_facts(path)
    return Account(
        facts.run,
        timelines(read_events(path, SlotChanged)),
        facts.from_ms,
        facts.to_ms,
        _seen(read_events(path, DetectionMade)),
        {"model": facts.model_id, **facts.detector, **facts.tracker},
        facts.source,
    )


def of_live(recording: Recording, source: str) -> Account:
    """Read the live changes. Raises Invalid when they were not recorded."""
    before, inside = live_changes(recording)
    own_detections = [kept.event for kept in recording.of(DETECTIONS)]
    detections = [event for event in own_detections if isinstance(event, DetectionMade)]
    model = detections[-1].model_id if detections else "not recorded"
    name = f"live ({recording.name})"
    slots = timelines([*before, *inside])
    return Account(name, slots, *recording.span_ms(), _seen(detections), {"model": model}, source)


def of_truth(truth: Truth, like: Account, name: str) -> Account:
    """Turn annotations into a side, in which a label holds until the next one."""
    return Account(
        name,
        {
            key: timeline(Shown(at_ms, "occupied" if o else "free") for at_ms, o in labels)
            for key, labels in truth.items()
        },
        like.from_ms,
        like.to_ms,
        source=like.source,
    )


def open_account(text: str, environ: Mapping[str, str]) -> Account:
    """Read a side named on the command line: a run's folder or an archive. Raises Invalid."""
    path = Path(text)
    if is_run(path):
        return of_run(path)
    if path.is_dir():
        raise Invalid("no-run", f"{path} is not a run; `python -m tools.replay {path}` creates one")
    return of_live(open_source(text, environ), text)


def truth(folder: Path, frames: list[FrameReceived]) -> Truth:
    """Return a folder's labels for these frames, by slot. Raises Invalid when the annotations
    describe other frames."""
    labels: dict[str, Labels] = truth_of(folder, frames)
    if not labels:
        raise Invalid("other-frames", f"the annotations in {folder} are for other pictures")
    found: dict[
        Key, dict[int, bool]
    ] = {}  # two cameras at the same time count as one label of a slot
    for frame in frames:
        for slot_id, occupied in labels.get(frame.id, {}).items():
            found.setdefault((frame.site_id, slot_id), {})[frame.time_ms] = occupied
    return {key: sorted(moments.items()) for key, moments in found.items()}


def frames_in(recording: Recording) -> list[FrameReceived]:
    """Return the frames of a recording."""
    return [frame for _, frame in frames_of(recording)]


def _seen(detections: list[DetectionMade]) -> Seen:
    return {
        own_detections.id: {o.slot_id: (o.state, o.confidence) for o in own_detections.observations}
        for own_detections in detections
    }
