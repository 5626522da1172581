"""The plot of a run: p99 age and CPU share against the number of cameras, as SVG."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from tools.bench.capacity.ages import AGE_LIMIT_S
from tools.bench.capacity.results import Point

WIDTH, HEIGHT, PAD = 860, 380, 56
PANEL: Final = (WIDTH - 3 * PAD) / 2
_COLOURS: Final = ("#1d6fb8", "#c2571a", "#2e8540", "#7a3e9d", "#8a6d00", "#444444")
_HEAD: Final = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
    'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
)
_AGES: Final = (0.1, 0.3, 1, 3, 10, 30, 100)
_SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
Series = Mapping[str, Sequence[Point]]


@dataclass(frozen=True, slots=True)
class Axes:
    """One panel: where it begins, the largest number of cameras, and how a value maps to 0..1."""

    left: float
    most: int
    up: Callable[[float], float]

    def x(self, cameras: int) -> float:
        """Return the x position. Doublings are equally far apart."""
        return self.left + math.log2(max(1, cameras)) / math.log2(max(2, self.most)) * PANEL

    def y(self, value: float) -> float:
        """Return the y position. Larger values are higher up, and all stay inside the panel."""
        return HEIGHT - PAD - min(max(self.up(value), 0.0), 1.0) * (HEIGHT - 2 * PAD)


def draw(series: Series) -> str:
    """Return the SVG. Hollow marks are numbers of cameras that were not served."""
    most = max((point.cameras for points in series.values() for point in points), default=2)
    ages = Axes(PAD, most, _age_up)
    shares = Axes(2 * PAD + PANEL, most, lambda share: share)
    title = "p99 age of a frame, s (left) and share of the processor (right), over cameras"
    drawn = [f"<title>{escape(title)}</title>"]
    drawn += _frame(ages, "p99 age, s", [(age, f"{age:g}") for age in _AGES])
    drawn += _frame(shares, "share of all cores", [(s, f"{s:.0%}") for s in _SHARES])
    limit = ages.y(AGE_LIMIT_S)
    drawn.append(_line((ages.left, limit), (ages.left + PANEL, limit), "#b00020", "4 3"))
    drawn.append(_text(ages.left + PANEL - 4, limit - 4, f"limit {AGE_LIMIT_S:g} s", "end"))
    for number, (name, points) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        ordered = sorted(points, key=lambda point: point.cameras)
        drawn += _curve(ages, [(p, p.age_p99_s) for p in ordered], colour)
        drawn += _curve(shares, [(p, p.cpu_share) for p in ordered], colour)
        drawn.append(_text(PAD + 8, PAD + 16 + 16 * number, name, "start", colour))
    return _HEAD + "".join(drawn) + "</svg>\n"


def write(series: Series, out: Path) -> None:
    """Draw it to a file."""
    out.write_text(draw(series), "utf-8")


def _age_up(age_s: float) -> float:
    low, high = math.log10(_AGES[0]), math.log10(_AGES[-1])
    return (math.log10(max(age_s, _AGES[0])) - low) / (high - low)


def _frame(axes: Axes, name: str, ticks: Sequence[tuple[float, str]]) -> list[str]:
    bottom, right = HEIGHT - PAD, axes.left + PANEL
    drawn = [_text(axes.left + PANEL / 2, PAD - 20, name)]
    for value, label in ticks:
        y = axes.y(value)
        drawn.append(_line((axes.left, y), (right, y), "#ddd"))
        drawn.append(_text(axes.left - 6, y + 4, label, "end"))
    for power in range(int(math.log2(max(2, axes.most))) + 1):
        x = axes.x(2**power)
        drawn.append(_line((x, bottom), (x, bottom + 4), "#999"))
        drawn.append(_text(x, bottom + 18, str(2**power)))
    drawn.append(_line((axes.left, bottom), (right, bottom), "#999"))
    drawn.append(_text(axes.left + PANEL / 2, HEIGHT - 12, "cameras"))
    return drawn


def _curve(axes: Axes, values: Sequence[tuple[Point, float]], colour: str) -> list[str]:
    known = [(point, value) for point, value in values if not math.isnan(value)]
    places = [(axes.x(point.cameras), axes.y(value)) for point, value in known]
    joined = " ".join(f"{x:.0f},{y:.0f}" for x, y in places)
    drawn = [f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"/>']
    for (point, _), (x, y) in zip(known, places, strict=True):
        fill = colour if point.served else "white"
        drawn.append(
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="4" fill="{fill}" stroke="{colour}" '
            'stroke-width="2"/>'
        )
    return drawn


def _line(start: tuple[float, float], end: tuple[float, float], colour: str, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{start[0]:.0f}" y1="{start[1]:.0f}" x2="{end[0]:.0f}" y2="{end[1]:.0f}" '
        f'stroke="{colour}"{dashed}/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", colour: str = "#222") -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(text)}</text>"
    )
