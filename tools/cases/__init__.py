"""Inputs from the field, each with its required answer: `make cases`.

A case is a function that takes a `World`, is registered by `@case` and returns a verdict:

    @case("api", "the same Idempotency-Key with another slot is 409")
    def key_reused(world: World) -> Verdict:
        ...
        return verdict(status == 409, f"the second was {status}")

List its module in `MODULES` (tools/cases/__main__.py). A case that uses `world.api` or the like
gets a stack, which starts at its first use and serves all cases. Other cases need none. An
exception counts as a wrong answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tools.cases.world import World


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the answer was right, and the answer as one line."""

    right: bool
    note: str


@dataclass(frozen=True, slots=True)
class Case:
    """One input. `group` is its kind. `slow` cases take about a minute and are skipped by
    --quick."""

    group: str
    right: str
    run: "Callable[[World], Verdict]"
    slow: bool = False


CASES: Final[list[Case]] = []


def case(
    group: str, right: str, *, slow: bool = False
) -> "Callable[[Callable[[World], Verdict]], Callable[[World], Verdict]]":
    """Register a function as a case. `right` states the right answer in words."""

    def register(run: "Callable[[World], Verdict]") -> "Callable[[World], Verdict]":
        CASES.append(Case(group, right, run, slow))
        return run

    return register


def verdict(right: bool, note: object) -> Verdict:
    """Build a case's result."""
    return Verdict(bool(right), " ".join(str(note).split())[:300])
