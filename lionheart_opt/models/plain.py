"""Networks as they are traced, trained and measured: without wrappers, in single precision."""

from __future__ import annotations

import warnings
from copy import deepcopy

import torch
from torch import nn


def plain_network(model: nn.Module) -> nn.Module:
    """The network without the wrappers of `torch.compile` and of data parallelism, in float32.

    A warning says so where weights of another precision are converted.

    Args:
        model: The network, left untouched. It is returned itself if there is nothing to change.
    """
    network = _unwrapped(model)
    if any(_unwrapped(module) is not module for module in network.modules()):
        network = deepcopy(network)
        for module in list(network.modules()):
            for name, child in module.named_children():
                setattr(module, name, _unwrapped(child))
    tensors = (*network.parameters(), *network.buffers())
    types = {str(tensor.dtype) for tensor in tensors if tensor.is_floating_point()}
    types -= {str(torch.float32)}
    if types:
        warnings.warn(
            f"the network has weights of {', '.join(sorted(types))}; it is computed in float32",
            stacklevel=2,
        )
        network = deepcopy(network).float()
    return network


def _unwrapped(module: nn.Module) -> nn.Module:
    """What a wrapper holds; other modules as they are."""
    while True:
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = module.module
        elif type(module).__name__ == "OptimizedModule":  # its class is slow to import
            inner = module._orig_mod
        else:
            return module
        assert isinstance(inner, nn.Module)
        module = inner
