"""Measure each health verdict: false alarms on undamaged pictures and hits on damaged ones, with
today's limits, with the reference picture's, and with those learned on a first day.

A camera's frames are dealt out in turn: one half is its first day, and the other half is judged.
Only cameras with enough frames get a first day. Tests health only, without networks.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from rich.progress import track

from parking.core.errors import Invalid
from parking.core.events import LookLearned
from parking.vision.imagehealth import Grey, Measured, Thresholds, assess, limits_for, measured
from parking.vision.reference import decoded, make_reference, read_reference, small_grey
from parking.vision.usual import DAY_MS, LEAST_SAMPLES, note, relaxed, values_of
from parking.wire.annotations import load as annotations_of
from tools.evaluate.corrupt import Picture, corrupt
from tools.evaluate.looks import LOOKS

_WIDTH_PX: Final = 640
_SAMPLES: Final = 24
DAMAGE: Final = {
    "dark": (3, 4, 5),
    "fog": (3, 4, 5),
    "defocus": (3, 4, 5),
    "motion": (3, 4, 5),
    "cover-whole": (3,),
}
HOLDS: Final = ("today", "reference", "day")


def soft(grey: Grey) -> Grey:
    """A soft VGA camera."""
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.5), np.uint8)


def masked(grey: Grey) -> Grey:
    """A privacy mask over three quarters of the picture."""
    shown = np.zeros_like(grey)
    height, width = grey.shape
    middle = (slice(height // 4, 3 * height // 4), slice(width // 4, 3 * width // 4))
    shown[middle] = grey[middle]
    return shown


ALL: Final[dict[str, Callable[[Grey], Grey]]] = LOOKS | {"soft": soft, "masked": masked}


def add_parser(commands: Any) -> None:
    """Add the command `usual`."""
    parser = commands.add_parser("usual", help="cameras' first days", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled sets")
    parser.add_argument("--rendered", type=Path, nargs="*", default=[], help="rendered sets")
    parser.add_argument("--every", type=int, default=1, help="judge every n-th frame (1)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    folders = sorted(file.parent for file in options.data.glob("*/annotations.json"))
    print(false_alarms({"real": folders, "rendered": options.rendered}))
    cameras = _cameras([*folders, *options.rendered])
    days = {name: greys for name, greys in cameras.items() if len(greys) >= 2 * LEAST_SAMPLES}
    counts = ", ".join(f"{name} {len(greys)}" for name, greys in days.items())
    print(f"\ncameras with a day (frames): {counts}\n")
    print(by_look(days, options.every))
    print()
    print(damaged_from_the_start(days))


# ---------------------------------------------------------------- all frames at hand
def false_alarms(folders: Mapping[str, Sequence[Path]]) -> str:
    """Return the undamaged pictures that today's limits call unhealthy, by verdict. These are whole
    frames, and windows of half their size in which every labelled slot is free."""
    lines = ["| pictures | count | dark | covered | fogged | blurred | damaged |", "|---" * 7 + "|"]
    for name, sets in folders.items():
        found: dict[str, Counter[str]] = {"frames": Counter(), "empty windows": Counter()}
        for folder in sets:
            for frame in track(annotations_of(folder)["frames"], folder.name):
                if frame.get("covered"):
                    continue
                picture = decoded((folder / frame["file"]).read_bytes())
                found["frames"][_status(picture)] += 1
                for window in _empty_windows(frame, picture):
                    found["empty windows"][_status(window)] += 1
        for kind, counts in found.items():
            cells = " | ".join(
                str(counts[one]) for one in ("dark", "covered", "fogged", "blurred", "damaged")
            )
            lines.append(f"| {name}, {kind} | {counts.total()} | {cells} |")
    return "\n".join(lines)


def _status(picture: Picture) -> str:
    return assess(small_grey(picture), None)[0].status


def _empty_windows(frame: Mapping[str, Any], picture: Picture) -> Iterator[Picture]:
    height, width = picture.shape[:2]
    middles = [
        (*np.mean(slot["polygon"], axis=0).tolist(), slot["occupied"]) for slot in frame["slots"]
    ]
    for top in (0, height // 4, height // 2):
        for left in (0, width // 4, width // 2):
            inside = [
                state
                for x, y, state in middles
                if left <= x < left + width // 2 and top <= y < top + height // 2
            ]
            if len(inside) > 1 and all(state == 0 for state in inside):
                yield picture[top : top + height // 2, left : left + width // 2]


# ---------------------------------------------------------------- first days
def _cameras(folders: Sequence[Path]) -> dict[str, list[Grey]]:
    cameras: dict[str, list[Grey]] = defaultdict(list)
    for folder in folders:
        for frame in annotations_of(folder)["frames"]:
            if not frame.get("covered"):
                grey = cv2.cvtColor(
                    decoded((folder / frame["file"]).read_bytes()), cv2.COLOR_BGR2GRAY
                )
                size_wh = (_WIDTH_PX, round(_WIDTH_PX * grey.shape[0] / grey.shape[1]))
                small = cv2.resize(grey, size_wh, interpolation=cv2.INTER_AREA)
                cameras[str(frame["camera"])].append(np.asarray(small, np.uint8))
    return cameras


def learn(shown: Sequence[Measured], reference: Measured | None) -> LookLearned:
    """Learn a first day from these pictures, spread over the day."""
    day = LookLearned(
        id="day", site_id="s", time_ms=0, camera_id="s/c", basis="", began_ms=0, seen_ms=0
    )
    for number, one in enumerate(shown):
        status = assess(one, None, _limits(reference))[0].status
        at_ms = number * DAY_MS // (len(shown) - 1)
        known = values_of(reference) if reference else None
        day = note(day, at_ms, values_of(one), status, known)
    return day


def _spread(greys: Sequence[Grey]) -> Sequence[Grey]:
    """Return the pictures of a first day: some of these, evenly spread."""
    return greys[:: max(1, len(greys) // _SAMPLES)]


def _limits(reference: Measured | None) -> Thresholds:
    return limits_for(reference, Thresholds()) if reference else Thresholds()


def _reference(greys: Sequence[Grey]) -> Measured | None:
    """Return the first picture that can be a layout's reference."""
    for grey in greys:
        try:
            reference = read_reference(make_reference(np.dstack([grey] * 3)))
        except Invalid:
            continue
        if reference:
            return measured(reference.grey)
    return None


def by_look(cameras: Mapping[str, Sequence[Grey]], every: int) -> str:
    """Return, for each look, the share of pictures called unhealthy, undamaged and damaged."""
    head = ["look", "cameras learnt", "pictures"]
    head += [f"false alarms, {hold}" for hold in HOLDS] + [f"hits, {hold}" for hold in HOLDS]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    missed: list[str] = []
    for name, look in ALL.items():
        counts: Counter[str] = Counter()
        for greys in track(list(cameras.values()), name):
            _look_at([look(grey) for grey in greys], every, counts)
        pairs, damaged = max(counts["pictures"], 1), max(counts["damaged"], 1)
        cells = [str(counts["learnt"]), str(counts["pictures"])]
        cells += [f"{counts[f'false {hold}'] / pairs:.1%}" for hold in HOLDS]
        cells += [f"{counts[f'hit {hold}'] / damaged:.1%}" for hold in HOLDS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        of_pictures = {
            f"{kind} {strength}": counts[f"{kind} {strength}"] / pairs
            for kind, strengths in DAMAGE.items()
            for strength in strengths
        }
        shares = ", ".join(f"{kind} {share:.0%}" for kind, share in of_pictures.items())
        missed.append(f"{name}, by its day: {shares}")
    return "\n".join([*lines, "", *missed])


def _look_at(greys: Sequence[Grey], every: int, counts: Counter[str]) -> None:
    first, later = greys[::2], greys[1::2]
    reference = _reference(first)
    day = learn([measured(small_grey(grey)) for grey in _spread(first)], reference)
    by_reference = _limits(reference)
    limits = {"today": Thresholds(), "reference": by_reference, "day": by_reference}
    if day.usual is not None:
        limits["day"] = relaxed(day.usual, by_reference)
        counts["learnt"] += 1
    for number, grey in enumerate(later[::every]):
        counts["pictures"] += 1
        seen = measured(small_grey(grey))
        for hold, some in limits.items():
            counts[f"false {hold}"] += _ill(seen, some)
        for kind, strengths in DAMAGE.items():
            for strength in strengths:
                spoilt = corrupt(np.dstack([grey] * 3), kind, strength, str(number))
                seen = measured(small_grey(spoilt))
                counts["damaged"] += 1
                for hold, some in limits.items():
                    ill = _ill(seen, some)
                    counts[f"hit {hold}"] += ill
                    counts[f"{kind} {strength}"] += ill and hold == "day"


def damaged_from_the_start(cameras: Mapping[str, Sequence[Grey]]) -> str:
    """Return how many first days with nothing but damage are taken as usual, so that the damage is
    not reported, with a clear reference picture and without one."""
    lines = ["| damaged from the start | days | spared, with a reference | without one |"]
    lines.append("|---" * 4 + "|")
    for kind in ("fog", "defocus", "motion", "cover-whole"):
        for strength in DAMAGE[kind]:
            spared: Counter[bool] = Counter()
            for greys in cameras.values():
                shown = [
                    measured(
                        small_grey(corrupt(np.dstack([grey] * 3), kind, strength, str(number)))
                    )
                    for number, grey in enumerate(_spread(greys[::2]))
                ]
                for reference in (_reference(greys[1::2]), None):
                    day = learn(shown, reference)
                    limits = _limits(reference)
                    if day.usual is not None:
                        limits = relaxed(day.usual, limits)
                    ill = sum(_ill(one, limits) for one in shown)
                    spared[reference is not None] += ill < len(shown) / 2
            cells = f"{len(cameras)} | {spared[True]} | {spared[False]}"
            lines.append(f"| {kind} {strength} | {cells} |")
    return "\n".join(lines)


def _ill(shown: Measured, limits: Thresholds) -> bool:
    return assess(shown, None, limits)[0].status != "ok"
