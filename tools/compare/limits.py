"""Limits that make a comparison fail, as text for a file under version control. Pure.

A limit states when to fail: `b.accuracy < 0.98`, `b.flips > a.flips`, `slots_different > 0`.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from parking.core.errors import Invalid

_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_LIMIT: Final = re.compile(r"\s*([\w.]+)\s*(<=|>=|==|!=|<|>)\s*([\w.]+)\s*")
_NUMBER: Final = re.compile(r"\d+(\.\d+)?")
# A name without a side refers to the newer run: `accuracy` is b's.
_SHORT: Final = ("accuracy", "flips", "changes", "unknown_share", "wrong")
_OF_TRUTH: Final = ("accuracy", "unknown_share", "wrong", "true_flips")


@dataclass(frozen=True, slots=True)
class Checked:
    """A limit, whether it failed, and the numbers that were compared."""

    limit: str
    fails: bool
    numbers: str


def limits_of(file: Mapping[str, Any]) -> list[str]:
    """Parse a limits file: `fail_if` is a list of limits. Raises Invalid("bad-limits")."""
    limits = file.get("fail_if")
    if not isinstance(limits, list) or not all(isinstance(limit, str) for limit in limits):
        raise Invalid("bad-limits", 'it must hold fail_if = ["b.accuracy < 0.98", ...]')
    unknown = sorted(file.keys() - {"fail_if"})
    if unknown:
        raise Invalid("bad-limits", f"only fail_if is known, not {', '.join(unknown)}")
    return limits


def check(limits: Iterable[str], numbers: Mapping[str, float]) -> list[Checked]:
    """Check every limit. Raises Invalid("bad-limit") naming each one that cannot be checked,
    because an unknown number is not a pass."""
    checked, faults = [], []
    for limit in limits:
        try:
            checked.append(_check(limit, numbers))
        except Invalid as error:
            faults.append(error.detail)
    if faults:
        raise Invalid("bad-limit", "; ".join(faults))
    return checked


def _check(limit: str, numbers: Mapping[str, float]) -> Checked:
    match = _LIMIT.fullmatch(limit)
    if match is None:
        raise Invalid("bad-limit", f"{limit!r} is not NUMBER < NUMBER (also <= > >= == !=)")
    left, right = (_value(word, limit, numbers) for word in (match[1], match[3]))
    fails = _OPERATORS[match[2]](left, right)
    return Checked(limit.strip(), fails, f"{left:g} {match[2]} {right:g}")


def _value(word: str, limit: str, numbers: Mapping[str, float]) -> float:
    if _NUMBER.fullmatch(word):
        return float(word)
    name = f"b.{word}" if word in _SHORT else word
    if name in numbers:
        return numbers[name]
    if name.rpartition(".")[2] in _OF_TRUTH:
        raise Invalid("bad-limit", f"{limit!r}: {word} needs annotations (--truth)")
    raise Invalid("bad-limit", f"{limit!r}: {word} is not one of {', '.join(numbers)}")
