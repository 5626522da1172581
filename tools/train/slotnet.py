"""The slot network: the first layers of the vehicle detector, and a small head.

It looks at one slot (services/detector/crops.py) and returns its confidence that a vehicle stands
in it. The layers come from the base weights, so they know vehicles before they see a parking lot;
the mask is a fourth input channel that begins without weight.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import nn
from torch.nn import functional

from services.detector.crops import CROP_PX, MARGIN
from tools.train.augment import Augment, views
from tools.train.examples import Examples

LAYERS: Final = 7
"""The layers of YOLO11n up to the end of stride 16: 0.33 million weights."""

BATCH: Final = 64
SMOOTHING: Final = 0.02
KEPT: Final = 0.995
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train. An epoch has `per_epoch` examples, drawn with replacement."""

    epochs: int = 18
    per_epoch: int = 3000
    rate: float = 1e-3
    seed: int = 7


class SlotNet(nn.Module):  # type: ignore[misc]  # torch is absent where types are checked
    """[N, 4, S, S] RGB and mask, 0..1 -> [N] logit of "occupied"."""

    def __init__(self, base: Path) -> None:
        """`base` holds YOLO weights (.pt), of which the first layers are used."""
        super().__init__()
        from ultralytics import YOLO

        whole: Any = YOLO(str(base)).model
        layers = [copy.deepcopy(layer).float() for layer in whole.model[:LAYERS]]
        layers[0].conv = _with_mask(layers[0].conv)
        self.body = nn.Sequential(*layers)
        for weight in self.body.parameters():
            weight.requires_grad_(True)
        with torch.no_grad():
            channels = self.body(torch.zeros(1, 4, CROP_PX, CROP_PX)).shape[1]
        self.head = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(2 * channels, 64), nn.SiLU(), nn.Linear(64, 1)
        )

    def forward(self, crops: Any) -> Any:
        """Compute the features of the whole crop and of the slot's own ground."""
        seen = self.body(crops)
        mask = functional.avg_pool2d(crops[:, 3:], 16)
        everywhere = seen.mean((2, 3))
        within = (seen * mask).sum((2, 3)) / (mask.sum((2, 3)) + 1e-3)
        answer: Any = self.head(torch.cat([everywhere, within], 1))[:, 0]
        return answer


def _with_mask(conv: Any) -> Any:
    wider = nn.Conv2d(
        4,
        conv.out_channels,
        conv.kernel_size,
        conv.stride,
        conv.padding,
        bias=conv.bias is not None,
    )
    with torch.no_grad():
        wider.weight.zero_()
        wider.weight[:, :3] = conv.weight
        if conv.bias is not None and wider.bias is not None:
            wider.bias.copy_(conv.bias)
    return wider


def chances(examples: Examples) -> Floats:
    """Return how likely each example is drawn: groups by the square root of their size, and free
    and occupied examples of a group equally."""
    weight = np.zeros(len(examples.occupied))
    for group in np.unique(examples.group):
        of_group = examples.group == group
        for state in (0, 1):
            some = of_group & (examples.occupied == state)
            if some.any():
                weight[some] = np.sqrt(of_group.sum()) / 2 / some.sum()
    return np.asarray(weight / weight.sum(), np.float64)


def fit(examples: Examples, base: Path, plan: Plan, title: str) -> SlotNet:
    """Train the network. Returns the running mean of the weights. The same seed and machine give
    the same result. `title` is the progress bar's label."""
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    augment = Augment(torch.Generator().manual_seed(plan.seed))
    net = SlotNet(base).train()
    mean: SlotNet = copy.deepcopy(net).eval()
    steps = plan.epochs * plan.per_epoch // BATCH
    rates = [plan.rate * 2, plan.rate]
    optimiser = torch.optim.AdamW(
        [
            {"params": net.head.parameters(), "lr": rates[0]},
            {"params": net.body.parameters(), "lr": rates[1]},
        ],
        weight_decay=0.02,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, steps, pct_start=0.15)
    drawn = chances(examples)
    for step in track(range(steps), title):
        chosen = rng.choice(len(drawn), BATCH, p=drawn)
        crops = augment(torch.from_numpy(examples.crops[chosen]))
        wanted = torch.from_numpy(examples.occupied[chosen]) * (1 - 2 * SMOOTHING) + SMOOTHING
        loss = functional.binary_cross_entropy_with_logits(net(crops), wanted)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        _follow(mean, net, min(KEPT, (step + 1) / (step + 10)))
    return mean


def _follow(mean: Any, net: Any, keep: float) -> None:
    with torch.no_grad():
        pairs = zip(mean.state_dict().values(), net.state_dict().values(), strict=True)
        for average, new in pairs:
            if average.dtype.is_floating_point:
                average.mul_(keep).add_(new, alpha=1 - keep)
            else:
                average.copy_(new)


def logits(net: SlotNet, examples: Examples) -> Floats:
    """Return the trained network's answers [N]."""
    found = []
    with torch.no_grad():
        for start in range(0, len(examples.crops), 256):
            part = torch.from_numpy(examples.crops[start : start + 256])
            found.append(net(views(part, MARGIN)).numpy())
    return np.concatenate(found).astype(np.float64)


def export(net: SlotNet, out: Path) -> None:
    """Write ONNX: `crops` [N, 4, CROP_PX, CROP_PX] -> `logit` [N], for any N."""
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        net.eval(),
        (torch.zeros(2, 4, CROP_PX, CROP_PX),),
        str(out),
        input_names=["crops"],
        output_names=["logit"],
        dynamic_axes={"crops": {0: "slots"}, "logit": {0: "slots"}},
        opset_version=17,
        dynamo=False,
    )
