"""Networks as they are traced, trained and measured: without wrappers, with plain weights."""

from __future__ import annotations

import warnings
from copy import deepcopy
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm
from torch.utils._pytree import tree_map_only

from lionheart_opt.errors import InputError


def plain_network(model: nn.Module) -> nn.Module:
    """The network without the wrappers of `torch.compile` and of data parallelism, in float32.

    Weights that are parametrised (weight norm, spectral norm, pruning, `torch.nn.utils.parametrize`)
    become plain ones with the values that they have in evaluation. A warning says so where weights
    change their precision or lose their parametrisation.

    Args:
        model: The network, left untouched. It is returned itself if there is nothing to change.

    Raises:
        InputError: Two parameters share memory without being the same parameter. A copy of the network
            would not have them tied. Or it has complex weights or weights without values, or is compiled
            by `torch.jit`.
    """
    _check_kind(model)
    _check_memory(model)
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
    return _folded(network)


def in_float32(example: Any) -> Any:
    """What a network is called with, its numbers in float32, as those of the network are."""

    def converted(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.float() if tensor.is_floating_point() else tensor

    return tree_map_only(torch.Tensor, converted, example)


def _check_kind(model: nn.Module) -> None:
    for path, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise InputError(
                f"module {path or type(model).__name__!r} is compiled by torch.jit, which hides its "
                "products; give the Python module that it was made of"
            )
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise InputError(
                f"the network's {name!r} has no values yet; call the network with an example first"
            )
        if parameter.is_complex():
            raise InputError(
                f"the network's {name!r} has complex numbers, which no target computes with; give real "
                "and imaginary parts as weights of their own"
            )


def _check_memory(model: nn.Module) -> None:
    spans: dict[int, list[tuple[int, int, str]]] = {}
    for name, parameter in model.named_parameters():
        if parameter.is_meta or parameter.numel() == 0:
            continue
        shape = zip(parameter.shape, parameter.stride(), strict=True)
        first = int(parameter.storage_offset())
        last = first + sum((size - 1) * int(step) for size, step in shape)
        others = spans.setdefault(parameter.untyped_storage().data_ptr(), [])
        for start, stop, other in others:
            if first <= stop and start <= last:
                raise InputError(
                    f"parameters {other!r} and {name!r} share memory, which copies of the network do not "
                    "keep; assign one parameter to both, or use it in forward"
                )
        others.append((first, last, name))


def _folded(network: nn.Module) -> nn.Module:
    """The network with plain weights in the place of parametrised ones."""
    parametrised = [path for path, module in network.named_modules() if _parametrised(module)]
    if not parametrised:
        return network
    warnings.warn(
        f"the weights of {', '.join(parametrised)} are parametrised; plain weights with the values that "
        "they have now take their place",
        stacklevel=3,
    )
    for path in parametrised:
        module = network.get_submodule(path)
        for hook in _computing_hooks(
            module
        ):  # torch copies no tensor that is the result of a function
            name = hook._tensor_name if isinstance(hook, BasePruningMethod) else hook.name
            setattr(module, name, getattr(module, name).detach())
    network = deepcopy(network)
    for path in parametrised:
        module = network.get_submodule(path)
        training = module.training
        module.eval()
        _fold(module)
        for hook in _computing_hooks(module):
            if isinstance(hook, BasePruningMethod):
                prune.remove(module, hook._tensor_name)  # type: ignore[no-untyped-call]
            elif isinstance(hook, WeightNorm):
                nn.utils.remove_weight_norm(module, hook.name)
            else:
                nn.utils.remove_spectral_norm(module, hook.name)
        module.train(training)
    return network


def _fold(module: nn.Module) -> None:
    """Replace the parametrisations of a module.

    torch's `remove_parametrizations` changes the class of the module, which copies share.
    """
    if not parametrize.is_parametrized(module):
        return
    assert isinstance(module.parametrizations, nn.ModuleDict)
    values = {name: getattr(module, name).detach().clone() for name in module.parametrizations}
    del module._modules["parametrizations"]
    module.__class__ = type(module).__bases__[0]
    for name, value in values.items():
        module.register_parameter(name, nn.Parameter(value))


def _parametrised(module: nn.Module) -> bool:
    return parametrize.is_parametrized(module) or bool(_computing_hooks(module))


def _computing_hooks(module: nn.Module) -> list[WeightNorm | SpectralNorm | BasePruningMethod]:
    """What computes weights before every pass, in the older of torch's two ways."""
    hooks = module._forward_pre_hooks.values()
    kinds = WeightNorm | SpectralNorm | BasePruningMethod
    return [hook for hook in hooks if isinstance(hook, kinds)]


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
