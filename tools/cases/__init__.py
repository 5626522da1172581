"""Inputs from the field, each with the answer that it must get: `make cases`.

A case is a function of a `World`, registered by `@case`, that returns what came of it:

    @case("api", "the same Idempotency-Key with another slot is 409")
    def key_reused(world: World) -> Verdict:
        ...
        return verdict(status == 409, f"the second was {status}")

Its module stands in `MODULES` (tools/cases/__main__.py). A case that touches `world.api` and the
like has a stack of its own (started once for all, when the first asks for it); one that does not
needs none. An exception is a wrong answer, too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tools.cases.world import World


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the answer was right, and what it was, on one line."""

    right: bool
    note: str


@dataclass(frozen=True, slots=True)
class Case:
    """One input. `group`: what kind; `slow`: takes a minute or so, left out by --quick."""

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
    """What a case returns."""
    return Verdict(bool(right), " ".join(str(note).split())[:300])
