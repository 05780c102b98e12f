"""More networks that use weights in every way that the field's code does, with an example for each."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class UNet(nn.Module):
    """Goes down, and up again with transposed convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(3, 4, 3, stride=2)
        self.up = nn.ConvTranspose2d(4, 3, (3, 2), stride=2, output_padding=(0, 0), bias=False)
        self.out = nn.Conv2d(6, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skip = torch.relu(self.down(x))
        up = self.up(torch.relu(self.deep(skip)))
        return self.out(torch.cat([skip[:, :, : up.shape[2], : up.shape[3]], up], 1)).flatten(1)


class Heads(nn.Module):
    """Attention with a parameter of three dimensions for all heads."""

    def __init__(self) -> None:
        super().__init__()
        shapes = {"q": (2, 6, 3), "k": (6, 2, 3), "v": (2, 3, 6), "o": (2, 3, 6)}
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.randn(shape) / 2))

    def forward(self, x: Tensor) -> Tensor:
        q = torch.einsum("btd,hde->bhte", x, self.q)
        k = torch.einsum("btd,dhe->bhte", x, self.k)
        v = torch.einsum("btd,hed->bhte", x, self.v)
        y = F.scaled_dot_product_attention(q, k, v)
        return torch.einsum("bhte,hed->btd", y, self.o).mean(1)


class Experts(nn.Module):
    """All experts of one parameter, each of which sees the same inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(6, 3)
        self.experts = nn.Parameter(torch.randn(3, 6, 5) / 2)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.einsum("nd,edf->nef", x, self.experts)
        return torch.einsum("nef,ne->nf", y, self.gate(x).softmax(-1))


class Flattened(nn.Module):
    """Views of parameters of several dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.into = nn.Parameter(torch.randn(2, 3, 6) / 2)
        self.out = nn.Parameter(torch.randn(2, 3, 4) / 2)
        self.last = nn.Parameter(torch.randn(3, 4) / 2)
        self.first = nn.Parameter(torch.randn(6, 6) / 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.inner(x, self.first)
        h = torch.tanh(F.linear(x, self.into.view(6, 6))).view(-1, 2, 3)
        h = torch.tanh(torch.tensordot(h, self.out, 2))
        return torch.inner(h, self.last)


class Seq2Seq(nn.Module):
    """A decoder that starts with the state of an encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(9, 5)
        self.encoder = nn.GRU(5, 4, batch_first=True)
        self.decoder = nn.GRU(5, 4, batch_first=True)
        self.head = nn.Linear(4, 9)

    def forward(self, ids: Tensor) -> Tensor:
        _, state = self.encoder(self.words(ids))
        return self.head(self.decoder(self.words(ids.flip(1)), state)[0]).mean(1)


class Adapted(nn.Module):
    """A frozen layer with a low-rank adapter."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(6, 5)
        self.down, self.up = (nn.Parameter(torch.randn(shape) / 2) for shape in ((2, 6), (5, 2)))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + x @ self.down.T @ self.up.T


class Groups(nn.Module):
    """Grouped convolutions by functions, with parameters of the module itself and of others."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 1, 3) / 2)
        self.second = nn.Parameter(torch.randn(6, 2, 1) / 2)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(F.conv1d(x, self.weight, groups=1))
        return F.conv1d(h, self.second, groups=2).flatten(1)


class Own(nn.Module):
    """A grouped convolution of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 2, 3) / 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv1d(x, self.weight, groups=2)


class Conv1D(nn.Module):
    """HuggingFace's layer of that name."""

    def __init__(self, outputs: int, inputs: int) -> None:
        super().__init__()
        self.nf = outputs
        self.weight = nn.Parameter(torch.randn(inputs, outputs) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        size = (*x.size()[:-1], self.nf)
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(size)


class GptBlock(nn.Module):
    """A block of GPT-2, as HuggingFace has it."""

    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.c_attn, self.c_proj = Conv1D(24, 8), Conv1D(8, 8)
        self.c_fc, self.down = Conv1D(16, 8), Conv1D(8, 16)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.c_attn(self.ln_1(x)).split(8, dim=2)
        q, k, v = (part.view(*x.shape[:2], 2, 4).transpose(1, 2) for part in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).reshape(x.shape))
        return x + self.down(F.gelu(self.c_fc(self.ln_2(x))))


class Gpt(nn.Module):
    """A language model whose head has the weight of the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(11, 8), nn.Embedding(6, 8)
        self.h = nn.ModuleList([GptBlock(), GptBlock()])
        self.ln_f, self.lm_head = nn.LayerNorm(8), nn.Linear(8, 11, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1], device=ids.device))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


class Llama(nn.Module):
    """A block of Llama: fewer keys than queries, gates, no biases."""

    def __init__(self) -> None:
        super().__init__()
        widths = {"q": (8, 8), "k": (8, 4), "v": (8, 4), "o": (8, 8)}
        widths |= {"gate": (8, 12), "up": (8, 12), "down": (12, 8)}
        for name, (inputs, outputs) in widths.items():
            self.add_module(f"{name}_proj", nn.Linear(inputs, outputs, bias=False))
        self.norm = nn.RMSNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (
            layer(h).view(*x.shape[:2], -1, 4).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.o_proj(y.transpose(1, 2).reshape(x.shape))
        h = self.norm(x)
        return x + self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h))


class Mixture(nn.Module):
    """Experts in a list of modules, all of which run."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(6, 3)
        self.experts = nn.ModuleList(nn.Linear(6, 5) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        shares = self.gate(x).softmax(-1)
        return torch.stack([expert(x) for expert in self.experts], -1) @ shares.unsqueeze(-1)


class Vit(nn.Module):
    """A vision transformer of torch's own layers."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(2, 8, 3, stride=3)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        layer = nn.TransformerEncoderLayer(
            8, 2, 16, dropout=0.0, batch_first=True, norm_first=True, activation="gelu"
        )
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch(x).flatten(2).mT
        x = torch.cat([self.token.expand(len(x), -1, -1), patches], 1)
        return self.head(self.encoder(x)[:, 0])


class _Calls(nn.Module):
    """A module of torch that is called with two or three sequences."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        y = x.flip(1)[:, :3]
        if isinstance(self.module, nn.MultiheadAttention):
            width = self.module.vdim
            result: Tensor = self.module(x, y, y[..., :width])[0]
            return result.mean(1)
        return self.module(x, y).mean(1)


def image_network(*layers: nn.Module) -> nn.Module:
    """The layers, whose results have 3 channels, and a classifier."""
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 3))


def foreign_networks() -> dict[str, tuple[nn.Module, Tensor]]:
    """Name -> network, and inputs for it."""
    x, tokens, images = torch.randn(4, 6), torch.randn(4, 3, 6), torch.randn(4, 2, 7, 6)
    made: dict[str, tuple[nn.Module, Tensor]] = {
        "u-net": (UNet(), images),
        "grouped": (
            image_network(nn.Conv2d(2, 6, 3), nn.Tanh(), nn.Conv2d(6, 3, 3, padding=1, groups=3)),
            images,
        ),
        "resnext": (
            image_network(
                nn.Conv2d(2, 4, 1),
                nn.Tanh(),
                nn.Conv2d(4, 6, (3, 2), stride=2, padding="valid", groups=2),
                nn.Tanh(),
                nn.Conv2d(6, 3, 1, groups=3, bias=False),
            ),
            images,
        ),
        "grouped conv1d": (
            nn.Sequential(nn.Conv1d(3, 4, 1), nn.Conv1d(4, 4, 3, groups=2), nn.Flatten()),
            tokens,
        ),
        "transposed conv1d": (
            nn.Sequential(nn.ConvTranspose1d(3, 2, 4, 2, 1, output_padding=1), nn.Flatten()),
            tokens,
        ),
        "transposed conv2d": (
            nn.Sequential(
                nn.ConvTranspose2d(2, 3, (3, 2), stride=(2, 3), padding=1, dilation=2),
                nn.Tanh(),
                nn.ConvTranspose2d(3, 1, 1, stride=2, bias=False),
                nn.Flatten(),
            ),
            images,
        ),
        "transposed conv3d": (
            nn.Sequential(nn.ConvTranspose3d(2, 2, 2, stride=(2, 1, 2)), nn.Flatten()),
            torch.randn(4, 2, 2, 3, 2),
        ),
        "heads": (Heads(), tokens),
        "experts": (Experts(), x),
        "flattened": (Flattened(), x),
        "seq2seq": (Seq2Seq(), torch.randint(9, (4, 5))),
        "decoder layer": (
            _Calls(nn.TransformerDecoderLayer(8, 2, 12, dropout=0.0, batch_first=True)),
            torch.randn(4, 5, 8),
        ),
        "transformer": (
            _Calls(nn.Transformer(8, 2, 1, 1, 12, dropout=0.0, batch_first=True)),
            torch.randn(4, 5, 8),
        ),
        "attention with other widths": (
            _Calls(nn.MultiheadAttention(8, 2, kdim=8, vdim=6, batch_first=True)),
            torch.randn(4, 5, 8),
        ),
        "attention with added keys": (
            _Calls(nn.MultiheadAttention(8, 2, add_bias_kv=True, batch_first=True)),
            torch.randn(4, 5, 8),
        ),
        "adapted": (Adapted(), x),
        "groups": (
            nn.Sequential(nn.Conv1d(3, 4, 1), Own(), nn.Conv1d(6, 1, 1), Groups()),
            torch.randn(4, 3, 9),
        ),
        "gpt": (Gpt(), torch.randint(11, (4, 6))),
        "llama": (Llama(), torch.randn(4, 5, 8)),
        "mixture": (Mixture(), x),
        "vit": (Vit(), images),
    }
    made["adapted"][0].get_parameter("base.weight").requires_grad_(False)
    return made
