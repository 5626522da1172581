"""Prepare the next picture while the previous one is being searched. Decoding takes one core a
twelfth of an inference's time, and neither waits for the other."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Ahead:
    """One thread that works one item ahead. A single item is processed on the caller's own
    thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "ahead")

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Yield `work` of each item, in order. An exception is raised when its item's turn
        comes."""
        if len(items) < 2:
            yield from map(work, items)
            return
        coming = self._thread.submit(work, items[0])
        for item in items[1:]:
            ready = coming.result()
            coming = self._thread.submit(work, item)
            yield ready
        yield coming.result()
