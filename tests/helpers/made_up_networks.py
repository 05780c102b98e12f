"""Networks with residual connections, written in the ways in which people write them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Flat(nn.Module):
    """Adds in the network itself, whose layers are all its own."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.fc2(torch.relu(self.fc1(x)))
        x = x + self.fc3(x)
        return self.head(x)


class Inner(nn.Module):
    """Adds the results of the elements of a list."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6)) for _ in range(2)
        )
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return self.head(x)


class Wrapped(nn.Module):
    """Holds a network."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class SelfAttention(nn.Module):
    """Projections as layers of their own, as in BERT."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(self.query(x), self.key(x), self.value(x))


class Output(nn.Module):
    """Adds what the block has read, as BERT's `BertSelfOutput`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense, self.LayerNorm = nn.Linear(width, 6), nn.LayerNorm(6)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        return self.LayerNorm(self.dense(x) + before)


class BertAttention(nn.Module):
    """Attention and its addition."""

    def __init__(self) -> None:
        super().__init__()
        self.self, self.output = SelfAttention(), Output(6)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.self(x), x)


class BertLayer(nn.Module):
    """An encoder block of BERT, with its names."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = BertAttention()
        self.intermediate, self.output = nn.Linear(6, 12), Output(12)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention(x)
        return self.output(F.gelu(self.intermediate(x)), x)


class Bert(nn.Module):
    """Two encoder blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(9, 6), nn.Embedding(9, 6)
        self.layer = nn.ModuleList([BertLayer(), BertLayer()])
        self.pooler = nn.Linear(6, 6)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        for layer in self.layer:
            x = layer(x)
        return torch.tanh(self.pooler(x[:, 0]))
