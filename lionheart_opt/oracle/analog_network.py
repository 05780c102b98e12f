"""A network some of whose weight matrices are analog."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterable, Sequence
from copy import deepcopy
from functools import partial
from itertools import chain
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.digital import HOST_PRODUCTS, Digital, DigitalProducts
from lionheart_opt.oracle.exposed import Exposed, Hidden, Part, Piece, joined
from lionheart_opt.oracle.products import Product, WeightProducts
from lionheart_opt.oracle.seeds import seeded
from lionheart_opt.oracle.uses import unfused
from lionheart_opt.tasks import batches
from lionheart_opt.tracing.matrices import Matrix

#: Last part of the name under which weights hold the input ranges of a matrix, after its path. They
#: are there where the configuration has static or learned input ranges. Shape (n_tiles, 2), tiles of
#: the first range of inputs first: the tile's input range, and the number of batches that it was
#: initialised from.
INPUT_RANGES = "input_ranges"
_CALIBRATED = 64  # examples in one pass while ranges of inputs are calibrated


class Calibration(Protocol):
    """Computes what a calibrated chip puts out."""

    def outputs(self, part: Part, product: Product, bias: Tensor | None) -> Tensor:
        """Outputs of the part of an analog matrix that a product uses, with a digital bias if any."""
        ...


#: Makes the analog matrix of a path from its weights (n_outputs, n_inputs), and its input ranges, if any.
Make = Callable[[str, Tensor, Tensor | None], Any]


class AnalogNetwork(nn.Module):
    """A network some of whose weight matrices are analog. Engines make it; it is used without them.

    In training mode its forward pass is that of hardware-aware training and differentiable. In
    evaluation mode it must have been programmed and drifted. Putting it into training mode takes the
    programmed and drifted weights out again, so that training continues from the trained ones.

    The modules of the network stay as they are. Inside the context `products`, products with an analog
    matrix are computed by its tiles. Everything else sees the trained weights.

    Noise of a forward pass (weight modifier, converters, output) follows torch's global generator,
    which the caller seeds.

    Matrices that are not analog compute in floating point, or in what `digital` says. Putting the
    network into evaluation mode then calibrates the ranges of their inputs.

    Args:
        model: The floating-point network, left untouched.
        paths: Paths of the matrices that are analog, as in `Layer.module`.
        make: What makes an analog matrix.
        digital: What matrices compute in that are not analog; None is floating point.

    Attributes:
        network: The network. A parameter with analog matrices is a plain attribute of its modules.
        analog: Path -> analog matrix.
        digital: Computes the products that are not analog; None leaves them to torch.
        products: The context in which products are computed by tiles; `forward` enters it.
        shares: Path -> share of the analog result in training, shape (), from 0 to 1. The rest is the
            floating-point result. Matrices that are not there have 1.
        stepwise: Compute all recurrent layers step by step, those without an analog matrix included.
        calibration: Computes outputs of analog matrices in evaluation mode; None leaves them as they are.
            Programming sets it to None.
        recorded: Sees each product and what it uses of analog matrices, ideal ones included.

    Raises:
        InputError: The network has no such matrix, or two of them overlap.
    """

    def __init__(
        self, model: nn.Module, paths: Sequence[str], make: Make, digital: Digital | None = None
    ) -> None:
        super().__init__()
        self.network = deepcopy(model)
        self.digital = None if digital is None else DigitalProducts(self.network, digital)
        self._ranges: dict[str, Tensor] = vars(self.network).pop(INPUT_RANGES, {})
        self._names = list(self.network.state_dict())
        self.analog: dict[str, Any] = {}
        self.shares: dict[str, Tensor] = {}
        matrices: dict[str, dict[str, Matrix]] = {}
        for path in dict.fromkeys(paths):
            matrix = Matrix.named(self.network, path)
            parameter = self.network.get_parameter(matrix.parameter)
            weight = matrix.values(parameter.detach())
            self.analog[path] = layer = make(path, weight, self._ranges.get(path))
            if not parameter.requires_grad:
                layer.freeze()
            elif (cells := matrix.cells(parameter.detach())) is not None:
                layer.keep_zeros(cells)
            matrices.setdefault(matrix.parameter, {})[path] = matrix
        self._exposed = {
            name: Exposed(self.network, name, members, self.analog)
            for name, members in matrices.items()
        }
        self._trained = nn.ModuleList(self.analog.values())
        others = (rows for exposed in self._exposed.values() for rows in exposed.digital)
        self._digital_rows = nn.ParameterList(others)
        self.products = _Products(self) if self.digital is None else _DigitalProducts(self)
        self.stepwise = False
        self.calibration: Calibration | None = None
        self.recorded: Callable[[Product, Sequence[Part]], None] | None = None

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """The network's forward pass."""
        if self.training:
            self._show()
        with self.products:
            return self.network(*inputs, **named)

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of a loss of the last forward pass in training mode.

        Raises:
            InputError: The loss depends on no weight that may change. Or the network runs layers with
                analog weights again for it (checkpointing), which would be computed without tiles.
        """
        if not loss.requires_grad:
            raise InputError(
                "the training loss has no gradient: all weights are frozen (requires_grad = False), or "
                "the loss or the network detaches what it computes; give weights that can be trained, or "
                "use training 'none'"
            )
        for exposed in self._exposed.values():
            exposed.hide()
        try:
            torch.autograd.backward(loss)
        except (TypeError, AttributeError) as error:
            if Hidden.__name__ not in str(error):
                raise
            raise InputError(
                "the network runs layers again when gradients are computed (torch.utils.checkpoint), "
                "which is not possible for weights on tiles; switch checkpointing off"
            ) from error

    def train(self, mode: bool = True) -> AnalogNetwork:
        """As `nn.Module.train`; training mode restores the trained weights of every tile."""
        if mode:
            for layer in self.analog.values():
                layer.restore()
        super().train(mode)
        self._show()
        if self.digital is not None:
            self.digital.training = mode
            if not mode:
                self._calibrate(self.digital)
        return self

    @torch.no_grad()
    @unfused()
    def _calibrate(self, digital: DigitalProducts) -> None:
        """Find the ranges that inputs have in the floating-point network with these weights."""
        device = next(chain(self.parameters(), self.buffers())).device
        digital.watch()
        with seeded(0, device), self.products:
            for some in batches.chunks(digital.inputs, _CALIBRATED):
                batches.call(self.network, batches.to(some, device, copy=True))
        digital.use_ranges()

    def _show(self) -> None:
        """Let the modules of the network see the weights as they are now."""
        for exposed in self._exposed.values():
            exposed.show(self.training)
        self.products.watch(
            (name, tensor)
            for name, exposed in self._exposed.items()
            # code of the network's own may have kept the parameter, in a list for example
            for tensor in (exposed.shown, exposed.parameter)
        )
        if self.digital is not None:
            tensors = chain(self.network.named_parameters(), self.network.named_buffers())
            self.products.watch_also((name, each) for name, each in tensors if each.dim() > 1)

    def product(self, product: Product, matrix: Matrix) -> Tensor | None:
        """See `WeightProducts.product`."""
        exposed = self._exposed.get(matrix.parameter)
        if exposed is None or matrix.form != exposed.form:
            return self._on_host(product, matrix)  # the host may have a copy of weights on tiles
        if self.digital is not None and self.digital.is_watching:
            return self._on_host(product, matrix)
        parts = self._used(exposed, product, matrix)
        if all(part.piece.is_plain for part in parts):
            return self._on_host(product, matrix)
        if parts[0].is_all:
            piece = parts[0].piece
            if self.calibration is not None and not self.training:
                return self.calibration.outputs(parts[0], product, product.bias)
            y: Tensor = piece.layer(product.x, product.bias, product.window)
            share = self._share(piece)
            if share is None:
                return y
            other = product.with_bias(self._some_on_host(product, matrix, slice(None)))
            return share * y + (1 - share) * other
        axis = -1 if product.window is None else 1
        outputs = [self._outputs(part, product, matrix, axis) for part in joined(parts)]
        return product.with_bias(torch.cat(outputs, axis))

    def _used(self, exposed: Exposed, product: Product, matrix: Matrix) -> list[Part]:
        """Count and record what a product uses of a parameter, and return it."""
        parts = exposed.parts(matrix)
        for part in parts:
            if part.piece.layer is not None:
                part.piece.layer.uses += 1
        if self.recorded is not None:
            self.recorded(product, parts)
        return parts

    def is_on_tiles(self, product: Product, matrix: Matrix) -> bool:
        """Whether tiles compute some of a product; if not, it is counted and recorded as used."""
        exposed = self._exposed.get(matrix.parameter)
        if exposed is None or matrix.form != exposed.form:
            return False
        if not all(part.piece.is_plain for part in exposed.parts(matrix)):
            return True
        self._used(exposed, product, matrix)
        return False

    def _on_host(self, product: Product, matrix: Matrix) -> Tensor | None:
        """A product that is on no tile; None leaves it to torch."""
        return None if self.digital is None else self.digital.outputs(product, matrix)

    def _some_on_host(self, product: Product, matrix: Matrix, rows: slice) -> Tensor:
        """Some outputs of a product that is on no tile, without bias."""
        if self.digital is None:
            return product.plain(rows)
        return self.digital.some(product, matrix, rows)

    def _outputs(self, part: Part, product: Product, matrix: Matrix, axis: int) -> Tensor:
        """Outputs of a part of a product, without bias."""
        if part.piece.is_plain:
            return self._some_on_host(product, matrix, part.of_product)
        if self.calibration is not None and not self.training:
            return self.calibration.outputs(part, product, None)
        first, last = part.of_piece.start, part.of_piece.stop
        y: Tensor = part.piece.layer(product.x, None, product.window)
        y = y.narrow(axis, first, last - first)
        share = self._share(part.piece)
        if share is None:
            return y
        return share * y + (1 - share) * self._some_on_host(product, matrix, part.of_product)

    def _share(self, piece: Piece) -> Tensor | None:
        return self.shares.get(piece.path) if self.training else None

    def steps(self, parameters: Iterable[str]) -> bool:
        """Whether recurrent layers with these parameters have to be computed step by step."""
        if self.stepwise or self.digital is not None:
            return True
        pieces = [p for name in parameters for p in self._exposed[name].pieces]
        return not all(piece.is_plain for piece in pieces)

    def set_ideal(self, paths: Collection[str]) -> None:
        """Let these matrices, and no others, compute as in the floating-point network, or in `digital`.

        In training mode they compute with the weights on their tiles, differentiably: one-shot
        training has other matrices analog in every batch. In evaluation mode they compute with the
        weights that the engine was given, bit for bit, unless these have been trained since: one
        network serves many mappings.

        Args:
            paths: Paths of analog matrices.
        """
        for path, layer in self.analog.items():
            layer.ideal = path in paths

    def after_step(self) -> None:
        """Clip and re-map weights as the RPU configuration asks; call it after every optimiser step."""
        for layer in self.analog.values():
            layer.after_step()
        for exposed in self._exposed.values():
            exposed.given = None

    @torch.no_grad()
    def weights(self) -> dict[str, Tensor]:
        """State dict of the floating-point network with the trained, undrifted weights.

        It is the format that engines, training and checkpoints exchange; where there are input
        ranges, it has `INPUT_RANGES`, too.
        """
        tensors: dict[str, Tensor] = {}
        tensors |= dict(self.network.named_parameters(remove_duplicate=False))
        tensors |= dict(self.network.named_buffers(remove_duplicate=False))
        for exposed in self._exposed.values():
            tensors |= exposed.tensors()
        weights = {name: tensors[name] for name in self._names}
        ranges = {path: layer.input_ranges() for path, layer in self.analog.items()}
        for path, tensor in (self._ranges | ranges).items():
            if tensor is not None:
                weights[f"{path}.{INPUT_RANGES}" if path else INPUT_RANGES] = tensor
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in weights.items()}

    def program(self, seeds: dict[str, int]) -> None:
        """Program every analog matrix afresh.

        Args:
            seeds: Path -> seed.
        """
        self.calibration = None
        for path, layer in self.analog.items():
            layer.program(seeds[path])

    def drift(self, time_s: float, seeds: dict[str, int]) -> None:
        """Set every analog matrix to its state `time_s` after programming, read noise included.

        Args:
            time_s: Time since programming.
            seeds: Path -> seed of read and output noise.
        """
        for path, layer in self.analog.items():
            layer.drift(time_s, seeds[path])

    def rewind(self, first: int, count: int) -> None:
        """Let converter noise of the next pass be that of one batch of the data.

        The noise then depends on the seeds of `drift`, the matrix and the two numbers only, not on
        what was computed before or on which other matrices are analog.

        Args:
            first: Number of the batch's first example.
            count: Number of examples in it.
        """
        for layer in self.analog.values():
            layer.uses = 0
            layer.rewind(first, count)


class _Products(WeightProducts):
    """Products of an analog network."""

    def __init__(self, network: AnalogNetwork) -> None:
        super().__init__()
        # the network holds this: a cycle would keep its chips in memory until they are collected
        self._network = weakref.proxy(network)

    def product(self, product: Product, matrix: Matrix) -> Tensor | None:
        result: Tensor | None = self._network.product(product, matrix)
        return result

    def steps(self, parameters: Iterable[str]) -> bool:
        return bool(self._network.steps(parameters))


class _DigitalProducts(_Products):
    """Products of an analog network whose digital targets do not compute in floating point."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of torch, or what takes its place."""
        if func in HOST_PRODUCTS:
            digital = self._network.digital
            assert digital is not None
            kwargs = kwargs or {}
            is_on_tiles = partial(self._is_on_tiles, func, args, kwargs)
            result = digital.call(func, args, kwargs, self.name, is_on_tiles)
            if result is not None:
                return result
        return super().__torch_function__(func, types, args, kwargs)

    def _is_on_tiles(self, func: Any, args: Any, kwargs: dict[str, Any]) -> bool:
        """Whether tiles compute a product; if not, it counts as a use of the matrix."""
        known = self.matrix_of(func, args, kwargs)
        return known is not None and self._network.is_on_tiles(*known)
