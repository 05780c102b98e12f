"""A traced workload names layers after modules, and has one unit for each weight matrix."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from traced import Lambda, check_consistency, counted_macs, flow, kinds

from lionheart_opt import models
from lionheart_opt.tracing import trace
from lionheart_opt.workload import INPUT, Mvm

# --- names and units -----------------------------------------------------------------------------


def test_names_follow_modules() -> None:
    block = Lambda(lambda self, x: torch.relu(self.fc(x)) + torch.relu(x), fc=nn.Linear(2, 2))
    swish = Lambda(lambda _, x: x * torch.sigmoid(x))
    model = nn.Sequential(block, nn.ModuleDict({"relu": nn.ReLU()})["relu"], swish)
    workload = trace(model, torch.randn(1, 2), "names")
    assert [(layer.name, layer.module) for layer in workload.layers] == [
        ("0.fc", "0.fc"),
        ("0.relu", "0"),
        ("0.relu_2", "0"),
        ("0.add", "0"),
        ("1", "1"),  # the only operation of its module
        ("2.sigmoid", "2"),
        ("2.mul", "2"),
    ]
    assert [unit.name for unit in workload.units] == ["0.fc"]


def test_names_never_collide() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        return self.relu(torch.relu(self.get_submodule("relu_2")(self.input(x))))

    model = Lambda(forward, input=nn.Linear(2, 2), relu=nn.ReLU(), relu_2=nn.Tanh())
    workload = trace(model, torch.randn(1, 2), "names")
    assert [layer.name for layer in workload.layers] == ["input_2", "relu_2", "relu", "relu_3"]
    assert workload.layer("input_2").module == "input"


def test_a_module_called_twice_is_one_unit_of_two_layers() -> None:
    fc = nn.Linear(3, 3)
    model = Lambda(lambda self, x: self.b(torch.relu(self.a(x))), a=fc, b=fc)
    workload = trace(model, torch.randn(1, 3), "shared")
    [unit] = workload.units
    assert (unit.name, unit.layers) == ("a", ("a", "a_2"))
    assert workload.paths_of(unit) == ("a",)
    assert workload.unit_macs(unit) == 18 and workload.weight_count == 9


def test_grouped_units() -> None:
    workload = trace(models.build("resnet8"), torch.randn(1, 3, 32, 32), "resnet8")
    grouped = workload.grouped({"ends": ["conv1", "fc"]})
    assert [unit.name for unit in grouped.units].count("ends") == 1
    assert len(grouped.units) == len(workload.units) - 1
    assert grouped.weight_count == workload.weight_count and grouped.layers == workload.layers


class OwnProjection(nn.Module):
    """A module with its weight stored the other way round."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 6))
        self.bias = nn.Parameter(torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x.view(-1, 4), self.weight)


class BareParameters(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.projection = OwnProjection()
        self.gate_weight = nn.Parameter(torch.randn(6, 6))
        self.mix = nn.Parameter(torch.randn(2, 5))
        self.per_head = nn.Parameter(torch.randn(5, 3, 3))
        self.register_buffer("basis", torch.randn(3, 3))

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.linear(self.projection(x), self.gate_weight)
        hidden = hidden @ self.gate_weight.t() @ self.gate_weight
        hidden = (self.mix @ hidden).view(1, 2, 6)
        heads = hidden.view(1, 4, 3).expand(5, -1, -1) @ self.per_head
        return torch.einsum("hij,jk->hik", heads, self.basis)


def test_weights_that_are_bare_parameters() -> None:
    workload = trace(BareParameters(), torch.randn(1, 5, 4), "bare")
    check_consistency(workload)
    assert [(unit.name, unit.layers, workload.paths_of(unit)) for unit in workload.units] == [
        ("projection", ("projection",), ("projection.weight.T",)),
        ("gate", ("gate", "gate_2"), ("gate_weight",)),
        ("mix", ("mix",), ("mix",)),
        ("per_head", ("per_head",), ("per_head",)),
    ]
    assert workload.layer("projection").mvm == Mvm(rows=4, columns=6, count=5)
    assert workload.layer("projection").bias_count == 6
    assert workload.layer("mix").mvm == Mvm(rows=5, columns=2, count=6), "the weight is on the left"
    per_head = workload.layer("per_head")
    assert (per_head.kind, per_head.mvm, per_head.weight_count) == ("matmul", None, 45)
    transposed, buffer = workload.layer("linear"), workload.layer("linear_2")
    assert (transposed.mvm, transposed.macs) == (None, 5 * 36), "the host has a copy of it"
    assert buffer.weight_count == 9, "a buffer is a weight, but no unit"
    assert workload.macs == counted_macs(BareParameters(), torch.randn(1, 5, 4))


def test_subclasses_and_reparametrised_weights_are_units_of_their_module() -> None:
    class SamePadding(nn.Conv2d):
        def forward(self, input: Tensor) -> Tensor:
            return functional.conv2d(functional.pad(input, (1, 1, 1, 1)), self.weight, self.bias)

    model = nn.Sequential(
        SamePadding(2, 4, 3),
        nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 1)),
        nn.Flatten(),
        nn.utils.parametrizations.spectral_norm(nn.Linear(64, 3)),
    )
    workload = trace(model, torch.randn(1, 2, 4, 4), "reparametrised")
    assert flow(workload) == [("0.pad", (INPUT,)), ("0", ("0.pad",)), ("1", ("0",)), ("3", ("1",))]
    assert workload.weight_count == 72 + 16 + 192


def test_tied_embedding() -> None:
    embedding, head = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
    head.weight = embedding.weight
    model = Lambda(lambda self, ids: self.head(self.embedding(ids)), embedding=embedding, head=head)
    workload = trace(model, torch.tensor([[1, 5, 2]]), "tied")
    assert kinds(workload) == ["embedding", "linear"]
    [unit] = workload.units
    assert unit.name == "head" and workload.paths_of(unit) == ("head",)
    assert workload.layer("embedding").weight_count == 28


# --- transformers and recurrent networks ---------------------------------------------------------


@pytest.mark.parametrize("need_weights", [True, False])
def test_attention_by_hand(need_weights: bool) -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    model = Lambda(
        lambda self, x: self.attention(x, x, x, need_weights=need_weights)[0], attention=attention
    )
    workload = trace(model, torch.randn(1, 5, 8), "attention")
    check_consistency(workload)
    macs = {layer.name: layer.macs for layer in workload.layers if layer.macs}
    assert macs == {
        "attention.q_proj": 5 * 8 * 8,
        "attention.k_proj": 5 * 8 * 8,
        "attention.v_proj": 5 * 8 * 8,
        "attention.matmul": 2 * 5 * 5 * 4,
        "attention.matmul_2": 2 * 5 * 5 * 4,
        "attention.out_proj": 5 * 8 * 8,
    }
    assert "softmax" in kinds(workload)
    assert [unit.name for unit in workload.crossbar_units] == [
        "attention.q_proj",
        "attention.k_proj",
        "attention.v_proj",
        "attention.out_proj",
    ]
    assert workload.layer("attention.k_proj").module == "attention.in_proj_weight[8:16]"
    assert workload.layer("attention.k_proj").bias_count == 8
    scores = workload.layer("attention.matmul")
    assert scores.mvm is None and scores.weight_count == 0 and scores.name not in workload.unit_of


def test_cross_attention_projects_with_parts_of_one_parameter() -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    model = Lambda(lambda self, x, y: self.attention(x, y, y)[0], attention=attention)
    workload = trace(model, (torch.randn(1, 5, 8), torch.randn(1, 3, 8)), "cross")
    check_consistency(workload)
    modules = [workload.paths_of(unit) for unit in workload.units]
    assert modules == [
        ("attention.in_proj_weight[0:8]",),
        ("attention.in_proj_weight[8:16]",),
        ("attention.in_proj_weight[16:24]",),
        ("attention.out_proj",),
    ]
    assert workload.weight_count == 4 * 64


@pytest.mark.parametrize("norm_first", [True, False])
def test_transformer_encoder_layer(norm_first: bool) -> None:
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=norm_first)
    example = torch.randn(1, 6, 8)
    workload = trace(model, example, "encoder")
    check_consistency(workload)
    assert (
        workload.macs == counted_macs(model, example) == 6 * (8 * 24 + 64 + 2 * 128) + 2 * 6 * 6 * 8
    )
    assert workload.weight_count == 8 * 24 + 64 + 2 * 128
    assert kinds(workload).count("layer_norm") == 2 and kinds(workload).count("add") == 2


def test_causal_attention_is_its_products_mask_and_softmax() -> None:
    def forward(_: nn.Module, x: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(x, x, x, is_causal=True)

    workload = trace(Lambda(forward), torch.randn(1, 2, 5, 4), "causal")
    assert kinds(workload) == ["mul", "mul", "matmul", "add", "softmax", "matmul"]
    assert workload.macs == 2 * 2 * 5 * 5 * 4


@pytest.mark.parametrize("cell, gates", [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_networks_step_by_step(cell: type[nn.RNNBase], gates: int) -> None:
    workload = trace(cell(4, 3, batch_first=True), torch.randn(1, 5, 4), "recurrent")
    check_consistency(workload)
    units = {unit.name: workload.unit_macs(unit) for unit in workload.units}
    assert units == {"weight_ih_l0": 5 * gates * 3 * 4, "weight_hh_l0": 5 * gates * 3 * 3}
    assert workload.weight_count == gates * 3 * (4 + 3)


def test_uses_of_a_parameter_of_several_dimensions_are_told_apart() -> None:
    """One equation uses a view of it, which is no copy that only that equation has."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 2, 2))

        def forward(self, x: Tensor) -> Tensor:
            h = torch.einsum("bd,dhe->bhe", x, self.weight).flatten(1)
            y = torch.einsum("bd,dhe->bhe", h, self.weight).flatten(1)
            return y + torch.einsum("bhe,dhe->bd", h.view(-1, 2, 2), self.weight)

    workload = trace(Twice(), torch.randn(1, 4), "twice")
    [unit] = workload.units
    assert workload.paths_of(unit) == ("weight.T",) and len(unit.layers) == 2
    [other] = [layer for layer in workload.layers if layer.macs and layer.name not in unit.layers]
    assert other.mvm is None, "the other way round"


@pytest.mark.parametrize("equation", ["bto,co", "bto,co->bct", "bto,co->cbt"])
def test_equations_with_a_matrix_are_products_with_it(equation: str) -> None:
    class Equation(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 5))

        def forward(self, x: Tensor) -> Tensor:
            return torch.einsum(equation, x, self.weight)

    workload = trace(Equation(), torch.randn(1, 4, 5), "equation")
    check_consistency(workload)
    [layer] = workload.layers
    assert (layer.module, layer.macs) == ("", 60) and workload.crossbar_units
