"""Memory that a crowd of clients needed is given back after they have left."""

import asyncio
import gc
import weakref

import pytest

from parking.runtime import giveback
from tests.support.waiting import until


class Node:
    """Part of a cycle that only the garbage collector frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize(
    ("gone", "freed"), [(giveback.MANY, True), (giveback.MANY - 1, False)], ids=["crowd", "control"]
)
async def test_garbage_is_searched_for_when_many_have_left(gone, freed, monkeypatch):
    monkeypatch.setattr(giveback, "EVERY_S", 0.01)
    left, turns, stop = 0, 0, asyncio.Event()

    def count() -> int:
        nonlocal turns
        turns += 1
        return left

    running = asyncio.create_task(giveback.give_back(stop, moved=count))
    gc.disable()  # no search but the one that is asked for
    try:
        await until(lambda: turns > 1)
        ref = weakref.ref(Node())
        left, seen = gone, turns
        await until(lambda: turns > seen + 2)
        assert (ref() is None) == freed
    finally:
        gc.enable()
        stop.set()
        await running


def test_the_c_library_is_asked_where_it_can():
    assert giveback.trim() in (True, False)
