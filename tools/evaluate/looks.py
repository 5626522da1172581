"""Find cameras whose normal look is judged unhealthy. Tests health only, without networks.

Each frame is given a camera's look and compared with a reference picture of the same camera and
look, as in the detector: once with fixed thresholds and once with the reference's. Adding fog to
each look shows whether fog is still detected.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parking.core.errors import Invalid
from parking.vision.imagehealth import Grey, Measured, Thresholds, assess, limits_for, measured
from parking.vision.reference import decoded, make_reference, read_reference, small_grey
from parking.wire.annotations import load as annotations_of
from tools.evaluate.corrupt import corrupt

FOG: Final = 3
_WIDTH_PX: Final = 640


def _bytes(levels: NDArray[Any]) -> Grey:
    return np.asarray(np.clip(levels, 0, 255), np.uint8)


def thermal(grey: Grey) -> Grey:
    """A thermal camera: warm is bright, and the picture is soft with little contrast."""
    return _bytes(np.asarray(cv2.GaussianBlur(255.0 - grey, (0, 0), 1.6)) * 0.45 + 70)


LOOKS: Final[dict[str, Callable[[Grey], Grey]]] = {
    "as it is": lambda grey: grey,
    "washed out": lambda grey: _bytes(grey * 0.5 + 95),
    "washed out more": lambda grey: _bytes(grey * 0.35 + 125),
    "infrared": lambda grey: _bytes((grey / 255.0) ** 0.7 * 150 + 25),
    "thermal": thermal,
}


def add_parser(commands: Any) -> None:
    """Add the command `looks`."""
    parser = commands.add_parser("looks", help="cameras' normal looks", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled sets")
    parser.add_argument("--every", type=int, default=4, help="use every n-th frame (4)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    cameras: dict[str, list[Grey]] = defaultdict(list)
    for file in sorted(options.data.glob("*/annotations.json")):
        for frame in annotations_of(file.parent)["frames"][:: options.every]:
            grey = cv2.cvtColor(
                decoded((file.parent / frame["file"]).read_bytes()), cv2.COLOR_BGR2GRAY
            )
            size_wh = (_WIDTH_PX, round(_WIDTH_PX * grey.shape[0] / grey.shape[1]))
            small = cv2.resize(grey, size_wh, interpolation=cv2.INTER_AREA)
            cameras[f"{file.parent.name}/{frame['camera']}"].append(np.asarray(small, np.uint8))
    print("| look | references | unhealthy, fixed | by its reference | in fog, fixed | by it |")
    print("|---|---|---|---|---|---|")
    for name, look in LOOKS.items():
        counts = look_at([[look(grey) for grey in greys] for greys in cameras.values()])
        pairs = max(counts["pairs"], 1)
        shares = (f"{counts[key] / pairs:.1%}" for key in ("fixed", "own", "fog fixed", "fog own"))
        print(f"| {name} | {counts['references']} | {' | '.join(shares)} |", flush=True)


def look_at(cameras: Sequence[Sequence[Grey]]) -> Counter[str]:
    """Count over all cameras, using the camera's first other healthy frame as each frame's
    reference. Returns `pairs`, and how many of them are judged unhealthy with and without added
    fog."""
    counts: Counter[str] = Counter()
    for greys in cameras:
        usual = [_usual(grey) for grey in greys]
        counts["references"] += sum(one is not None for one in usual)
        for number, grey in enumerate(greys):
            others = (one for at, one in enumerate(usual) if at != number and one is not None)
            reference = next(others, None)
            if reference is None:
                continue
            foggy = corrupt(np.dstack([grey] * 3), "fog", FOG, str(number))
            counts["pairs"] += 1
            for prefix, seen in (("", grey), ("fog ", foggy)):
                shown = measured(small_grey(seen))
                counts[f"{prefix}fixed"] += _ill(shown, Thresholds())
                counts[f"{prefix}own"] += _ill(shown, limits_for(reference, Thresholds()))
    return counts


def _usual(grey: Grey) -> Measured | None:
    try:
        reference = read_reference(make_reference(np.dstack([grey] * 3)))
    except Invalid:
        return None
    return measured(reference.grey) if reference else None


def _ill(shown: Measured, limits: Thresholds) -> bool:
    return assess(shown, None, limits)[0].status != "ok"
