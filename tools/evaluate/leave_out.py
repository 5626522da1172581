"""Decide which data sets are left out together. Sets that share a camera show the same lot.

`python -m tools.evaluate.leave_out DATA` prints one lot per line, its sets separated by commas.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tools.train.labels import Frame, data_sets


def without(frames: Mapping[str, Sequence[Frame]]) -> dict[str, list[str]]:
    """Return the data sets of each lot, keyed by its first data set. A network for a lot must have
    seen none of them."""
    cameras = {
        name: {frame.annotation["camera"] for frame in some} for name, some in frames.items()
    }
    lots: dict[str, list[str]] = {}
    for name, seen in cameras.items():
        known = next((lot for lot, names in lots.items() if _share(seen, names, cameras)), name)
        lots.setdefault(known, []).append(name)
    return lots


def sources(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the data sets of each source (the publisher), keyed by the first word of a set's name,
    which is the source. Cross-dataset results in the literature leave a whole source out."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.split("-", 1)[0], []).append(name)
    return found


def _share(seen: set[str], names: Sequence[str], cameras: Mapping[str, set[str]]) -> bool:
    return any(seen & cameras[name] for name in names)


def main(data: Path) -> None:
    """Run the command line."""
    for names in without(data_sets(data)).values():
        print(",".join(names))


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
