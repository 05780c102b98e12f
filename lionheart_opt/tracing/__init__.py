"""Any torch model and an example -> `Workload`, operator by operator.

The model is run once on the example, and every ATen operator that computes or copies becomes a layer.
Views (reshape, transpose, slice, expand, ...) are not layers, nor are dropout at inference and operators
that no input reaches, such as masks and the re-parametrisation of weights, which a deployment computes
once. Products with a weight that activations use too are layers all the same: the first step of a
recurrent network multiplies a state of zeros.

Kinds of layers:

- `conv1d`, `conv2d`, `conv3d`, `grouped_conv2d`, `depthwise_conv2d`, `conv_transpose2d`, ...
- `linear`: product with a weight matrix. `matmul`: product of two activations, or of activations
  with a matrix for each batch or head. `bilinear`: form of two activations.
- `max_pool2d`, `avg_pool2d`, ...: also adaptive pools, with their largest window as kernel.
- `batch_norm`, `layer_norm`, `group_norm`, `instance_norm`, `rms_norm`, `local_response_norm`. Layer
  and RMS norms that are written out are one of them, too (see `norms.py`).
- `relu`, `relu6`, `gelu`, `silu`, `sigmoid`, `tanh`, `softmax`, ...: activation functions.
- `add`, `sub`, `mul`, `div`, `mean`, `sum`, `cat`, `pad`, `embedding`, ...: their ATen names.
- `copy`: `contiguous`, `clone`, a change of type, or a write into part of another tensor.

An operator in place has the kind of its counterpart (`relu_` is `relu`). Scaled-dot-product attention
becomes its two products, the scaling of both operands, the mask and the softmax; recurrent modules become
their products and gates, step by step. An operator that `operators.py` does not know keeps its ATen name
and has no MACs: cost models refuse the kinds that they do not know.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_map_only

from lionheart_opt import models
from lionheart_opt.errors import InputError
from lionheart_opt.models.memory import limited_memory
from lionheart_opt.models.torch_state import usual_torch
from lionheart_opt.own_errors import own_error
from lionheart_opt.text import shown
from lionheart_opt.tracing.tracer import Exits, GuardedTracer, Tracer, tensors_of
from lionheart_opt.workload import Workload

#: A network of the zoo that has no more weights, with an input of no more numbers, is run to trace it.
SMALL_WEIGHTS, SMALL_INPUT = 20_000_000, 200_000

Example = Tensor | tuple[Tensor, ...] | dict[str, Tensor]


@usual_torch(keeps_device=True)
def trace(model: nn.Module, example: Example, name: str) -> Workload:
    """The workload of one inference.

    Layers are named after the module that runs them. The only operation of a module has the module's
    path; others have the path and their kind (`stage1.0.add`). Repeated names get `_2`, `_3`. Every
    weight matrix is a unit, whatever multiplies with it, and tied weights are one. Its name is the path
    of the module that runs it first, or, where a function is called with a bare parameter, that of the
    parameter. Query, key and value of torch's attention are three (`attention.q_proj`). A product with a
    matrix that a unit has the other way round is left to the host, which then has a copy of the weights.

    A single inference needs no padding, so no token of the example counts as padding: the workload does
    not depend on the length of a text that was padded. Networks of Hugging Face then leave masks out.

    Args:
        model: The network. It is not changed: a copy runs, in evaluation mode.
        example: What the model is called with: a tensor, positional or keyword arguments. The first
            dimension of each tensor is the batch, which must be 1. Keyword arguments whose names end in
            `attention_mask` say which tokens are padding, as those of Hugging Face do.
        name: Name of the workload.

    Raises:
        InputError: The batch is not 1, the model fails on the example, or its data flow leaves torch
            (for NumPy, say) and cannot be followed.
    """
    examples = tensors_of(example)
    for tensor in examples:
        if tensor.ndim == 0 or tensor.shape[0] != 1:
            raise InputError(
                f"{name}: an example of shape {tuple(tensor.shape)}; "
                "its first dimension is the batch, which must be 1"
            )
    shapes = " and ".join(str(tuple(tensor.shape)) for tensor in examples)
    try:
        used = frozenset[str]()
        tracer, results = _run(model, example, name, used)
        while tracer.used != used:  # once more, with the products that were left out
            used = tracer.used
            tracer, results = _run(model, example, name, used)
    except InputError:
        raise
    except Exception as error:
        what = f"{name}: cannot be traced with an example of shape {shapes}"
        raise own_error(error, what) from error
    if not tracer.records or (results and not tracer.flow.depends(results)):
        raise InputError(f"{name}: no operator leads from its input to its output")
    return tracer.workload()


def trace_model(
    name: str, input_shape: tuple[int, ...] | None = None, **arguments: Any
) -> Workload:
    """The workload of a network of the zoo, or of `package.module:factory`.

    Args:
        name: A name of `models.available()`, or `package.module:factory`.
        input_shape: Shape of a float32 input without the batch; None is the zoo's own.
        arguments: Keyword arguments of the factory.

    Raises:
        InputError: There is no such network or argument, or the network cannot be traced.
    """
    shape = models.input_shape(name) if input_shape is None else input_shape
    # for the networks of the zoo shapes are enough, which take no memory, but a second to load
    with torch.device("meta"):
        is_small = ":" in name or _is_small(models.build_seeded(name, arguments), shape)
    with torch.device("cpu" if is_small else "meta"):
        return trace(models.build_seeded(name, arguments), example_of(shape), name)


def _is_small(model: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether an inference takes a moment."""
    n_weights = sum(parameter.numel() for parameter in model.parameters())
    return n_weights <= SMALL_WEIGHTS and prod(shape) <= SMALL_INPUT


def example_of(shape: tuple[int, ...]) -> Tensor:
    """A float32 example of a network's input: zeros of this shape, with a batch of 1 before it.

    Raises:
        InputError: A size is not positive, or there are so many elements that they fill the memory.
    """
    if not all(type(size) is int and size > 0 for size in shape):
        raise InputError(f"shape of the input: got {shown(shape)}; must be positive whole numbers")
    with limited_memory(f"an input of shape {shown(shape)}"):
        return torch.zeros(1, *shape)


def _run(
    model: nn.Module, example: Example, name: str, used: frozenset[str]
) -> tuple[Tracer, list[Tensor]]:
    """A tracer that has seen a copy of the model run, and the results of the run."""
    copy = deepcopy(model).eval()
    clones = {id(tensor): tensor.detach().clone() for tensor in tensors_of(example)}
    inputs: Example = tree_map_only(Tensor, lambda tensor: clones[id(tensor)], example)
    masks = _padding_masks(inputs)
    for mask in masks.values():
        mask.fill_(1)
    given = [
        tensor
        for tensor in tensors_of(inputs)
        if all(tensor is not mask for mask in masks.values())
    ]
    kind = GuardedTracer if "torch._dynamo" in sys.modules else Tracer
    tracer = kind(copy, given, name, used)
    with torch.inference_mode(), _unfused(copy), Exits(tracer), tracer:
        match inputs:
            case dict():
                result = copy(**inputs)
            case tuple():
                result = copy(*inputs)
            case _:
                result = copy(inputs)
    return tracer, tensors_of(result)


def _padding_masks(inputs: Example) -> dict[str, Tensor]:
    """Keyword arguments that say which tokens are padding: 1 or True for those that are not."""
    if not isinstance(inputs, dict):
        return {}
    return {
        key: mask
        for key, mask in inputs.items()
        if key.endswith("attention_mask") and mask.ndim == 2 and not mask.is_floating_point()
    }


@contextmanager
def _unfused(model: nn.Module) -> Iterator[None]:
    """Keep torch from taking fused kernels, which hide operators from the tracer."""
    fast_path, mkldnn = torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled
    torch.backends.mha.set_fastpath_enabled(False)
    has_steps = any(isinstance(module, nn.RNNBase) for module in model.modules())
    packed = vars(F)["_in_projection_packed"]
    vars(F)["_in_projection_packed"] = _in_projections
    torch.backends.mkldnn.enabled = not has_steps  # type: ignore[assignment]
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        vars(F)["_in_projection_packed"] = packed
        torch.backends.mha.set_fastpath_enabled(fast_path)
        torch.backends.mkldnn.enabled = mkldnn


def _in_projections(
    q: Tensor, k: Tensor, v: Tensor, w: Tensor, b: Tensor | None = None
) -> list[Tensor]:
    """Query, key and value of torch's attention, each as a product of its own."""
    biases = (None,) * 3 if b is None else b.chunk(3)
    parts = zip((q, k, v), w.chunk(3), biases, strict=True)
    return [F.linear(x, weight, bias) for x, weight, bias in parts]
