"""Tokens per second of a prefill and of a decoding step, whose inputs hold the keys and values so far."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import lionheart_opt as lo


class Attention(nn.Module):
    """One head, which appends to a cache."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(256, 256) for _ in range(3))

    def forward(self, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Tokens and cache have the shape (1, n_tokens, width)."""
        k, v = torch.cat([keys, self.k(x)], dim=1), torch.cat([values, self.v(x)], dim=1)
        return F.scaled_dot_product_attention(self.q(x), k, v)


for new, old in ((128, 0), (1, 1000)):
    cost = lo.cost(Attention(), example=tuple(torch.zeros(1, n, 256) for n in (new, old, old)))
    print(f"{new} after {old}: {new / cost.time_per_inference_s:.0f} tokens/s")
