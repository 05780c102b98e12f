"""Units of every size: projections, layers, blocks, patterns and named groups."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from made_up_networks import Bert, Flat, Wrapped
from torch import nn

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.granularity import with_units
from lionheart_opt.workload import Workload


def traced(model: nn.Module, *shape: int, **arguments: Any) -> Workload:
    return lo.trace(model, torch.randn(1, *shape), **arguments)


def units(workload: Workload) -> dict[str, int]:
    """Name of each unit -> number of its matrices."""
    return {unit.name: len(workload.paths_of(unit)) for unit in workload.units}


ENCODER = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Linear(8, 3))


def test_projections_are_units_as_traced() -> None:
    workload = traced(ENCODER, 5, 8)
    assert with_units(workload, "projections") == workload
    assert units(workload) == dict.fromkeys(
        [
            *(f"0.self_attn.{name}" for name in ("q_proj", "k_proj", "v_proj", "out_proj")),
            *("0.linear1", "0.linear2", "1"),
        ],
        1,
    )


def test_layers_hold_all_projections_of_an_attention() -> None:
    workload = with_units(traced(ENCODER, 5, 8), "layers")
    assert units(workload) == {
        "0.self_attn.in_proj": 3,
        "0.self_attn.out_proj": 1,
        "0.linear1": 1,
        "0.linear2": 1,
        "1": 1,
    }


def test_layers_hold_separate_projections_too() -> None:
    class Cross(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.MultiheadAttention(6, 2, kdim=4, vdim=5, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.mix(x, x[..., :4], x[..., :5])[0]
            return result

    workload = with_units(traced(Cross(), 5, 6), "layers")
    assert units(workload) == {"mix.in_proj": 3, "mix.out_proj": 1}


@pytest.mark.parametrize("size", ["layers", "blocks"])
def test_recurrent_layers_hold_both_directions(size: str) -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(5, 4, 2, bidirectional=True, proj_size=3, batch_first=True)
            self.cell = nn.GRUCell(6, 6)
            self.mix = Flat()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.mix(self.cell(self.lstm(x)[0][:, -1]))

    workload = with_units(traced(Recurrent(), 5, 5), size)  # type: ignore[arg-type]
    assert list(units(workload).items())[:3] == [("lstm.l0", 6), ("lstm.l1", 6), ("cell", 2)]


def test_a_recurrent_network_by_itself() -> None:
    assert units(with_units(traced(nn.GRU(5, 4, 2), 5, 5), "layers")) == {"l0": 2, "l1": 2}
    assert units(with_units(traced(nn.GRUCell(5, 4), 5), "layers")) == {"cell": 2}


def test_residual_blocks_of_resnets_hold_their_shortcuts() -> None:
    workload = with_units(lo.trace("resnet8"), "blocks")
    assert units(workload) == {"conv1": 1, "layer1.0": 2, "layer2.0": 3, "layer3.0": 3, "fc": 1}
    assert workload.macs == lo.trace("resnet8").macs


def test_encoder_blocks_hold_attention_and_feed_forward_network() -> None:
    """The additions are in submodules of the block."""
    workload = with_units(lo.trace(Bert(), torch.randint(9, (1, 4))), "blocks")
    assert units(workload) == {"layer.0": 6, "layer.1": 6, "pooler": 1}


def test_decoder_blocks_hold_what_reads_the_encoder() -> None:
    model = nn.Transformer(8, 2, 1, 2, 16, dropout=0.0, batch_first=True)
    workload = with_units(lo.trace(model, (torch.randn(1, 5, 8), torch.randn(1, 3, 8))), "blocks")
    assert units(workload) == {
        "encoder.layers.0": 6,
        "decoder.layers.0": 10,
        "decoder.layers.1": 10,
    }


def test_additions_in_the_network_itself_make_blocks_of_their_own() -> None:
    assert units(with_units(traced(Flat(), 6), "blocks")) == {"fc1 to fc2": 2, "fc3": 1, "head": 1}
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert units(with_units(traced(encoder, 5, 8), "blocks")) == {
        "self_attn": 4,
        "linear1 to linear2": 2,
    }


def test_elements_of_a_list_that_the_network_adds_are_blocks() -> None:
    workload = with_units(traced(Wrapped(), 6), "blocks")
    assert units(workload) == {"inner.layers.0": 2, "inner.layers.1": 2, "inner.head": 1}


def test_an_addition_over_several_blocks_makes_none() -> None:
    class Skip(Wrapped):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :2] + super().forward(x)

    workload = with_units(traced(Skip(), 6), "blocks")
    assert units(workload) == {"inner.layers.0": 2, "inner.layers.1": 2, "inner.head": 1}


def test_patterns_are_units_each() -> None:
    workload = with_units(lo.trace("resnet8"), ["layer[12].*", "layer3.0.conv?"])
    assert units(workload) == {
        "conv1": 1,
        "layer[12].*": 5,
        "layer3.0.conv?": 2,
        "layer3.0.downsample.0": 1,
        "fc": 1,
    }
    named = with_units(lo.trace("resnet8"), {"ends": ["conv1", "f*"]})
    assert units(named)["ends"] == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("block", 'units: got .*block.*; must be "projections", "layers", "blocks", a list of'),
        (["layer9.*"], "units: .*layer9.*: unknown unit"),
        ({"head": ["fc", "9"]}, "units: .*head.*: unknown unit '9'"),
        (["layer1.*", "layer1.0.conv1"], "'layer1.0.conv1' is in groups"),
        ({"fc": ["conv1"]}, "units: group 'fc': that is the name of a unit outside the group"),
    ],
)
def test_what_names_no_units_is_refused(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_units(lo.trace("resnet8"), given)


def test_a_network_without_blocks_is_refused() -> None:
    with pytest.raises(InputError, match='no residual or encoder block; use "layers"'):
        with_units(traced(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), 4), "blocks")


def test_groups_must_have_names_and_members() -> None:
    workload = lo.trace("resnet8")
    assert with_units(workload, {}) == with_units(workload, []) == workload
