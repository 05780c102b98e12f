"""The perceptron of ALPINE (Klein et al., IEEE TC 2023, section VII)."""

from __future__ import annotations

from torch import nn


def mlp(width: int = 1024) -> nn.Module:
    """Two dense layers of equal width, each with a ReLU."""
    model = nn.Sequential()
    for number in (1, 2):
        model.add_module(f"fc{number}", nn.Linear(width, width))
        model.add_module(f"relu{number}", nn.ReLU())
    return model
