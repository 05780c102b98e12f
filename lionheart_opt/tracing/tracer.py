"""The dispatch mode that sees every operator of a model and turns it into a layer."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lionheart_opt.errors import InputError
from lionheart_opt.tracing.dataflow import DataFlow, storage
from lionheart_opt.tracing.einsum import einsum_product
from lionheart_opt.tracing.matrices import Matrix, Use, as_matrix, as_units, is_same, part_of
from lionheart_opt.tracing.norms import with_fused_norms
from lionheart_opt.tracing.operators import Description, Operator, describe, is_whole
from lionheart_opt.workload import INPUT, Layer, Shape, Unit, Workload

#: Modules that are written in several operators but run as one.
_FUSED: dict[type[nn.Module], str] = {nn.LocalResponseNorm: "local_response_norm"}
#: Modules whose products are layers even where no input reaches them (the first step of an LSTM).
_WEIGHTED = (nn.Linear, _ConvNd, nn.Bilinear, nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)
#: Operators in place that do not read what they overwrite.
_OVERWRITES = frozenset({"copy_", "fill_", "zero_"})
#: Functions that take activations out of torch.
_EXITS = frozenset({Tensor.numpy, Tensor.__array__, Tensor.tolist, Tensor.__dlpack__})
#: Number that stands for the network's input among the numbers of records.
_INPUT = -1


def tensors_of(value: Any) -> list[Tensor]:
    """All tensors in nested tuples, lists and dictionaries."""
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


@dataclass(frozen=True)
class _Call:
    """A module that is running; `first` is the number of the first record made since it started."""

    path: str
    module: nn.Module
    number: int
    first: int


@dataclass(frozen=True, kw_only=True)
class _Record:
    """A layer before it has a name.

    Args:
        call: The module that ran it.
        kind: Kind of the layer.
        inputs: Number of each record that it reads, with the shape of what is read.
        output_shape: Shape of its result.
        fields: Other fields of the layer.
        use: What it uses of the weights, where that is a matrix.
    """

    call: _Call
    kind: str
    inputs: tuple[tuple[int, Shape], ...]
    output_shape: Shape
    fields: dict[str, Any]
    use: Use | None = None


class Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records operators inside its context.

    In inference mode torch hands over composite operators as they are. Those that are no layer of their
    own are decomposed, and their parts are recorded one by one.

    Args:
        model: The network; it gets hooks that tell which module is running.
        inputs: Tensors that the model is called with.
        name: Name of the workload.
        used: Weights whose products are layers even where no input reaches them.
    """

    def __init__(
        self, model: nn.Module, inputs: list[Tensor], name: str, used: frozenset[str]
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flow = DataFlow()
        self.records: list[_Record] = []
        self._name = name
        self._used = used
        self._left_out = set[str]()
        self._calls = [_Call("", model, 0, 0)]
        self._n_calls = 0
        #: Memory of copies of parameters that products use -> the matrices that they are.
        self._copies: dict[StorageWeakRef, Matrix] = {}
        for tensor in inputs:
            self.flow.write(tensor, _INPUT)
        self._parameters: dict[StorageWeakRef, list[tuple[str, Tensor]]] = {}
        for path, parameter in model.named_parameters():
            self._parameters.setdefault(storage(parameter), []).append((path, parameter))
        for path, module in model.named_modules():
            module.register_forward_pre_hook(lambda module, _, path=path: self._enter(path, module))
            module.register_forward_hook(lambda _module, _args, result: self._leave(result))

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Whether torch keeps its compiler away, which takes a second to load."""
        return False

    def where(self) -> str:
        """The running module, for messages."""
        call = self._calls[-1]
        return f"{self._name}: module {call.path or type(call.module).__name__}"

    def _enter(self, path: str, module: nn.Module) -> None:
        self._n_calls += 1
        self._calls.append(_Call(path, module, self._n_calls, len(self.records)))

    def _leave(self, result: Any) -> None:
        call = self._calls.pop()
        parts = self.records[call.first :]
        if type(call.module) not in _FUSED or not parts:
            return
        reads = dict.fromkeys(chain.from_iterable(part.inputs for part in parts))
        self.records[call.first :] = [
            _Record(
                call=call,
                kind=_FUSED[type(call.module)],
                inputs=tuple((number, shape) for number, shape in reads if number < call.first),
                output_shape=tuple(result.shape),
                fields=parts[-1].fields,
            )
        ]
        self.flow.write(result, call.first)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operator, or its parts, and record it."""
        kwargs = kwargs or {}
        schema = func._schema
        name = schema.name.rpartition("::")[2]
        names = (argument.name for argument in schema.arguments)
        operands = dict(zip(names, args, strict=False)) | kwargs
        if name.endswith("dropout") and not operands.get("train"):
            return args[0]
        if name == "einsum":
            result = self._einsum(*args)
            if result is not None:
                return result
        if not is_whole(name):
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        if torch.Tag.inplace_view not in func.tags:
            self._see(name, schema, operands, tensors_of(result))
        return result

    def _see(self, name: str, schema: Any, operands: dict[str, Any], results: list[Tensor]) -> None:
        read, written = _accesses(name, schema, operands)
        touched = [*chain.from_iterable(read.values()), *written]
        is_reached = self.flow.depends(touched)
        if name in ("_local_scalar_dense", "equal") and is_reached:
            warnings.warn(
                f"{self.where()} reads a value of an activation in Python: the workload holds for this "
                "example and may differ for another",
                stacklevel=2,
            )
        if name.startswith("new_") or name.endswith("_like"):
            return  # reads nothing but the shape
        if not written and set(map(storage, touched)).issuperset(map(storage, results)):
            return  # a view, or no tensor at all
        output = (results or written)[0]
        if not output.numel():
            return  # computes nothing
        if (
            name == "cat" and is_reached
        ):  # with nothing, as a cache that is filled for the first time
            parts = [tensor for tensor in chain.from_iterable(read.values()) if tensor.numel()]
            sources = self.flow.reads(parts)
            if len(parts) == len(sources) == 1 and parts[0].shape == output.shape:
                self.flow.write(output, sources[0][0])
                return
        constants = [key for key, tensors in read.items() if not self.flow.depends(tensors)]
        description = describe(
            Operator(
                name=name,
                shapes={key: tuple(tensors[0].shape) for key, tensors in read.items()},
                settings=operands,
                constants=frozenset(constants),
                output_shape=tuple(output.shape),
            )
        )
        use = None
        if description.weight:
            use = self._use(operands[description.weight], description)
        if not is_reached and not (use and self._is_counted(use.key)):
            self._left_out.update((use.key,) if use else ())
            return
        counts = {"weight_count": 0, "bias_count": 0}
        for key in constants:
            if count := description.count(key):
                weights = (tensor for tensor in read[key] if tensor.is_floating_point())
                counts[count] += sum(weight.numel() for weight in weights)
        self.records.append(
            _Record(
                call=self._calls[-1],
                kind=description.kind,
                inputs=self.flow.reads(chain.from_iterable(read.values())),
                output_shape=tuple(output.shape),
                fields=counts | description.fields | {"element_bytes": output.element_size()},
                use=use,
            )
        )
        for tensor in (*written, *results):
            self.flow.write(tensor, len(self.records) - 1)

    def _is_counted(self, key: str) -> bool:
        """Whether a product with these weights is a layer although no input reaches it."""
        return isinstance(self._calls[-1].module, _WEIGHTED) or key in self._used

    @property
    def used(self) -> frozenset[str]:
        """Weights that multiply both activations and, in products left out, constants.

        The loop of a recurrent network is an example: its first step multiplies a state of zeros.
        """
        keys = {record.use.key for record in self.records if record.use}
        return self._used | (keys & self._left_out)

    def _einsum(self, equation: str, operands: list[Tensor], *_: Any) -> Tensor | None:
        """An equation with a weight, as a product with a matrix; None if it is no such product.

        torch may compute it with a copy of the weight, which could not be recognised.
        """
        for number in (1, 0) if len(operands) == 2 else ():
            operand = operands[number]
            names = self._parameters.get(storage(operand), ())
            name = next((name for name, tensor in names if is_same(operand, tensor)), "")
            if not name:
                continue
            with self:
                product = einsum_product(equation, operands, number)
                if product is not None:
                    if storage(product.weight) != storage(operand):
                        matrix = Matrix.whole(name, operand, product.outputs)
                        self._copies[storage(product.weight)] = matrix
                    return product.finish(F.linear(product.x, product.weight))
        return None

    def _use(self, weight: Tensor, description: Description) -> Use | None:
        """What the running product uses of the weights; None if that is not a matrix of the network."""
        call = self._calls[-1]
        own = call.module._parameters.get("weight")
        is_own = own is not None and storage(own) == storage(weight)
        if copied := self._copies.get(storage(weight)):
            stem = re.sub(r"[._]?weight$", "", copied.parameter)
            return Use(path=copied.path, stem=stem, matrix=copied)
        parameters = self._parameters.get(storage(weight))
        if parameters is None:
            # computed from parameters, by weight norm for example: the module is a unit all the same
            is_module = isinstance(call.module, nn.Linear | _ConvNd)
            return Use(path=call.path, stem=call.path) if is_module else None
        groups = description.fields.get("groups", 1)
        for name, parameter in parameters:
            if description.kind.startswith("conv_transpose"):
                is_all = is_same(weight, parameter)
                axes = range(1, weight.dim())
                matrix = Matrix.whole(name, parameter, tuple(axes)) if is_all else None
            else:
                operand = as_matrix(weight, description.outputs_first)
                matrix = part_of(operand, parameter, name)
            if matrix is not None and groups > 1 and "mvm" in description.fields:
                matrix = replace(matrix, groups=groups) if matrix.is_whole else None
            if matrix is not None:
                stem = call.path if is_own else _stem(call.module, name, matrix)
                is_named = is_own and matrix.is_whole and matrix.is_rows
                is_named &= matrix.groups in (1, getattr(call.module, "groups", 1))
                path = call.path if is_named else ""
                return Use(path=path or matrix.path, stem=stem, matrix=matrix)
        return None

    def workload(self) -> Workload:
        """The workload of all records, with names."""
        per_call = Counter(record.call.number for record in self.records)
        names = {_INPUT: INPUT}
        times = Counter([INPUT])
        layers: list[Layer] = []
        units: dict[str, list[str]] = {}
        uses = as_units([record.use for record in self.records])
        for number, (record, use) in enumerate(zip(self.records, uses, strict=True)):
            call = record.call
            is_only = per_call[call.number] == 1 and not any(call.module.children())
            stem = use.stem if use else call.path if is_only else ""
            stem = stem or f"{call.path}.{record.kind}".lstrip(".")
            name = stem
            while name in times:
                times[stem] += 1
                name = f"{stem}_{times[stem]}"
            times[name] = 1
            names[number] = name
            if use:
                units.setdefault(use.path, []).append(name)
            layers.append(
                Layer(
                    name=name,
                    kind=record.kind,
                    module=use.path if use else call.path,
                    inputs=tuple(names[producer] for producer, _ in record.inputs),
                    input_shapes=tuple(shape for _, shape in record.inputs),
                    output_shape=record.output_shape,
                    **_fields(record, use),
                )
            )
        return Workload(
            name=self._name,
            layers=with_fused_norms(layers),
            units=tuple(Unit(name=members[0], layers=tuple(members)) for members in units.values()),
        )


def _stem(module: nn.Module, name: str, matrix: Matrix) -> str:
    """Name of a layer that multiplies with a parameter, or with the rows of it that are a projection."""
    if isinstance(module, nn.MultiheadAttention) and name.endswith("in_proj_weight"):
        projection = "qkv"[matrix.first // module.embed_dim]
        name = name.removesuffix("in_proj_weight") + f"{projection}_proj"
    return re.sub(r"[._]?weight$", "", name)


def _fields(record: _Record, use: Use | None) -> dict[str, Any]:
    """Fields of the layer: a crossbar reads its whole matrix, also where a product needs some rows."""
    fields = record.fields
    if use is None:
        return fields | {"mvm": None}
    mvm = fields.get("mvm")
    if mvm is None or use.matrix is None or not use.matrix.is_rows:
        return fields
    columns = use.matrix.last - use.matrix.first
    weight_count = fields["weight_count"] // mvm.columns * columns
    return fields | {"mvm": replace(mvm, columns=columns), "weight_count": weight_count}


class GuardedTracer(Tracer):  # type: ignore[no-untyped-call]
    """As `Tracer`, where torch's compiler is loaded: it would compile the tracer, too."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return True

    def __torch_dispatch__(self, *arguments: Any) -> Any:
        """As `Tracer`'s."""
        return super().__torch_dispatch__(*arguments)


class Exits(TorchFunctionMode):
    """Refuses to convert activations to NumPy arrays and Python lists, where a tracer loses them."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self._tracer = tracer

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call the function.

        Raises:
            InputError: The function would take an activation out of torch.
        """
        if func in _EXITS and self._tracer.flow.depends(args[:1]):
            raise InputError(
                f"{self._tracer.where()} turns an activation into a NumPy array or a list "
                f"({func.__name__}); its operations cannot be followed from there"
            )
        return func(*args, **(kwargs or {}))


def _accesses(
    name: str, schema: Any, operands: dict[str, Any]
) -> tuple[dict[str, list[Tensor]], list[Tensor]]:
    """Tensors that an operator reads, by their names in its schema, and those that it writes in place."""
    read: dict[str, list[Tensor]] = {}
    written: list[Tensor] = []
    for argument in schema.arguments:
        tensors = tensors_of(operands.get(argument.name))
        is_written = argument.alias_info is not None and argument.alias_info.is_write
        if is_written:
            written += tensors
        if tensors and not (is_written and (argument.is_out or name in _OVERWRITES)):
            read[argument.name] = tensors
    return read, written
