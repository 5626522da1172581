"""Draw a slot's states over time as a bar from left to right. SVG, coloured by the page's style."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from tools.compare.timeline import Difference, Shown, Timeline
from tools.compare.words import clock, shown

WIDTH: Final = 1000
ROW_PX: Final = 19
_BAR_PX: Final = 15
_SPANS_SAID: Final = 16
_STEPS_MS: Final = tuple(
    minutes * 60_000 for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080)
)
_MOST_TICKS: Final = 7


def bars(rows: Mapping[str, Timeline], span_ms: tuple[int, int]) -> str:
    """Draw one bar per row, with its content in words for screen readers."""
    height = ROW_PX * len(rows)
    parts = [
        f'<svg class="bars" viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none" '
        f'style="height:{height}px" role="img" '
        f'aria-label="{escape(_words(rows, span_ms), quote=True)}">'
    ]
    for index, timeline in enumerate(rows.values()):
        for start, end, one in spans(timeline, span_ms):
            x, width = _x(start, span_ms), max(0.8, _x(end, span_ms) - _x(start, span_ms))
            said = escape(f"{clock(start)} to {clock(end)}: {shown(one)}")
            parts.append(
                f'<rect class="s-{escape(one.state)}" x="{x:.1f}" y="{index * ROW_PX + 2}" '
                f'width="{width:.1f}" height="{_BAR_PX}"><title>{said}</title></rect>'
            )
    return "".join([*parts, "</svg>"])


def marks(
    differences: Sequence[Difference], links: Mapping[Difference, str], span_ms: tuple[int, int]
) -> str:
    """Mark where the two sides differ, below the bars, with a link if there is a picture."""
    parts = []
    for difference in differences:
        left = _x(difference.from_ms, span_ms) / WIDTH * 100
        width = max(0.4, _x(difference.to_ms, span_ms) / WIDTH * 100 - left)
        place = f'style="left:{min(left, 100 - width):.2f}%;width:{width:.2f}%"'
        link = links.get(difference)
        parts.append(
            f'<a {place} href="#{link}" aria-label="picture of {clock(difference.from_ms)}"></a>'
            if link
            else f"<i {place}></i>"
        )
    return f'<div class="marks">{"".join(parts)}</div>'


def spans(timeline: Timeline, span_ms: tuple[int, int]) -> Iterator[tuple[int, int, Shown]]:
    """Yield the shown states with start and end, within the span."""
    start, end = span_ms
    edges = [start, *(s.at_ms for s in timeline.shown if start < s.at_ms < end)]
    for at, until in zip(edges, [*edges[1:], end], strict=True):
        yield at, until, timeline.at(at)


def axis(span_ms: tuple[int, int]) -> str:
    """Draw the time axis above the bars, with round times."""
    start, end = span_ms
    step = next((s for s in _STEPS_MS if (end - start) / s <= _MOST_TICKS), _STEPS_MS[-1])
    long = end - start > 86_400_000
    marks = []
    for moment in range(start - start % step + step, end, step):
        left = _x(moment, span_ms) / WIDTH * 100
        text = clock(moment, day=long)[: 10 if long else 8]
        text = text if long else text[:5]
        marks.append(f'<span style="left:{left:.2f}%">{text}</span>')
    return f'<div class="axis" aria-hidden="true">{"".join(marks)}</div>'


def _x(time_ms: int, span_ms: tuple[int, int]) -> float:
    start, end = span_ms
    return WIDTH * (time_ms - start) / max(1, end - start)


def _words(rows: Mapping[str, Timeline], span_ms: tuple[int, int]) -> str:
    """Describe the bars in words, for screen readers."""
    sentences = []
    for name, timeline in rows.items():
        states = [f"{one.state} from {clock(at)}" for at, _, one in spans(timeline, span_ms)]
        more = len(states) - _SPANS_SAID
        states = states[:_SPANS_SAID] + ([f"and {more} more"] if more > 0 else [])
        sentences.append(f"{name}: {', '.join(states)}")
    return ". ".join(sentences)
