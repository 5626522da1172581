"""Find the largest number of cameras that is served: double, then halve, over a fixed grid.
Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

GRID: Final = (
    *(1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 40, 48, 64, 80, 100),
    *(128, 160, 200, 256, 320, 400, 512),
)


@dataclass(frozen=True, slots=True)
class Reached:
    """`cameras` is the largest number served (0 if none). `open_end`: larger numbers were not
    tried, because the time or the grid ran out. `open_start`: all tries failed, and no time was
    left for smaller numbers."""

    cameras: int
    open_end: bool = False
    open_start: bool = False


def search(
    start: int, serves: Callable[[int], bool], may_go_on: Callable[[], bool], grid: Sequence[int]
) -> Reached:
    """Try numbers of the grid, starting with the largest up to `start`. Steps double until one
    number is served and one is not. Then the middle between the two is tried."""
    good, bad = -1, len(grid)
    place = max((n for n, count in enumerate(grid) if count <= start), default=0)
    step, tried = 1, False
    while bad - good > 1 and (not tried or may_go_on()):
        tried = True
        if serves(grid[place]):
            good = place
        else:
            bad = place
        if bad == len(grid) or good == -1:  # all tries went one way: go further
            place = min(good + step, len(grid) - 1) if good >= 0 else max(bad - step, 0)
            step *= 2
        else:
            place = (good + bad) // 2
    if good < 0:
        return Reached(0, open_start=bad > 0)
    return Reached(grid[good], open_end=bad - good > 1 or bad == len(grid))
