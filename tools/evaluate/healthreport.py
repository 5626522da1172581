"""The report on damaged frames: one self-contained HTML page, and a sheet of examples."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from tools.evaluate.corrupt import STRENGTHS, Picture, corrupt

_COLOURS: Final = {"right": "#2f9e6e", "unknown": "#e0a526", "wrong": "#c8402f"}
_BAR: Final = (420, 18)
_THUMB_WIDTH: Final = 240
_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Damaged frames</title>
<style>body{{font:15px system-ui;margin:2rem;max-width:75rem}}td,th{{padding:2px 10px;
text-align:right}}td:first-child,td:last-child,th:first-child{{text-align:left}}</style>
<h1>Unknown rather than wrong</h1><p>{about}</p>
<p>Green: right. Amber: unknown. Red: wrong. "Spoilt" is an error caused by the damage: the slot was
not wrong in the clean frame. "Wrong if ok" is among the slots of frames that health called ok.</p>
<table><tr><th>damage<th>states<th>right<th>unknown<th>wrong<th>spoilt<th>wrong if ok
<th>reported health
{rows}</table>"""


def write_report(
    folder: Path,
    head: Mapping[str, Any],
    rows: Mapping[str, Mapping[str, Any]],
    example: tuple[str, Picture],
    kinds: Sequence[str],
) -> None:
    """Write `health.html` and `examples.png`. `rows` are as from health.Tally.row, by kind and
    strength."""
    about = ", ".join(f"{name}: {value}" for name, value in head.items())
    page = _PAGE.format(about=html.escape(about), rows="\n".join(map(_row, rows, rows.values())))
    (folder / "health.html").write_text(page, "utf-8")
    cv2.imwrite(str(folder / "examples.png"), sheet(*example, kinds))


def sheet(name: str, picture: Picture, kinds: Sequence[str]) -> Picture:
    """Return a sheet of the picture in each kind (row) and strength (column), the mildest first."""
    lines = []
    for kind in kinds:
        cells = []
        for strength in STRENGTHS:
            damaged = corrupt(picture, kind, strength, name)
            height = round(_THUMB_WIDTH * picture.shape[0] / picture.shape[1])
            cell = cv2.resize(damaged, (_THUMB_WIDTH, height), interpolation=cv2.INTER_AREA)
            for colour, thick in (((0, 0, 0), 3), ((255, 255, 255), 1)):
                words = f"{kind} {strength}"
                cv2.putText(cell, words, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, thick)
            cells.append(cell)
        lines.append(np.hstack(cells))
    return np.asarray(np.vstack(lines), np.uint8)


def _row(name: str, row: Mapping[str, Any]) -> str:
    summary = ", ".join(f"{status} {count}" for status, count in row["health"].items())
    numbers = "".join(
        f"<td>{row[key]:.1%}"
        for key in ("right", "unknown", "wrong", "spoilt", "wrong_in_ok_frames")
    )
    return f"<tr><td>{html.escape(name)}<td>{_bar(row)}{numbers}<td>{html.escape(summary)}"


def _bar(row: Mapping[str, Any]) -> str:
    width, height = _BAR
    left, parts = 0.0, []
    for name, colour in _COLOURS.items():
        wide = row[name] * width
        parts.append(
            f'<rect x="{left:.1f}" width="{wide:.1f}" height="{height}" fill="{colour}">'
            f"<title>{name} {row[name]:.1%}</title></rect>"
        )
        left += wide
    return f'<svg width="{width}" height="{height}" role="img">{"".join(parts)}</svg>'
