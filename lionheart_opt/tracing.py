"""Any torch model and an example -> `Workload`, operator by operator.

The model is run once on the example, and every ATen operator that computes or copies becomes a layer.
Not layers: views (reshape, transpose, slice, expand, ...), dropout at inference, and operators that
no input reaches, such as masks and the re-parametrisation of weights, which a deployment computes once.

Kinds of layers:

- `conv1d`, `conv2d`, `conv3d`, `grouped_conv2d`, `depthwise_conv2d`, `conv_transpose2d`, ...
- `linear`: product with a weight matrix. `matmul`: product of two activations.
- `max_pool2d`, `avg_pool2d`, ...: adaptive pools too, with their largest window as kernel.
- `batch_norm`, `layer_norm`, `group_norm`, `instance_norm`, `rms_norm`, `local_response_norm`.
- `relu`, `relu6`, `gelu`, `silu`, `sigmoid`, `tanh`, `softmax`, ...: activation functions.
- `add`, `sub`, `mul`, `div`, `mean`, `sum`, `cat`, `pad`, `embedding`, ...: their ATen names.
- `copy`: `contiguous`, `clone`, a change of type, or a write into part of another tensor.

An operator in place has the kind of the one that is not (`relu_` is `relu`). Scaled-dot-product
attention is its two products, the scaling of both operands, the mask and the softmax; recurrent modules
are their products and gates, step by step. An operator that `lionheart_opt.operators` does not know
keeps its ATen name and has no MACs: cost models refuse the kinds that they do not know.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from lionheart_opt import models
from lionheart_opt.errors import InputError
from lionheart_opt.operators import WHOLE, Operator, describe
from lionheart_opt.workload import INPUT, Layer, Shape, Unit, Workload

Example = Tensor | tuple[Tensor, ...] | dict[str, Tensor]

#: Modules that are written in several operators but run as one.
_FUSED: dict[type[nn.Module], str] = {nn.LocalResponseNorm: "local_response_norm"}
#: Modules whose products are layers even where no input reaches them (the first step of an LSTM).
_WEIGHTED = (nn.Linear, _ConvNd, nn.RNNBase)
#: Operators in place that do not read what they overwrite.
_OVERWRITES = frozenset({"copy_", "fill_", "zero_"})
#: Number that stands for the network's input where records refer to their producers.
_INPUT = -1


def trace(model: nn.Module, example: Example, name: str) -> Workload:
    """The workload of one inference.

    Layers are named after the module that runs them: the only operation of a module has the module's
    path, others have the path and their kind (`stage1.0.add`); repeated names get `_2`, `_3`. Every
    weight matrix of a convolution or product is a unit: under the path of the module that runs it, or,
    where a function is called with a bare parameter, under the parameter's (`attention.in_proj`). The
    layer's `module` is then the parameter's path, as no module could be exchanged for an analog one.

    Args:
        model: left untouched: a copy of it runs, in evaluation mode.
        example: what the model is called with: a tensor, positional or keyword arguments. The first
            dimension of each tensor is the batch, of 1.
        name: of the workload.

    Raises:
        InputError: the batch is not 1, the model fails on the example, or its data flow leaves torch
            (for NumPy, say) and cannot be followed.
    """
    examples = _tensors(example)
    for tensor in examples:
        if tensor.ndim == 0 or tensor.shape[0] != 1:
            raise InputError(
                f"{name}: an example of shape {tuple(tensor.shape)}; "
                "its first dimension is the batch, which must be 1"
            )
    shapes = " and ".join(str(tuple(tensor.shape)) for tensor in examples)
    try:
        copy = deepcopy(model).eval()
        clones = {id(tensor): tensor.detach().clone() for tensor in examples}
        inputs: Example = tree_map_only(Tensor, lambda tensor: clones[id(tensor)], example)
        tracer = _Tracer(copy, _tensors(inputs), name)
        with torch.inference_mode(), _unfused(copy), _Exits(tracer), tracer:
            match inputs:
                case dict():
                    result = copy(**inputs)
                case tuple():
                    result = copy(*inputs)
                case _:
                    result = copy(inputs)
    except InputError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{name}: cannot be run on an example of shape {shapes}: {reason}"
        ) from error
    results = _tensors(result)
    if not tracer.records or (results and not any(map(tracer.producers, results))):
        raise InputError(f"{name}: no operator leads from its input to its output")
    return tracer.workload()


def trace_model(
    name: str, input_shape: tuple[int, ...] | None = None, **arguments: Any
) -> Workload:
    """The workload of a network of the zoo, or of `package.module:factory`.

    Args:
        name: a name of `models.available()`, or `package.module:factory`.
        input_shape: without the batch, float32; None is the zoo's own.
        arguments: of the factory.

    Raises:
        InputError: there is no such network or argument, or it cannot be traced.
    """
    shape = models.input_shape(name) if input_shape is None else input_shape
    return trace(models.build(name, **arguments), torch.zeros(1, *shape), name)


@dataclass
class _Call:
    """A module that is running."""

    path: str
    module: nn.Module
    number: int
    first: int
    """Number of the first record made since it started."""


@dataclass
class _Record:
    """A layer before it has a name: its inputs are numbers of records and what was read of each."""

    call: _Call
    kind: str
    inputs: list[tuple[int, Shape]]
    output_shape: Shape
    fields: dict[str, Any]
    unit: tuple[str, str] | None = None
    """Owner of the weight, and the layer's name, where it belongs to a unit."""


class _Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the operators, and which of them wrote each storage.

    In inference mode torch hands over its composite operators whole: those outside `WHOLE` are
    decomposed here, and their parts come in one by one.
    """

    def __init__(self, model: nn.Module, inputs: list[Tensor], name: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.name = name
        self.records: list[_Record] = []
        self._calls = [_Call("", model, 0, 0)]
        self._n_calls = 0
        # Weak references keep the address from being used again, but not the memory.
        self._producers: dict[StorageWeakRef, dict[int, Shape]] = {
            _storage(tensor): {_INPUT: tuple(tensor.shape)} for tensor in inputs
        }
        self._parameters: dict[StorageWeakRef, tuple[str, Tensor]] = {}
        for path, parameter in model.named_parameters():
            self._parameters.setdefault(_storage(parameter), (path, parameter))
        for path, module in model.named_modules():
            module.register_forward_pre_hook(lambda module, _, path=path: self._enter(path, module))
            module.register_forward_hook(lambda _module, _args, result: self._leave(result))

    def where(self) -> str:
        """The running module, for messages."""
        return (
            f"{self.name}: module {self._calls[-1].path or type(self._calls[-1].module).__name__}"
        )

    def producers(self, tensor: Tensor) -> dict[int, Shape]:
        """Records that wrote the tensor's storage and what each wrote; none for constants."""
        return self._producers.get(_storage(tensor), {})

    def _enter(self, path: str, module: nn.Module) -> None:
        self._n_calls += 1
        self._calls.append(_Call(path, module, self._n_calls, len(self.records)))

    def _leave(self, result: Any) -> None:
        call = self._calls.pop()
        kind = _FUSED.get(type(call.module))
        parts = self.records[call.first :]
        if kind is None or not parts:
            return
        inputs = dict.fromkeys(one for part in parts for one in part.inputs if one[0] < call.first)
        shape = tuple(result.shape)
        self.records[call.first :] = [_Record(call, kind, list(inputs), shape, parts[-1].fields)]
        self._producers[_storage(result)] = {call.first: shape}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        schema = func._schema
        name = schema.name.rpartition("::")[2]
        operands = dict(zip((one.name for one in schema.arguments), args, strict=False)) | kwargs
        if name.endswith("dropout") and not operands.get("train"):
            return args[0]
        if name not in WHOLE:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        if torch.Tag.inplace_view not in func.tags:
            self._see(name, schema, operands, _tensors(result))
        return result

    def _see(self, name: str, schema: Any, operands: dict[str, Any], results: list[Tensor]) -> None:
        read, written = _accesses(name, schema, operands)
        touched = [*chain.from_iterable(read.values()), *written]
        is_reached = any(map(self.producers, touched))
        if name in ("_local_scalar_dense", "equal") and is_reached:
            warnings.warn(
                f"{self.where()} reads a value of an activation in Python: what was recorded holds "
                "for this example and may differ for another",
                stacklevel=2,
            )
        if name.startswith("new_") or name.endswith("_like"):
            return  # takes nothing but the shape
        storages = set(map(_storage, touched))
        if not written and storages.issuperset(map(_storage, results)):
            return  # a view, or no tensor at all
        output = (results or written)[0]
        constants = [key for key, tensors in read.items() if not any(map(self.producers, tensors))]
        description = describe(
            Operator(
                name=name,
                shapes={key: tuple(tensors[0].shape) for key, tensors in read.items() if tensors},
                settings=operands,
                constants=frozenset(constants),
                output_shape=tuple(output.shape),
            )
        )
        unit = self._unit(operands[description.weight]) if description.weight else None
        if not is_reached and not (unit and isinstance(self._calls[-1].module, _WEIGHTED)):
            return
        counts = {"weight_count": 0, "bias_count": 0}
        for key in constants:
            if count := description.count(key):
                counts[count] += sum(one.numel() for one in read[key] if one.is_floating_point())
        self.records.append(
            _Record(
                call=self._calls[-1],
                kind=description.kind,
                inputs=self._inputs(chain.from_iterable(read.values())),
                output_shape=tuple(output.shape),
                fields=counts | description.fields | {"element_bytes": output.element_size()},
                unit=unit,
            )
        )
        for tensor in (*written, *results):
            self._write(tensor, len(self.records) - 1)

    def _inputs(self, read: Iterable[Tensor]) -> list[tuple[int, Shape]]:
        """Producers of what an operator reads, in order; one view is read once."""
        inputs: dict[Any, tuple[int, Shape]] = {}
        for tensor in read:
            view = (_storage(tensor), tensor.storage_offset(), tensor.shape, tensor.stride())
            producers = self.producers(tensor)
            if len(producers) == 1:  # the part that is read; otherwise the parts as written
                producers = dict.fromkeys(producers, tuple(tensor.shape))
            for producer in producers.items():
                inputs[*view, producer] = producer
        return list(inputs.values())

    def _write(self, tensor: Tensor, number: int) -> None:
        is_whole = tensor.numel() * tensor.element_size() >= tensor.untyped_storage().nbytes()
        before = {} if is_whole else self.producers(tensor)
        self._producers[_storage(tensor)] = before | {number: tuple(tensor.shape)}

    def _unit(self, weight: Tensor) -> tuple[str, str] | None:
        """Owner of a weight and name of the layer; None where the weight is no parameter."""
        call = self._calls[-1]
        own = call.module._parameters.get("weight")
        if own is not None and _storage(own) == _storage(weight):
            return call.path, call.path
        if _storage(weight) not in self._parameters:
            # computed from parameters: by weight norm and the like, the module is a unit all the same
            return (call.path, call.path) if isinstance(call.module, nn.Linear | _ConvNd) else None
        path, parameter = self._parameters[_storage(weight)]
        name = re.sub(r"[._]?weight$", "", path)
        if weight.numel() < parameter.numel():  # some of its rows
            row = parameter.stride(0)
            start = weight.storage_offset() // row
            path = f"{path}[{start}:{start + weight.numel() // row}]"
        return path, name

    def workload(self) -> Workload:
        """Everything recorded, with names."""
        per_call = Counter(record.call.number for record in self.records)
        names = {_INPUT: INPUT}
        unused = _Names(INPUT)
        layers: list[Layer] = []
        units: dict[str, list[str]] = {}
        for number, record in enumerate(self.records):
            call = record.call
            is_only = per_call[call.number] == 1 and not any(call.module.children())
            module, stem = record.unit or (call.path, call.path if is_only else "")
            stem = stem or f"{call.path}.{record.kind}".lstrip(".")
            names[number] = unused(stem)
            if record.unit:
                units.setdefault(module, []).append(names[number])
            layers.append(
                Layer(
                    name=names[number],
                    kind=record.kind,
                    module=module,
                    inputs=tuple(names[producer] for producer, _ in record.inputs),
                    input_shapes=tuple(shape for _, shape in record.inputs),
                    output_shape=record.output_shape,
                    **record.fields,
                )
            )
        return Workload(
            name=self.name,
            layers=tuple(layers),
            units=tuple(Unit(name=members[0], layers=tuple(members)) for members in units.values()),
        )


class _Exits(TorchFunctionMode):
    """Refuses to lose activations to NumPy and Python lists."""

    def __init__(self, tracer: _Tracer) -> None:
        super().__init__()
        self._tracer = tracer

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in _EXITS and self._tracer.producers(args[0]):
            raise InputError(
                f"{self._tracer.where()} turns an activation into a NumPy array or a list "
                f"({func.__name__}); its operations cannot be followed from there"
            )
        return func(*args, **(kwargs or {}))


_EXITS = frozenset({Tensor.numpy, Tensor.__array__, Tensor.tolist, Tensor.__dlpack__})


@contextmanager
def _unfused(model: nn.Module) -> Iterator[None]:
    """Keep torch from taking fused kernels, which hide operators from the tracer."""
    fast_path, mkldnn = torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled
    torch.backends.mha.set_fastpath_enabled(False)
    has_steps = any(isinstance(module, nn.RNNBase) for module in model.modules())
    torch.backends.mkldnn.enabled = not has_steps  # type: ignore[assignment]
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        torch.backends.mkldnn.enabled = mkldnn


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


def _storage(tensor: Tensor) -> StorageWeakRef:
    return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]


def _accesses(
    name: str, schema: Any, operands: dict[str, Any]
) -> tuple[dict[str, list[Tensor]], list[Tensor]]:
    """What an operator reads, by the names of its schema, and what it writes in place."""
    read: dict[str, list[Tensor]] = {}
    written: list[Tensor] = []
    for argument in schema.arguments:
        tensors = _tensors(operands.get(argument.name))
        is_written = argument.alias_info is not None and argument.alias_info.is_write
        if is_written:
            written += tensors
        if tensors and not (is_written and (argument.is_out or name in _OVERWRITES)):
            read[argument.name] = tensors
    return read, written


class _Names:
    """Gives each name once: repeated ones get `_2`, `_3`."""

    def __init__(self, *taken: str) -> None:
        self._times = Counter(taken)

    def __call__(self, stem: str) -> str:
        name = stem
        while name in self._times:
            self._times[stem] += 1
            name = f"{stem}_{self._times[stem]}"
        self._times[name] = 1
        return name
