"""Show the comparison in the terminal."""

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from tools.compare.limits import Checked
from tools.compare.result import Result, Side, SlotResult, numbers
from tools.compare.timeline import Score
from tools.compare.words import MISSING, duration, percent, span


def show(result: Result, checked: Sequence[Checked], console: Console, *, every: bool) -> None:
    """Print the slots that differ (or all, if `every`), the totals, and the results of the
    limits."""
    console.print(f"A  {result.a.name}   {_settings(result.a.settings)}", highlight=False)
    console.print(f"B  {result.b.name}   {_settings(result.b.settings)}", highlight=False)
    console.print(span(result.from_ms, result.to_ms), highlight=False)
    rows = [slot for slot in result.slots if every or slot.differences]
    if rows:
        console.print(_table(result, rows))
    figures = numbers(result)
    same = int(figures["slots"] - figures["slots_different"])
    console.print(
        f"{figures['slots_different']:.0f} of {figures['slots']:.0f} slots differ, "
        f"{figures['differences']:.0f} times, {duration(figures['seconds_different'])} in all "
        f"({percent(figures['share_different'], 2)} of their time); "
        f"{same} show the same throughout.",
        highlight=False,
    )
    for one in checked:
        word, style = ("FAIL", "bold red") if one.fails else ("ok", "green")
        console.print(f"[{style}]{word:>4}[/]  fail if {one.limit}   ({one.numbers})",
                      highlight=False)  # fmt: skip


def _table(result: Result, rows: Sequence[SlotResult]) -> Table:
    table = Table(
        header_style="bold",
        box=SIMPLE,
        padding=(0, 1),
        pad_edge=False,
        caption="A -> B",
        caption_justify="left",
    )
    sites = len({slot.key[0] for slot in result.slots}) > 1
    table.add_column("slot", no_wrap=True)
    for name in ("changes", "flips", *(["true", "right %", "unknown"] * result.labelled)):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("apart", justify="right", no_wrap=True)
    for slot in rows:
        name = "/".join(slot.key) if sites else slot.key[1]
        true_flips = MISSING if slot.true_flips is None else str(slot.true_flips)
        cells = _cells(slot.a, slot.b, true_flips, result.labelled)
        table.add_row(name, *cells, duration(slot.seconds_different))
    figures = numbers(result)
    true_flips = f"{figures.get('true_flips', 0):.0f}"
    cells = _cells(result.total("a"), result.total("b"), true_flips, result.labelled)
    table.add_section()
    spent = duration(figures["seconds_different"])
    table.add_row(f"all {len(result.slots)}", *cells, spent, style="bold")
    return table


def _cells(a: Side, b: Side, true_flips: str, labelled: bool) -> list[str]:
    cells = [_pair(str(a.changes), str(b.changes)), _pair(str(a.flips), str(b.flips))]
    if labelled:
        scores = (a.score or Score(), b.score or Score())
        left, right = (percent(score.accuracy).removesuffix(" %") for score in scores)
        unknown = [str(score.unknown) for score in scores]
        cells += [true_flips, _pair(left, right), _pair(*unknown)]
    return cells


def _pair(a: str, b: str) -> str:
    return a if a == b else f"{a} -> {b}"


def _settings(settings: object) -> str:
    items = settings.items() if isinstance(settings, dict) else ()
    return "  ".join(f"{name}={value}" for name, value in items)
