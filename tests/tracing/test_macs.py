"""MACs of the networks of the zoo and of the tests, and of all products, against torch's counter."""

from collections.abc import Callable
from typing import Any

import counting_oracle
import own_plugins
import pytest
import torch
from oracle_setup import SmallNetwork
from torch import Tensor, nn
from torch.nn import functional
from traced import Lambda, check_consistency, counted_macs

from lionheart_opt import models
from lionheart_opt.tracing import trace, trace_model
from lionheart_opt.workload import Workload


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


class With(nn.Module):
    """A function with parameters of its own, as a network."""

    def __init__(self, function: Callable[..., Tensor], **parameters: Tensor) -> None:
        super().__init__()
        self.function = function
        for name, tensor in parameters.items():
            self.register_parameter(name, nn.Parameter(tensor))

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(self, *inputs)


def loop(cell: nn.RNNCellBase) -> nn.Module:
    """A cell that is run over a sequence, from a state that it makes itself."""

    def forward(self: Any, x: Tensor) -> Any:
        state = None
        for step in range(x.shape[1]):
            state = self.cell(x[:, step], state)
        return state

    return Lambda(forward, cell=cell)


def own_cell(start: Callable[[Tensor], Tensor]) -> nn.Module:
    """A recurrent network of bare parameters, with a state of 5 elements."""

    def forward(self: Any, x: Tensor) -> Tensor:
        state = start(x)
        for step in range(x.shape[1]):
            state = torch.tanh(torch.addmm(self.bias, x[:, step], self.inwards) + state @ self.back)
        return state

    return With(forward, inwards=drawn(4, 5), back=drawn(5, 5), bias=drawn(5))


def attention(**settings: Any) -> nn.Module:
    module = nn.MultiheadAttention(8, 2, batch_first=True, **settings)
    return Lambda(lambda self, q, k: self.attention(q, k, k)[0], attention=module)


def learned_queries() -> nn.Module:
    module = nn.MultiheadAttention(8, 2, batch_first=True)
    network = Lambda(lambda self, x: self.attention(self.queries, x, x)[0], attention=module)
    network.queries = nn.Parameter(drawn(1, 3, 8))
    return network


def einsum(equation: str, *weight: int) -> nn.Module:
    return With(lambda self, *x: torch.einsum(equation, *x, self.weight), weight=drawn(*weight))


def sdpa(**settings: Any) -> nn.Module:
    return Lambda(lambda _, q, k, v: functional.scaled_dot_product_attention(q, k, v, **settings))


#: Network and inputs.
NETWORKS: dict[str, tuple[nn.Module, *tuple[Tensor, ...]]] = {
    # networks of other tests
    "small": (SmallNetwork(), drawn(1, 1, 8, 8)),
    "own": (own_plugins.network(), drawn(1, 4, 4)),
    "attends": (own_plugins.Attends(), drawn(1, 1, 4, 4)),
    "deep": (counting_oracle.deep(), drawn(1, 8)),
    "volumes": (nn.Sequential(nn.Conv3d(1, 4, (2, 3, 3)), nn.Flatten()), drawn(1, 1, 2, 6, 6)),
    # recurrent networks
    "lstm-cell": (loop(nn.LSTMCell(4, 5)), drawn(1, 3, 4)),
    "gru-cell": (loop(nn.GRUCell(4, 5)), drawn(1, 3, 4)),
    "rnn-cell": (loop(nn.RNNCell(4, 5, bias=False)), drawn(1, 3, 4)),
    "one-step": (loop(nn.LSTMCell(4, 5)), drawn(1, 1, 4)),
    "own-cell": (own_cell(lambda x: torch.zeros(1, 5)), drawn(1, 3, 4)),
    "own-cell-of-new-zeros": (own_cell(lambda x: x.new_zeros(1, 5)), drawn(1, 3, 4)),
    "lstm": (nn.LSTM(4, 5, 2, bidirectional=True, batch_first=True), drawn(1, 3, 4)),
    "lstm-projected": (nn.LSTM(4, 5, proj_size=2, batch_first=True), drawn(1, 3, 4)),
    "gru": (nn.GRU(4, 5, 2, bidirectional=True, batch_first=True), drawn(1, 3, 4)),
    "rnn": (nn.RNN(4, 5, nonlinearity="relu", batch_first=True), drawn(1, 3, 4)),
    # transformers
    "encoder": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), drawn(1, 5, 8)),
    "encoder-relu-first": (
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True),
        drawn(1, 5, 8),
    ),
    "transformer": (
        nn.Transformer(8, 2, 1, 1, 16, batch_first=True),
        drawn(1, 5, 8),
        drawn(1, 3, 8),
    ),
    "attention": (attention(), drawn(1, 5, 8), drawn(1, 3, 8)),
    "attention-of-other-widths": (attention(kdim=6, vdim=6), drawn(1, 5, 8), drawn(1, 3, 6)),
    "attention-with-constant-keys": (
        attention(add_bias_kv=True, add_zero_attn=True),
        drawn(1, 5, 8),
        drawn(1, 3, 8),
    ),
    "learned-queries": (learned_queries(), drawn(1, 5, 8)),
    "sdpa": (sdpa(), drawn(1, 2, 5, 4), drawn(1, 2, 7, 4), drawn(1, 2, 7, 3)),
    "sdpa-causal": (sdpa(is_causal=True), *[drawn(1, 2, 5, 4)] * 3),
    "sdpa-masked": (sdpa(attn_mask=torch.ones(5, 5).tril().bool()), *[drawn(1, 2, 5, 4)] * 3),
    "sdpa-grouped": (sdpa(enable_gqa=True), drawn(1, 4, 5, 4), *[drawn(1, 2, 5, 4)] * 2),
    # convolutions
    "conv1d-grouped": (nn.Conv1d(4, 6, 3, groups=2, dilation=2), drawn(1, 4, 9)),
    "conv2d-reflect": (
        nn.Conv2d(4, 6, (2, 4), padding="same", padding_mode="reflect"),
        drawn(1, 4, 9, 9),
    ),
    "conv3d-grouped": (nn.Conv3d(4, 6, 2, groups=2), drawn(1, 4, 3, 3, 3)),
    "conv2d-unbatched": (
        Lambda(lambda self, x: self.c(x[0])[None], c=nn.Conv2d(4, 6, 3)),
        drawn(1, 4, 6, 6),
    ),
    "conv2d-dynamic": (
        Lambda(lambda _, x, weight: functional.conv2d(x, weight.view(2, 4, 3, 3))),
        drawn(1, 4, 6, 6),
        drawn(1, 72),
    ),
    "transposed-1d": (nn.ConvTranspose1d(4, 6, 3, stride=2, output_padding=1), drawn(1, 4, 5)),
    "transposed-2d-grouped": (nn.ConvTranspose2d(4, 6, 3, groups=2, padding=1), drawn(1, 4, 5, 5)),
    "transposed-2d-depthwise": (nn.ConvTranspose2d(4, 4, 3, groups=4), drawn(1, 4, 5, 5)),
    "transposed-3d": (nn.ConvTranspose3d(4, 6, 3, groups=2), drawn(1, 4, 3, 3, 3)),
    # products
    "linear": (With(lambda self, x: functional.linear(x, self.w), w=drawn(5, 4)), drawn(1, 3, 4)),
    "addmm": (
        With(lambda self, x: torch.addmm(x[:, :3], x, self.w, beta=2), w=drawn(4, 3)),
        drawn(1, 4),
    ),
    "addmv": (
        With(lambda self, x: torch.addmv(self.b, self.w, x[0])[None], w=drawn(5, 4), b=drawn(5)),
        drawn(1, 4),
    ),
    "addbmm": (
        Lambda(lambda _, a, b: torch.addbmm(a[0, :, :1], a[0][None].expand(2, 3, 4), b[0])[None]),
        drawn(1, 3, 4),
        drawn(1, 2, 4, 5),
    ),
    "baddbmm": (
        With(
            lambda self, x: torch.baddbmm(self.b, x.expand(2, 5, 4), self.w)[None],
            w=drawn(2, 4, 3),
            b=drawn(2, 1, 3),
        ),
        drawn(1, 5, 4),
    ),
    "mv": (With(lambda self, x: (self.w @ x[0])[None], w=drawn(5, 4)), drawn(1, 4)),
    "vector": (With(lambda self, x: x @ self.w, w=drawn(4)), drawn(1, 3, 4)),
    "vector-left": (With(lambda self, x: self.w @ x, w=drawn(3)), drawn(1, 3, 4)),
    "dot": (With(lambda self, x: (x[0] @ self.w)[None], w=drawn(4)), drawn(1, 4)),
    "vdot": (With(lambda self, x: torch.vdot(self.w, x[0])[None], w=drawn(4)), drawn(1, 4)),
    "inner": (With(lambda self, x: torch.inner(x, self.w), w=drawn(5, 4)), drawn(1, 3, 4)),
    "tensordot": (
        With(lambda self, x: torch.tensordot(x, self.w), w=drawn(3, 4, 5)),
        drawn(1, 3, 4),
    ),
    "chain": (
        With(
            lambda self, x: torch.linalg.multi_dot([x, self.v, self.w]),
            v=drawn(4, 5),
            w=drawn(5, 2),
        ),
        drawn(1, 4),
    ),
    "broadcast": (With(lambda self, x: x @ self.w, w=drawn(3, 4, 5)), drawn(1, 1, 2, 4)),
    "vmap": (
        With(lambda self, x: torch.vmap(lambda w: x @ w)(self.w).sum(0), w=drawn(3, 4, 4)),
        drawn(1, 4),
    ),
    "einsum-heads": (einsum("btd,dhk->bhtk", 4, 2, 3), drawn(1, 5, 4)),
    "einsum-back": (einsum("bhtk,hkd->btd", 2, 3, 4), drawn(1, 2, 5, 3)),
    "einsum-of-three": (einsum("bi,bj,oij->bo", 5, 3, 4), drawn(1, 3), drawn(1, 4)),
    "einsum-of-activations": (
        Lambda(lambda _, a, b: torch.einsum("bqhd,bkhd->bhqk", a, b)),
        drawn(1, 5, 2, 3),
        drawn(1, 6, 2, 3),
    ),
    "embedding": (nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 2)), torch.tensor([[1, 2, 3]])),
    "embedding-bag": (
        nn.Sequential(nn.EmbeddingBag(7, 4), nn.Linear(4, 2)),
        torch.tensor([[1, 2, 3]]),
    ),
}


@pytest.mark.parametrize("name", models.available())
def test_every_network_of_the_zoo(name: str) -> None:
    with torch.device("meta"):
        counted = counted_macs(models.build(name), torch.zeros(1, *models.input_shape(name)))
    workload = trace_model(name)
    check_consistency(workload)
    assert workload.macs == counted > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_of_network(name: str) -> None:
    network, *inputs = NETWORKS[name]
    workload = trace(network, tuple(inputs), name)
    check_consistency(workload)
    assert workload.macs == counted_macs(network, *inputs) > 0


# --- by hand --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cell", "gates"), [(nn.LSTMCell, 4), (nn.GRUCell, 3), (nn.RNNCell, 1)])
def test_the_first_step_of_a_cell_multiplies_its_state(
    cell: type[nn.RNNCellBase], gates: int
) -> None:
    workload = trace(loop(cell(4, 5)), drawn(1, 3, 4), "cell")
    assert {unit.name: workload.unit_macs(unit) for unit in workload.units} == {
        "cell.weight_hh": 3 * gates * 5 * 5,
        "cell.weight_ih": 3 * gates * 5 * 4,
    }


def workload_of(module: nn.Module, *inputs: Tensor) -> Workload:
    forward = Lambda(lambda self, *x, **named: self.module(*x, **named), module=module)
    return trace(forward, tuple(inputs), "net")


def test_a_bilinear_module_multiplies_every_pair_of_inputs() -> None:
    workload = workload_of(nn.Bilinear(3, 4, 5), drawn(1, 2, 3), drawn(1, 2, 4))
    [layer] = workload.layers
    assert (layer.name, layer.kind, layer.mvm) == ("module", "bilinear", None)
    assert layer.macs == 2 * 5 * 3 * 4, "two pairs of vectors"
    assert (layer.weight_count, layer.bias_count) == (60, 5)
    [unit] = workload.units
    assert workload.paths_of(unit) == ("module",)
    assert workload.crossbar_units == ()


def test_a_weighted_sum_of_embeddings_has_macs() -> None:
    bag = nn.EmbeddingBag(7, 4, mode="sum")
    network = Lambda(lambda self, ids, weights: self.bag(ids, per_sample_weights=weights), bag=bag)
    workload = trace(network, (torch.tensor([[1, 2, 3]]), drawn(1, 3)), "bag")
    assert [(layer.kind, layer.macs) for layer in workload.layers] == [("embedding_bag", 12)]


def test_weights_that_are_computed_from_weights_are_no_layers() -> None:
    """A deployment computes them once, although they are products with parameters."""
    low_rank = With(
        lambda self, x: x @ (self.w + self.b @ self.a), w=drawn(4, 4), a=drawn(2, 4), b=drawn(4, 2)
    )
    workload = trace(low_rank, drawn(1, 4), "low-rank")
    assert [layer.macs for layer in workload.layers] == [16]
    normalised = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3))
    workload = trace(normalised, drawn(1, 4), "spectral norm")
    assert [layer.macs for layer in workload.layers] == [12]


def test_a_filter_that_the_network_computes_is_no_unit() -> None:
    network, *inputs = NETWORKS["conv2d-dynamic"]
    workload = trace(network, tuple(inputs), "dynamic")
    [layer] = workload.layers
    assert (layer.kind, layer.macs, layer.mvm) == ("conv2d", 16 * 2 * 36, None)
    assert workload.units == ()
