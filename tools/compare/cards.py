"""One card per difference: the picture at its start, both sides' states, and the observations."""

from collections.abc import Mapping, Sequence
from html import escape

from tools.compare.pictures import Shot
from tools.compare.result import Result, SlotResult
from tools.compare.timeline import Difference, Shown
from tools.compare.words import clock, confidence, duration

Shots = Mapping[Difference, Shot]


def pictures(result: Result, shots: Shots) -> str:
    """Return this section of the page, or "" if nothing differs."""
    found = len(result.differences)
    if not found:
        return ""
    left = found - len(shots)
    note = f"<p>{left} of {found} are not shown: they are shorter, or have no picture.</p>"
    cards = "".join(
        _card(result, number, difference, shot)
        for number, (difference, shot) in enumerate(shots.items(), 1)
    )
    return (
        f'<section id="pictures"><h2>Where they differ</h2>{note if left else ""}'
        f'<div class="cards">{cards}</div></section>'
    )


def _card(result: Result, number: int, difference: Difference, shot: Shot) -> str:
    slot = next(slot for slot in result.slots if slot.key == difference.key)
    name, frame = difference.key[1], shot.frame
    caption = "; ".join(
        f"{side} shows {one.state}" for side, one in (("A", difference.a), ("B", difference.b))
    )
    alt = f"Slot {name} seen by {frame.camera_id} at {clock(frame.time_ms)}: {caption}"
    width, height = shot.size_wh
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shot.outline)
    truth = _truth_at(slot, frame.time_ms)
    seen = [side.seen.get(frame.id, {}).get(name) for side in (result.a, result.b)]
    rows = [_side_row("A", difference.a, truth), _side_row("B", difference.b, truth)]
    rows += _seen_rows(seen)
    if truth is not None:
        rows.append(f"<div><dt>Truth</dt><dd>{_pill('occupied' if truth else 'free')}</dd></div>")
    long = duration(difference.seconds)
    return (
        f'<article class="card" id="d{number}"><svg viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(alt, quote=True)}"><image href="{shot.uri}" width="{width}" '
        f'height="{height}"/><polygon class="under" points="{points}"/>'
        f'<polygon class="over" points="{points}"/></svg>'
        f"<h3>{escape(name)} <span>{clock(difference.from_ms)}, for {long}</span></h3>"
        f'<dl>{"".join(rows)}</dl><p class="camera">{escape(frame.camera_id)}, '
        f"picture of {clock(frame.time_ms)}</p></article>"
    )


def _side_row(side: str, one: Shown, truth: bool | None) -> str:
    known = one.state in ("free", "occupied")
    why = confidence(one.confidence) if known else one.reason
    judged = ""
    if truth is not None and known:
        word = "right" if truth == (one.state == "occupied") else "wrong"
        judged = f' <span class="{word}">{word}</span>'
    return f"<div><dt>{side}</dt><dd>{_pill(one.state)} {escape(why)}{judged}</dd></div>"


def _seen_rows(seen: Sequence[tuple[str, float] | None]) -> list[str]:
    """Return the detector's observation of this picture, only once if both sides agree."""
    caption = dict(zip(("A", "B"), seen, strict=True))
    if seen[0] == seen[1]:
        caption = {"": seen[0]}
    return [
        f"<div><dt>Seen{f' {side}' if side else ''}</dt>"
        f"<dd class='seen'>{escape(one[0])} {one[1]:.2f}</dd></div>"
        for side, one in caption.items()
        if one is not None
    ]


def _pill(state: str) -> str:
    return f'<b class="pill s-{escape(state)}">{escape(state)}</b>'


def _truth_at(slot: SlotResult, time_ms: int) -> bool | None:
    known = [occupied for at_ms, occupied in slot.truth if at_ms <= time_ms]
    return known[-1] if known else None
