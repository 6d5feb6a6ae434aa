"""The network: a small U-Net (Ronneberger, Fischer and Brox 2015, doi:10.1007/978-3-319-24574-4_28)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class NetworkConfig:
    """Size of the network; it travels in the card."""

    inputs: int
    """channels it sees"""
    outputs: int
    """maps it gives"""
    widths: tuple[int, ...] = (24, 32, 48, 64)
    """filters at each scale, from 10 m on, every scale twice as coarse"""


class UNet(nn.Module):
    """Two convolutions at each scale on the way down and on the way up, joined across."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.down = nn.ModuleList(
            _pair(config.inputs if n == 0 else widths[n - 1], width) for n, width in enumerate(widths)
        )
        self.up = nn.ModuleList(_pair(widths[n] + widths[n + 1], widths[n]) for n in reversed(range(len(widths) - 1)))
        self.head = nn.Conv2d(widths[0], config.outputs, 1)

    @property
    def step(self) -> int:
        """Height and width of what it is given must be multiples of this [pixel]."""
        return int(2 ** (len(self.config.widths) - 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, inputs, y, x) to logits (b, outputs, y, x)."""
        kept = []
        for n, layer in enumerate(self.down):
            x = layer(functional.max_pool2d(x, 2) if n else x)
            kept.append(x)
        for layer, beside in zip(self.up, reversed(kept[:-1]), strict=True):
            x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = layer(torch.cat([x, beside], dim=1))
        logits: Tensor = self.head(x)
        return logits


def _pair(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )
