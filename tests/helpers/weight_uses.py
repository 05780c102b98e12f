"""Networks that use weights in every way that the field's code does, with an example for each."""

from __future__ import annotations

from typing import Any

import torch
from foreign_networks import foreign_networks, image_network
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 6)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.tanh(self.a(x)))


class LanguageModel(nn.Module):
    """The head has the weight of the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.mix = nn.Embedding(9, 6), nn.Linear(6, 6)
        self.head = nn.Linear(6, 9, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(torch.tanh(self.mix(self.embedding(ids))))


class Autoencoder(nn.Module):
    """Decodes with the transposed weight of the encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.enc = nn.Linear(6, 4)
        self.bias = nn.Parameter(torch.randn(6))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(torch.tanh(self.enc(x)), self.enc.weight.t(), self.bias)


class Projection(nn.Module):
    """HuggingFace's `Conv1D`: a row for each input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) / inputs**0.5)
        self.bias = nn.Parameter(torch.randn(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight)
        return y.view(*x.shape[:-1], -1)


class SamePadding(nn.Conv2d):
    """A subclass that pads."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1)), self.weight, self.bias, self.stride)


class ReadsAttributes(nn.Module):
    """Asks layers for their sizes, and weights for their type."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x).to(self.b.weight.dtype).view(-1, self.a.out_features)
        return self.b(h) * self.a.weight.shape[1] / self.b.in_features + self.b.weight.mean()


class Functions(nn.Module):
    """Bare parameters and functions that multiply."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.ParameterDict(
            {
                name: nn.Parameter(torch.randn(shape) / 3)
                for name, shape in {
                    "right": (6, 5),
                    "transposed": (7, 5),
                    "left": (4, 3),
                    "sum": (8, 7),
                    "bmm": (8, 6),
                    "baddbmm": (6, 5),
                    "tail": (3, 5),
                }.items()
            }
        )
        self.bias = nn.Parameter(torch.randn(5))

    def forward(self, x: Tensor) -> Tensor:
        w = self.w
        h = torch.tanh(x @ w["right"])  # (n, 3, 5)
        h = torch.matmul(h, w["transposed"].T)
        h = torch.tanh(w["left"] @ h)  # (n, 4, 7)
        h = torch.einsum("nti,oi->tno", h, w["sum"]).transpose(0, 1)
        h = torch.bmm(torch.tanh(h), w["bmm"].expand(len(x), -1, -1))
        h = torch.baddbmm(self.bias, h, w["baddbmm"].expand(len(x), -1, -1), beta=2, alpha=0.5)
        return torch.einsum("bto,co", torch.tanh(h), w["tail"]).mean(1)


class Slices(nn.Module):
    """Uses the rows of one parameter one part after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(10, 6) / 2)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(F.linear(x, self.weight[:6]))
        return F.linear(h, self.weight[6:])


class Slim(nn.Module):
    """Uses some rows of a weight, and all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.fc(x))
        return F.linear(h, self.fc.weight[2:5], self.fc.bias[2:5])


class Attention(nn.Module):
    """torch's attention, on one sequence or on two."""

    def __init__(self, *, across: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.across = across

    def forward(self, x: Tensor) -> Tensor:
        y = x.flip(1)[:, :3] if self.across else x
        result: Tensor = self.attention(x, y, y, need_weights=False)[0]
        return result.mean(1)


class Recurrent(nn.Module):
    """A recurrent layer of torch."""

    def __init__(self, kind: type[nn.RNNBase], *, packed: bool = False, **arguments: Any) -> None:
        super().__init__()
        self.layer = kind(5, 4, **arguments)
        self.packed = packed

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.layer.batch_first else x.transpose(0, 1)
        if not self.packed:
            y, state = self.layer(x)
        else:
            lengths = x.shape[1] - torch.arange(len(x))
            kept = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            y, state = self.layer(kept)
            y, _ = pad_packed_sequence(y, batch_first=True)
        last = state[0] if isinstance(state, tuple) else state
        axis = 1 if self.layer.batch_first else 0
        return y.sum(axis) + last.sum(0).repeat(1, y.shape[-1] // last.shape[-1])


class Cell(nn.Module):
    """A loop over a cell of torch."""

    def __init__(self, kind: type[nn.RNNCellBase], **arguments: Any) -> None:
        super().__init__()
        self.cell = kind(5, 4, **arguments)

    def forward(self, x: Tensor) -> Tensor:
        state = None
        for step in x.unbind(1):
            state = self.cell(step, state)
        result: Tensor = state[0] if isinstance(state, tuple) else state
        return result


def networks() -> dict[str, tuple[nn.Module, Tensor]]:
    """Name -> network in evaluation mode, and inputs for it."""
    torch.manual_seed(5)
    x, tokens, images = torch.randn(4, 6), torch.randn(4, 3, 6), torch.randn(4, 2, 7, 6)
    steps = torch.randn(4, 5, 5)
    made: dict[str, tuple[nn.Module, Tensor]] = {
        "tied": (Tied(), x),
        "language model": (LanguageModel(), torch.randint(9, (4, 5))),
        "autoencoder": (Autoencoder(), x),
        "row for each input": (
            nn.Sequential(Projection(6, 6), nn.Tanh(), Projection(6, 3)),
            tokens,
        ),
        "subclass": (image_network(SamePadding(2, 3, 3, stride=2), nn.ReLU(inplace=True)), images),
        "padding modes": (
            image_network(
                nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"),
                nn.Conv2d(3, 3, (2, 3), padding="same", dilation=2, bias=False),
            ),
            images,
        ),
        "conv1d": (
            nn.Sequential(nn.Conv1d(3, 4, 3, padding=2), nn.ReLU(True), nn.Flatten()),
            tokens,
        ),
        "conv3d": (
            nn.Sequential(
                nn.Conv3d(2, 3, (1, 3, 2), stride=(1, 2, 1), padding=(0, 1, 2), dilation=(1, 1, 2)),
                nn.ReLU(inplace=True),
                nn.Conv3d(3, 2, 2, padding="same", bias=False),
                nn.Flatten(),
            ),
            torch.randn(4, 2, 3, 5, 4),
        ),
        "attributes": (ReadsAttributes(), x),
        "functions": (Functions(), tokens),
        "slices": (Slices(), x),
        "some rows": (Slim(), x),
        "attention": (Attention(across=False), torch.randn(4, 5, 8)),
        "cross attention": (Attention(across=True), torch.randn(4, 5, 8)),
        "lstm": (Recurrent(nn.LSTM, batch_first=True, num_layers=2, bidirectional=True), steps),
        "projected lstm": (Recurrent(nn.LSTM, proj_size=2, bias=False), steps),
        "packed lstm": (
            Recurrent(nn.LSTM, packed=True, batch_first=True, bidirectional=True),
            steps,
        ),
        "gru": (Recurrent(nn.GRU, num_layers=2), steps),
        "packed gru": (Recurrent(nn.GRU, packed=True, batch_first=True), steps),
        "rnn": (Recurrent(nn.RNN, nonlinearity="relu", bidirectional=True), steps),
        "lstm cell": (Cell(nn.LSTMCell), steps),
        "gru cell": (Cell(nn.GRUCell), steps),
        "rnn cell": (Cell(nn.RNNCell, bias=False), steps),
        "encoder layer": (
            nn.Sequential(nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True)),
            torch.randn(4, 5, 8),
        ),
    }
    made |= foreign_networks()
    return {name: (network.eval(), inputs) for name, (network, inputs) in made.items()}
