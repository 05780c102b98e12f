"""Functions as networks, and what holds for every traced workload."""

from collections.abc import Callable
from math import prod
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


def _of_dot(a: torch.Size, _b: torch.Size, **_: Any) -> int:
    return 2 * prod(a)  # each element of the matrix, or of the one vector


def _of_addmv(_bias: torch.Size, matrix: torch.Size, _vector: torch.Size, **_: Any) -> int:
    return 2 * prod(matrix)


def _of_addbmm(_bias: torch.Size, a: torch.Size, b: torch.Size, **_: Any) -> int:
    return 2 * prod(a) * b[-1]


#: Products for which torch's counter has no formula.
_NOT_COUNTED_BY_TORCH = {
    torch.ops.aten.mv: _of_dot,
    torch.ops.aten.dot: _of_dot,
    torch.ops.aten.vdot: _of_dot,
    torch.ops.aten.addmv: _of_addmv,
    torch.ops.aten.addbmm: _of_addbmm,
}


def counted_macs(model: nn.Module, *example: Tensor) -> float:
    """MACs as torch's own counter finds them, on unfused operators."""
    torch.backends.mha.set_fastpath_enabled(False)
    mkldnn, torch.backends.mkldnn.enabled = torch.backends.mkldnn.enabled, False  # type: ignore[assignment]
    counter = FlopCounterMode(display=False, custom_mapping=_NOT_COUNTED_BY_TORCH)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            model.eval()(*example)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
        torch.backends.mkldnn.enabled = mkldnn
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
            # a block for each group, and zeros elsewhere
            cells = layer.mvm.rows * layer.mvm.columns
            assert cells == layer.weight_count * layer.groups
            assert cells * layer.mvm.count == layer.macs * layer.groups
            if "transpose" not in layer.kind:
                assert layer.mvm.columns * layer.mvm.count == layer.output_count
    for unit in workload.units:
        assert all(layer.weight_count for layer in workload.layers_of(unit))
    assert Workload.from_json(workload.to_json()) == workload
