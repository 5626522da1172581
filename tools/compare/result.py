"""The comparison: a row for every slot, the totals, and the numbers a limit may name. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from parking.core.errors import Invalid
from tools.compare.timeline import (
    Account,
    Difference,
    Key,
    Score,
    Timeline,
    differences,
    score,
)

Truth = Mapping[Key, list[tuple[int, bool]]]
"""Maps each slot to (moment, occupied) in order."""

_NOTHING: Final = Timeline()


@dataclass(frozen=True, slots=True)
class Side:
    """One side's numbers for one slot or for all slots."""

    changes: int = 0
    flips: int = 0
    score: Score | None = None

    def __add__(self, other: "Side") -> "Side":
        scores = [s.score for s in (self, other) if s.score is not None]
        total = sum(scores, Score()) if scores else None
        return Side(self.changes + other.changes, self.flips + other.flips, total)


@dataclass(frozen=True, slots=True)
class SlotResult:
    """One slot: both sides, their differences, and the number of true flips."""

    key: Key
    a: Side
    b: Side
    differences: tuple[Difference, ...]
    timelines: tuple[Timeline, Timeline]
    truth: tuple[tuple[int, bool], ...] = ()

    @property
    def seconds_different(self) -> float:
        """How long the two showed different states, in seconds."""
        return sum(difference.seconds for difference in self.differences)

    @property
    def true_flips(self) -> int | None:
        """How often the labels change, or None without labels."""
        if not self.truth:
            return None
        states = [occupied for _, occupied in self.truth]
        return sum(now != then for then, now in pairwise(states))


@dataclass(frozen=True, slots=True)
class Result:
    """A whole comparison over one span."""

    a: Account
    b: Account
    from_ms: int
    to_ms: int
    slots: tuple[SlotResult, ...]

    @property
    def differences(self) -> list[Difference]:
        """All differences, the longest first."""
        found = [difference for slot in self.slots for difference in slot.differences]
        return sorted(found, key=lambda d: (-d.seconds, d.from_ms, d.key))

    @property
    def labelled(self) -> bool:
        """Whether there is a truth to compare with."""
        return any(slot.truth for slot in self.slots)

    def total(self, side: str) -> Side:
        """The totals of side `a` or `b`."""
        return sum((getattr(slot, side) for slot in self.slots), Side())


def compare(a: Account, b: Account, truth: Truth | None = None) -> Result:
    """Compare slot by slot over the span that both cover. Raises Invalid("no-common-span")."""
    from_ms, to_ms = max(a.from_ms, b.from_ms), min(a.to_ms, b.to_ms)
    if from_ms > to_ms:
        raise Invalid("no-common-span", f"{a.name} and {b.name} cover different times")
    keys = sorted({*a.slots, *b.slots, *(truth or {})})
    if not keys:
        raise Invalid("no-slots", f"neither {a.name} nor {b.name} reports any slot")
    rows = [_slot(key, a, b, (from_ms, to_ms), truth or {}) for key in keys]
    return Result(a, b, from_ms, to_ms, tuple(rows))


def _slot(key: Key, a: Account, b: Account, span_ms: tuple[int, int], truth: Truth) -> SlotResult:
    left, right = a.slots.get(key, _NOTHING), b.slots.get(key, _NOTHING)
    labels = [label for label in truth.get(key, []) if span_ms[0] <= label[0] <= span_ms[1]]
    return SlotResult(
        key,
        _side(left, labels, span_ms),
        _side(right, labels, span_ms),
        tuple(differences(key, left, right, *span_ms)),
        (left, right),
        tuple(labels),
    )


def _side(shown: Timeline, labels: list[tuple[int, bool]], span_ms: tuple[int, int]) -> Side:
    return Side(
        shown.changes(*span_ms),
        shown.flips(*span_ms),
        score(shown, labels) if labels else None,
    )


# ---------------------------------------------------------------- numbers with names
def numbers(result: Result) -> dict[str, float]:
    """Return the numbers that a limit may name. Those about the truth need one."""
    slots = result.slots
    found: dict[str, float] = {
        "slots": len(slots),
        "slots_different": sum(bool(slot.differences) for slot in slots),
        "differences": sum(len(slot.differences) for slot in slots),
        "seconds_different": round(sum(slot.seconds_different for slot in slots), 3),
        "share_different": _share(result),
    }
    for name in ("a", "b"):
        side = result.total(name)
        found |= {f"{name}.changes": side.changes, f"{name}.flips": side.flips}
        if side.score is not None and side.score.labels:
            found[f"{name}.unknown_share"] = side.score.unknown_share or 0.0
            found[f"{name}.wrong"] = side.score.wrong
            if side.score.accuracy is not None:
                found[f"{name}.accuracy"] = side.score.accuracy
    true_flips = [slot.true_flips for slot in slots if slot.true_flips is not None]
    if true_flips:
        found["true_flips"] = sum(true_flips)
    return found


def _share(result: Result) -> float:
    """Return the share of all slots' time in which the two differ."""
    whole = len(result.slots) * (result.to_ms - result.from_ms) / 1000
    return sum(slot.seconds_different for slot in result.slots) / whole if whole else 0.0


def as_json(result: Result) -> dict[str, Any]:
    """Return everything, for the JSON file."""
    return {
        "format": "smart-parking-comparison",
        "version": 1,
        "a": _account(result.a),
        "b": _account(result.b),
        "from_ms": result.from_ms,
        "to_ms": result.to_ms,
        "numbers": numbers(result),
        "slots": [_row(slot) for slot in result.slots],
    }


def _account(account: Account) -> dict[str, Any]:
    return {"name": account.name, "source": account.source, "settings": dict(account.settings)}


def _row(slot: SlotResult) -> dict[str, Any]:
    return {
        "site_id": slot.key[0],
        "slot_id": slot.key[1],
        "a": _numbers(slot.a),
        "b": _numbers(slot.b),
        "true_flips": slot.true_flips,
        "seconds_different": slot.seconds_different,
        "differences": [
            {"from_ms": d.from_ms, "to_ms": d.to_ms, "a": d.a.state, "b": d.b.state}
            for d in slot.differences
        ],
    }


def _numbers(side: Side) -> dict[str, Any]:
    figures: dict[str, Any] = {"changes": side.changes, "flips": side.flips}
    if side.score is not None:
        figures |= {
            "accuracy": side.score.accuracy,
            "right": side.score.right,
            "wrong": side.score.wrong,
            "unknown": side.score.unknown,
        }
    return figures
