"""The network: a temporal CNN over one year (after Pelletier, Webb and Petitjean 2019, doi:10.3390/rs11050523)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class NetworkConfig:
    """Size of the network; it travels in the card."""

    inputs: int
    """rows of the input: values and how much was seen, two for each channel"""
    steps: int
    """time steps of the season year"""
    classes: int
    """crops and covers it tells apart"""
    width: int = 64
    """filters of each layer"""
    kernel: int = 5
    """length of a filter [steps]"""
    hidden: int = 128
    """units of the last but one layer"""
    dropout: float = 0.3
    """share of units left out in training"""


class TemporalCNN(nn.Module):
    """Three convolutions in time, the last two with a short cut, then a dense layer that keeps the time of the year."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        pad = config.kernel // 2
        self.convolutions = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(config.inputs if layer == 0 else config.width, config.width, config.kernel, padding=pad),
                nn.BatchNorm1d(config.width),
                nn.ReLU(),
                nn.Dropout(config.dropout),
            )
            for layer in range(3)
        )
        self.dense = nn.Sequential(
            nn.Linear(config.width * config.steps, config.hidden),
            nn.BatchNorm1d(config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
        )
        self.head = nn.Linear(config.hidden, config.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, inputs, steps) to logits (b, classes)."""
        x = self.convolutions[0](x)  # (b, width, steps)
        for convolution in self.convolutions[1:]:
            x = x + convolution(x)  # (b, width, steps)
        logits: Tensor = self.head(self.dense(x.flatten(1)))  # (b, width * steps) -> (b, hidden) -> (b, classes)
        return logits
