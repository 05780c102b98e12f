"""Functions as networks, and what holds for every traced workload."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lionheart_opt.workload import INPUT, Workload


class Lambda(nn.Module):
    """A function as a network, with modules that it may use."""

    def __init__(self, function: Callable[..., Any], **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, *args: Tensor, **kwargs: Tensor) -> Any:
        return self.function(self, *args, **kwargs)


def counted_macs(model: nn.Module, *example: Tensor) -> float:
    """MACs as torch's own counter finds them, on unfused operators."""
    torch.backends.mha.set_fastpath_enabled(False)
    counter = FlopCounterMode(display=False)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            model.eval()(*example)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return counter.get_total_flops() / 2


def kinds(workload: Workload) -> list[str]:
    return [layer.kind for layer in workload.layers]


def flow(workload: Workload) -> list[tuple[str, tuple[str, ...]]]:
    return [(layer.name, layer.inputs) for layer in workload.layers]


def check_consistency(workload: Workload) -> None:
    """What holds for every workload."""
    assert workload.layers
    produced = {INPUT}
    for layer in workload.layers:
        assert produced.issuperset(layer.inputs), "a layer reads what was computed before it"
        assert len(layer.inputs) == len(layer.input_shapes)
        produced.add(layer.name)
        if layer.mvm:
            assert layer.mvm.rows * layer.mvm.columns == layer.weight_count
            assert layer.mvm.rows * layer.mvm.columns * layer.mvm.count == layer.macs
            assert layer.mvm.columns * layer.mvm.count == layer.output_count
            assert layer.groups == 1
    for unit in workload.units:
        assert all(layer.weight_count for layer in workload.layers_of(unit))
    assert Workload.from_json(workload.to_json()) == workload
