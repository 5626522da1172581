"""Pictures of an evaluation: plots as SVG, and the worst errors as one JPEG."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.detector.crops import crop
from tools.evaluate.opinions import Judged
from tools.train.examples import read
from tools.train.labels import Frame

SHOWN, COLUMNS, TILE_PX = 60, 10, 144
WIDTH, HEIGHT, PAD = 640, 360, 50
_HEAD = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
    'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
)


def bars(parts: Mapping[str, Mapping[str, float]], title: str, out: Path) -> None:
    """Plot the accuracy of each part, from 0.8 to 1."""
    step = (WIDTH - 2 * PAD) / max(1, len(parts))
    drawn = [f"<title>{escape(title)}</title>", _text(WIDTH / 2, 24, title)]
    for number, (name, one) in enumerate(parts.items()):
        tall = max(0.0, one["accuracy"] - 0.8) / 0.2 * (HEIGHT - 2 * PAD)
        x, y = PAD + number * step, HEIGHT - PAD - tall
        drawn.append(
            f'<rect x="{x + 6:.0f}" y="{y:.0f}" width="{step - 12:.0f}" height="{tall:.0f}" '
            'fill="#1d6fb8"/>'
        )
        drawn.append(_text(x + step / 2, y - 6, f"{one['accuracy']:.3f}"))
        drawn.append(_text(x + step / 2, HEIGHT - PAD + 18, name))
        drawn.append(_text(x + step / 2, HEIGHT - PAD + 34, f"{one['slots']:.0f} slots"))
    out.write_text(_HEAD + "".join(drawn) + "</svg>", "utf-8")


def calibration(
    said: Mapping[str, Judged], chances: Mapping[str, NDArray[np.float64]], out: Path
) -> None:
    """Plot the reported probability against the share that is occupied, for all sets together."""
    chance = np.concatenate([chances[name] for name in said])
    occupied = np.concatenate([said[name].opinions.occupied for name in said])
    bins = np.minimum((chance * 10).astype(int), 9)
    title = "reported probability of occupied (across) and share that is occupied (up)"
    drawn = [f"<title>{escape(title)}</title>", _text(WIDTH / 2, 24, title)]
    drawn.append(
        f'<line x1="{PAD}" y1="{HEIGHT - PAD}" x2="{WIDTH - PAD}" y2="{PAD}" stroke="#999"/>'
    )
    for number in range(10):
        some = bins == number
        if some.any():
            x = PAD + float(chance[some].mean()) * (WIDTH - 2 * PAD)
            y = HEIGHT - PAD - float(occupied[some].mean()) * (HEIGHT - 2 * PAD)
            drawn.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="5" fill="#1d6fb8"/>')
            drawn.append(_text(x, y - 10, str(int(some.sum()))))
    out.write_text(_HEAD + "".join(drawn) + "</svg>", "utf-8")


def worst(
    frames: Mapping[str, Sequence[Frame]],
    said: Mapping[str, Judged],
    chances: Mapping[str, NDArray[np.float64]],
    out: Path,
) -> None:
    """Draw the most confident errors, each with its outline, the set, the truth and the detector's
    answer."""
    errors: list[tuple[float, str, int]] = []
    for name, one in said.items():
        truth = one.opinions.occupied
        far = np.where(truth, 1 - chances[name], chances[name])
        errors += [(float(far[i]), name, int(i)) for i in np.flatnonzero(far > 0.5)]
    tiles = [
        _tile(frames[name], said[name], name, index, chances[name][index])
        for _, name, index in sorted(errors, reverse=True)[:SHOWN]
    ]
    if not tiles:
        return
    blank = np.zeros((TILE_PX, TILE_PX, 3), np.uint8)
    tiles += [blank] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
    cv2.imwrite(str(out), np.vstack(rows))


def _tile(
    frames: Sequence[Frame], one: Judged, name: str, index: int, chance: float
) -> NDArray[Any]:
    frame = frames[int(one.frame[index])]
    slots = frame.annotation["slots"]
    number = next(n for n, slot in enumerate(slots) if str(slot["id"]) == one.slot[index])
    cut = crop(read(frame), frame.polygons[number], TILE_PX, 2.0)
    picture = np.ascontiguousarray(cut[..., :3])
    edges, _ = cv2.findContours(
        np.ascontiguousarray(cut[..., 3]), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    cv2.drawContours(picture, edges, -1, (0, 255, 255), 1)
    truth = "occupied" if one.opinions.occupied[index] else "free"
    for line, text in enumerate((name[:18], f"is {truth}, said {chance:.2f}")):
        place = (3, 12 + 13 * line)
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 3)
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (255, 255, 255), 1)
    return picture


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="middle">{escape(text)}</text>'
