"""A small GPT that predicts the next character."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Layer(nn.Module):
    """Causal attention and two dense layers, each behind a layer norm and beside a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.output = nn.Linear(width, width)
        self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Vectors of shape (n, n_tokens, width)."""
        y = self.norm_1(x)
        q, k, v = (
            part(y).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.output(mixed.transpose(1, 2).flatten(2))
        return x + self.contract(F.gelu(self.expand(self.norm_2(x))))


class CharGPT(nn.Module):
    """Four layers of width 256: 3.2 million weights.

    Args:
        characters: Number of different characters.
        block: Characters that are read at once.
        width: Width of the layers.
        depth: Number of layers.
        heads: Heads of attention.
    """

    def __init__(
        self,
        characters: int = 65,
        block: int = 64,
        width: int = 256,
        depth: int = 4,
        heads: int = 4,
    ) -> None:
        super().__init__()
        self.characters = nn.Embedding(characters, width)
        self.places = nn.Parameter(0.02 * torch.randn(block, width))
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, characters, bias=False)
        nn.init.normal_(self.characters.weight, std=0.02)

    def forward(self, characters: Tensor) -> Tensor:
        """Numbers of shape (n, block) -> scores of the next characters (n, block, characters)."""
        x = self.characters(characters) + self.places
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))
