"""The comparison as one self-contained HTML page: no network, no script."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from tools.compare.bars import axis, bars, marks
from tools.compare.cards import Shots, pictures
from tools.compare.limits import Checked
from tools.compare.result import Result, Side, SlotResult, numbers
from tools.compare.timeline import Difference, Shown, Timeline, timeline
from tools.compare.words import (
    MISSING,
    duration,
    pair_of_percent,
    percent,
    span,
)

_STYLE: Final = Path(__file__).with_name("page.css")
_STATES: Final = ("free", "occupied", "unknown", "closed")
_OTHER: Final = ' class="other"'


def page(result: Result, shots: Shots, checked: Sequence[Checked]) -> str:
    """Return the whole page. `shots` holds pictures of the shown differences."""
    title = f"{result.a.name} and {result.b.name}, compared"
    style = _STYLE.read_text("utf-8")
    body = "".join(
        [
            _head(result),
            _limits(checked),
            _tiles(result),
            _slots(result, shots),
            pictures(result, shots),
            _settings(result),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head>"
        f'<body><a class="skip" href="#slots">To the slots</a><main>{body}</main></body></html>\n'
    )


def _head(result: Result) -> str:
    figures = numbers(result)
    count = int(figures["slots_different"])
    said = (
        f"{count} of {len(result.slots)} slots would have shown something else"
        if count
        else f"All {len(result.slots)} slots would have shown the same"
    )
    sides = "".join(
        f'<span class="side {side.lower()}"><b>{side}</b> {escape(account.name)}</span>'
        for side, account in (("A", result.a), ("B", result.b))
    )
    when = escape(span(result.from_ms, result.to_ms))
    return (
        f'<header><h1>{said}</h1><p class="sides">{sides}</p>{_other_settings(result)}'
        f'<p class="when">{when}</p></header>'
    )


def _limits(checked: Sequence[Checked]) -> str:
    if not checked:
        return ""
    rows = "".join(
        f'<li class="{"fails" if one.fails else "holds"}">'
        f"<b>{'Failed' if one.fails else 'Passed'}</b> fails if <code>{escape(one.limit)}</code> "
        f"<span>{escape(one.numbers)}{' is true' if one.fails else ' is false'}</span></li>"
        for one in checked
    )
    return f'<section aria-label="Limits"><ul class="limits">{rows}</ul></section>'


def _tiles(result: Result) -> str:
    figures = numbers(result)
    a, b = result.total("a"), result.total("b")
    tiles = [
        ("Different", duration(figures["seconds_different"]),
         f"{percent(figures['share_different'], 2)} of the time of all slots"),
        ("Changes", _pair(str(a.changes), str(b.changes)), "whatever the state"),
        ("Flips", _pair(str(a.flips), str(b.flips)),
         f"free to occupied or back; in truth {figures['true_flips']:.0f}"
         if "true_flips" in figures else "free to occupied or back"),
    ]  # fmt: skip
    if a.score and b.score:
        accuracy = pair_of_percent(a.score.accuracy, b.score.accuracy)
        note = f"of {a.score.labels} labels, where a state was shown"
        unknown = pair_of_percent(a.score.unknown_share, b.score.unknown_share)
        tiles += [("Right", _pair(*accuracy), note), ("Unknown", _pair(*unknown), "of the labels")]
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{value}</dd><dd class='note'>{escape(note)}</dd></div>"
        for name, value, note in tiles
    )
    return f'<dl class="tiles">{cells}</dl>'


def _pair(a: str, b: str) -> str:
    return (
        f'{escape(a)} <span aria-hidden="true">→</span><span class="said"> to </span> {escape(b)}'
    )


# ---------------------------------------------------------------- slots
def _slots(result: Result, shots: Shots) -> str:
    links = {difference: f"d{number}" for number, difference in enumerate(shots, 1)}
    order = sorted(result.slots, key=lambda slot: (-slot.seconds_different, slot.key))
    differ = [slot for slot in order if slot.differences]
    same = [slot for slot in result.slots if not slot.differences]
    parts = ['<section id="slots"><h2>Slots</h2>', _legend(result)]
    if differ:
        parts.append(_table(result, differ, links, "Slots that differ, the longest first"))
    if same:
        opened = "" if differ else " open"
        parts.append(f"<details{opened}><summary>{len(same)} slots show the same</summary>")
        parts += [_table(result, same, links, "Slots that show the same"), "</details>"]
    return "".join([*parts, "</section>"])


def _legend(result: Result) -> str:
    names = [*_STATES[:3]]
    if any(s.state == "closed" for slot in result.slots for t in slot.timelines for s in t.shown):
        names.append("closed")
    items = "".join(
        f'<li><svg width="18" height="12" aria-hidden="true">'
        f'<rect class="s-{name}" width="18" height="12" rx="2"/></svg>{name}</li>'
        for name in names
    )
    mark = ('<li><svg width="18" height="12" aria-hidden="true"><rect class="differs" y="4" '
            'width="18" height="5"/></svg>A and B differ (click for the picture)</li>')  # fmt: skip
    patterns = (
        '<svg width="0" height="0" class="defs" aria-hidden="true"><defs>'
        '<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect class="hatch-ground" width="6" height="6"/>'
        '<rect class="hatch-line" width="2" height="6"/></pattern></defs></svg>'
    )
    return f'{patterns}<ul class="legend" aria-label="Colours">{items}{mark}</ul>'


def _table(
    result: Result, slots: Sequence[SlotResult], links: Mapping[Difference, str], caption: str
) -> str:
    labelled = result.labelled
    heads = '<th scope="col">Changes</th><th scope="col">Flips</th>'
    if labelled:
        heads += '<th scope="col">Right</th><th scope="col">Unknown</th>'
    span_ms = (result.from_ms, result.to_ms)
    rows = "".join(_row(result, slot, links) for slot in slots)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{caption}">'
        f"<table><caption>{caption}</caption><thead><tr>"
        '<th scope="col">Slot</th><th scope="col"><span class="said">Side</span></th>'
        f'<th scope="col" class="time"><span class="said">Time (UTC)</span>{axis(span_ms)}</th>'
        f'{heads}<th scope="col">Different</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _row(result: Result, slot: SlotResult, links: Mapping[Difference, str]) -> str:
    rows: dict[str, Timeline] = {"A": slot.timelines[0], "B": slot.timelines[1]}
    if slot.truth:
        rows["Truth"] = of_labels(slot.truth)
    span_ms = (result.from_ms, result.to_ms)
    drawn = bars(rows, span_ms) + marks(slot.differences, links, span_ms)
    names = "".join(f"<span>{name}</span>" for name in rows)
    columns = [_changes(slot), _flips(slot)]
    columns += [_right(slot), _unknown(slot)] if result.labelled else []
    cells = "".join(f'<td class="num">{"".join(f"<span>{v}</span>" for v in c)}</td>'
                    for c in columns)  # fmt: skip
    name = "/".join(slot.key) if len({s.key[0] for s in result.slots}) > 1 else slot.key[1]
    spent = duration(slot.seconds_different) if slot.differences else MISSING
    return (
        f'<tr><th scope="row">{escape(name)}</th><td class="names">{names}</td>'
        f'<td class="time">{drawn}</td>{cells}<td class="num">{spent}</td></tr>'
    )


def of_labels(labels: Sequence[tuple[int, bool]]) -> Timeline:
    """Return the truth as a timeline in which a label holds until the next one."""
    return timeline(Shown(at_ms, "occupied" if occ else "free") for at_ms, occ in labels)


def _changes(slot: SlotResult) -> list[str]:
    return [str(slot.a.changes), str(slot.b.changes)]


def _flips(slot: SlotResult) -> list[str]:
    figures = [str(slot.a.flips), str(slot.b.flips)]
    return figures if slot.true_flips is None else [*figures, str(slot.true_flips)]


def _right(slot: SlotResult) -> list[str]:
    return [percent(s.score.accuracy if s.score else None) for s in (slot.a, slot.b)]


def _unknown(slot: SlotResult) -> list[str]:
    def figures(side: Side) -> str:
        return percent(side.score.unknown_share) if side.score else MISSING

    return [figures(slot.a), figures(slot.b)]


# ---------------------------------------------------------------- settings
def _other_settings(result: Result) -> str:
    """Return the settings in which the two sides differ, for the top of the page."""
    rows = [
        f"<li><code>{escape(name)}</code> {_pair(*figures)}</li>"
        for name, figures in _named(result)
        if figures[0] != figures[1]
    ]
    return f'<ul class="others" aria-label="What differs">{"".join(rows)}</ul>' if rows else ""


def _settings(result: Result) -> str:
    rows = "".join(
        f'<tr{"" if a == b else _OTHER}><th scope="row">{escape(name)}</th><td>{escape(a)}</td>'
        f"<td>{escape(b)}</td></tr>"
        for name, (a, b) in _named(result)
    )
    if not rows:
        return ""
    return (
        '<section><h2>Settings</h2><div class="wide" tabindex="0" role="region" '
        'aria-label="Settings"><table class="plain"><thead><tr><th scope="col">Setting</th>'
        '<th scope="col">A</th><th scope="col">B</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _named(result: Result) -> Iterator[tuple[str, tuple[str, str]]]:
    for name in sorted({*result.a.settings, *result.b.settings}):
        a, b = (str(side.settings.get(name, "as it was")) for side in (result.a, result.b))
        yield name, (a, b)
