"""Key-value caches: inputs of the network that it appends to."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lionheart_opt.tracing import trace


class Cached(nn.Module):
    """Fills an empty cache, as libraries do, and appends to it."""

    def __init__(self) -> None:
        super().__init__()
        self.key = nn.Linear(4, 4)

    def forward(self, x: Tensor, cache: Tensor) -> Tensor:
        filled = torch.cat([cache[:, :0], cache], dim=1)
        return torch.cat([filled, self.key(x)], dim=1).sum(dim=1)


def test_joining_with_nothing_is_no_layer() -> None:
    workload = trace(Cached(), (torch.zeros(1, 1, 4), torch.zeros(1, 9, 4)), "cached")
    assert [layer.kind for layer in workload.layers] == ["linear", "cat", "sum"]
    [_, append, _] = workload.layers
    assert append.inputs == ("input", "key")
    assert append.input_shapes == ((1, 9, 4), (1, 1, 4))
