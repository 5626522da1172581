"""A bounded cache: what was used longest ago goes first."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def keep(cache: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    """Put the value in as the one used last; beyond `most` drop the oldest."""
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > most:
        cache.popitem(last=False)
