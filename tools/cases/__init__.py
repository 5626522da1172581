"""Inputs from the field, each with its required answer: `make cases`.

A case is a function of a `World`, registered by `@case`, that returns a verdict:

    @case("api", "the same Idempotency-Key with another slot is 409")
    def key_reused(world: World) -> Verdict:
        ...
        return verdict(status == 409, f"the second was {status}")

List its module in `MODULES` (tools/cases/__main__.py). A case that uses `world.api` and the like
gets a stack, which is started once for all cases at its first use; other cases need none. An
exception counts as a wrong answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tools.cases.world import World


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the answer was right, and the answer on one line."""

    right: bool
    note: str


@dataclass(frozen=True, slots=True)
class Case:
    """One input. `group`: its kind; `slow`: takes about a minute, skipped by --quick."""

    group: str
    right: str
    run: "Callable[[World], Verdict]"
    slow: bool = False


CASES: Final[list[Case]] = []


def case(
    group: str, right: str, *, slow: bool = False
) -> "Callable[[Callable[[World], Verdict]], Callable[[World], Verdict]]":
    """Register a function as a case. `right`: the right answer, in words."""

    def register(run: "Callable[[World], Verdict]") -> "Callable[[World], Verdict]":
        CASES.append(Case(group, right, run, slow))
        return run

    return register


def verdict(right: bool, note: object) -> Verdict:
    """Build a case's result."""
    return Verdict(bool(right), " ".join(str(note).split())[:300])
