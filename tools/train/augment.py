"""Augment crops in batches with the effects of light, weather, lenses and careless drawing.

Every random value comes from one generator, so that a training run can be repeated.
"""

import math
from typing import Any, Final

import torch
from torch.nn import functional

from services.detector.crops import CROP_PX, MARGIN
from tools.train.examples import STORED_MARGIN

COARSE: Final = 0.35
SHADOWED: Final = 0.25
FOGGED: Final = 0.1
Tensor = Any  # torch.Tensor; torch is absent where types are checked


def views(stored: Tensor, margin: float) -> Tensor:
    """Turn stored crops [N, S, S, 4] (uint8, BGR and mask) into network input without
    augmentation."""
    zoom = torch.full((len(stored),), margin / STORED_MARGIN)
    zero = torch.zeros_like(zoom)
    return _sampled(stored, _matrix(zoom, zero, torch.ones_like(zoom), zero, zero))


class Augment:
    """Turns stored crops [N, S, S, 4] into network input [N, 4, CROP_PX, CROP_PX], changed at
    random."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def __call__(self, stored: Tensor) -> Tensor:
        """Augment one batch."""
        count = len(stored)
        zoom = MARGIN / STORED_MARGIN * torch.exp(self._within(count, -0.15, 0.15))
        mirror = torch.where(self._within(count, 0, 1) < 0.5, -1.0, 1.0)
        turn, right, down = (self._within(count, -w, w) for w in (0.2, 0.08, 0.08))
        crops = _sampled(stored, _matrix(zoom, turn, mirror, right, down))
        picture = self._light(crops[:, :3])
        for change, share in ((self._coarse, COARSE), (self._shadow, SHADOWED)):
            for index in torch.nonzero(self._within(count, 0, 1) < share)[:, 0].tolist():
                picture[index] = change(picture[index])
        noise = torch.randn(picture.shape, generator=self._generator)
        picture = picture + noise * self._each(count, 0, 0.04)
        fog = (self._each(count, 0, 1) < FOGGED) * self._each(count, 0.2, 0.6)
        picture = picture * (1 - fog) + 0.75 * fog
        changed = torch.cat([picture.clamp(0, 1), crops[:, 3:]], 1)
        return changed.contiguous(memory_format=torch.channels_last)

    def _within(self, count: int, low: float, high: float) -> Tensor:
        return torch.empty(count).uniform_(low, high, generator=self._generator)

    def _each(self, count: int, low: float, high: float) -> Tensor:
        return self._within(count, low, high).view(-1, 1, 1, 1)

    def _light(self, picture: Tensor) -> Tensor:
        """Change exposure, contrast, saturation and white balance."""
        count = len(picture)
        picture = picture.clamp(1e-3, 1) ** torch.exp(self._each(count, -0.5, 0.5))
        mean = picture.mean((1, 2, 3), keepdim=True)
        picture = (picture - mean) * self._each(count, 0.6, 1.4) + mean
        picture = picture + self._each(count, -0.12, 0.12)
        grey = picture.mean(1, keepdim=True)
        picture = grey + (picture - grey) * self._each(count, 0, 1.5)
        tint = torch.empty(count, 3, 1, 1).uniform_(-0.12, 0.12, generator=self._generator)
        return picture * torch.exp(tint)

    def _coarse(self, picture: Tensor) -> Tensor:
        """Imitate a distant slot or a blurred lens: few pixels, drawn large."""
        side = int(torch.randint(20, 56, (1,), generator=self._generator))
        small = functional.interpolate(picture[None], size=(side, side), mode="area")
        size = (CROP_PX, CROP_PX)
        return functional.interpolate(small, size=size, mode="bilinear", align_corners=False)[0]

    def _shadow(self, picture: Tensor) -> Tensor:
        """Darken everything beyond a line."""
        angle, place, depth = (
            float(self._within(1, low, high))
            for low, high in ((0, 6.283), (-0.7, 0.7), (0.3, 0.65))
        )
        steps = torch.linspace(-1, 1, CROP_PX)
        down, right = torch.meshgrid(steps, steps, indexing="ij")
        beyond = right * math.cos(angle) + down * math.sin(angle) + place
        return picture * (1 - torch.sigmoid(beyond * 20) * depth)


def _matrix(
    zoom: Tensor,
    turn: Tensor,
    mirror: Tensor,
    right: Tensor,
    down: Tensor,
) -> Tensor:
    cos, sin = zoom * torch.cos(turn), zoom * torch.sin(turn)
    rows = [torch.stack([cos * mirror, -sin, right], 1), torch.stack([sin * mirror, cos, down], 1)]
    return torch.stack(rows, 1)


def _sampled(stored: Tensor, matrix: Tensor) -> Tensor:
    """Return RGB and mask, 0..1, placed by the matrices [N, 2, 3]."""
    crops = stored.float().permute(0, 3, 1, 2)[:, [2, 1, 0, 3]] / 255
    size = [len(stored), 4, CROP_PX, CROP_PX]
    grid = functional.affine_grid(matrix, size, align_corners=False)
    return functional.grid_sample(crops, grid, padding_mode="border", align_corners=False)
