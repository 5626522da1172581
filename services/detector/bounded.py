"""A bounded cache: the least recently used entry is dropped first."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def keep(cache: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    """Insert the value as the most recently used; beyond `most` drop the oldest."""
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > most:
        cache.popitem(last=False)
