"""Models for lots they have never seen: for each lot, the pair that was trained without it, with a
fusion fitted on the answers for the other lots."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from services.detector.settings import DEFAULT_MODEL
from services.detector.slotnet import Fusion
from tools.evaluate.leave_out import without
from tools.evaluate.opinions import Judged, box_model, judged, slot_forward
from tools.train.fusion import fitted
from tools.train.labels import Frame


@dataclass(frozen=True, slots=True)
class Folds:
    """The models that were trained without a lot, below `folder` (the output of `python -m
    tools.train.slots`)."""

    folder: Path
    boxes: Path = DEFAULT_MODEL
    """The vehicle model where no fold has its own."""
    threads: int = 2
    size_px: int = 0
    """Input size of the vehicle model; 0 means what the layout needs."""
    band: tuple[float, float] = (0.3, 0.7)

    def boxes_of(self, lot: str) -> Path:
        """Return the vehicle model for a lot."""
        own = self.folder / f"boxes-without-{lot}.onnx"
        if own.exists():
            return own
        warning = f"{own} does not exist: {lot} is judged with {self.boxes}, which may have seen it"
        print(warning, file=sys.stderr)
        return self.boxes

    def slots_of(self, lot: str) -> Path:
        """Return the slot network for a lot."""
        return self.folder / f"without-{lot}.onnx"


class Unseen(NamedTuple):
    """Keyed by data set: its lot, the answers for its slots, and the fusion fitted on the other
    lots."""

    lot: dict[str, str]
    said: dict[str, Judged]
    fusion: dict[str, Fusion]


def unseen(
    frames: Mapping[str, list[Frame]],
    folds: Folds,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Unseen:
    """Judge every data set by models that have not seen its lot. `groups` holds other groups of
    data sets that were left out together, keyed by the name of their fold."""
    together = without(frames) if groups is None else groups
    lot_of = {name: lot for lot, names in together.items() for name in names}
    said = {
        name: judged(
            frames[name],
            box_model(folds.boxes_of(lot), folds.threads),
            slot_forward(folds.slots_of(lot), folds.threads),
            folds.size_px,
        )
        for name, lot in lot_of.items()
    }
    fusion = {
        lot: fitted({n: said[n].opinions for n in said if lot_of[n] != lot}, folds.band)
        for lot in set(lot_of.values())
    }
    return Unseen(lot_of, said, {name: fusion[lot] for name, lot in lot_of.items()})
