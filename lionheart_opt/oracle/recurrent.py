"""Recurrent layers step by step, so that each of their products is one of its own.

The results are torch's, and so are the numbers of products: the state's product is one a step, the
input's is one for all steps, or one a step for packed sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

State = tuple[Tensor, ...]

#: From the input's product of a step, the state before and the weights of the state to the state after.
Step = Callable[[Tensor, State, "Weights"], State]


@dataclass(frozen=True)
class Steps:
    """Inputs of all steps.

    Args:
        x: Inputs one step after the other, shape (sum of sizes, n_inputs).
        sizes: Sequences that are running at each step. They are sorted by length, longest first.
        is_packed: Whether they are a `PackedSequence`.
    """

    x: Tensor
    sizes: tuple[int, ...]
    is_packed: bool

    def products(self, weights: Weights) -> tuple[Tensor, ...]:
        """The product of each step's inputs and the weights."""
        of_input, bias = weights.of_input, weights.input_bias
        if self.is_packed:
            steps = torch.split(self.x, list(self.sizes))
            return tuple(F.linear(step, of_input, bias) for step in steps)
        return torch.split(F.linear(self.x, of_input, bias), list(self.sizes))


class Weights:
    """Weights of one direction of a layer.

    Args:
        tensors: In torch's order: of the input, of the state, their biases, of the projection.
        has_biases: Whether there are biases among them.
    """

    def __init__(self, tensors: Sequence[Tensor], has_biases: bool) -> None:
        self.of_input, self.of_state = tensors[:2]
        biases = tensors[2:4] if has_biases else (None, None)
        self.input_bias: Tensor | None = biases[0]
        self.state_bias: Tensor | None = biases[1]
        rest = tensors[4 if has_biases else 2 :]
        self.projection = rest[0] if rest else None


def _lstm_step(product: Tensor, state: State, weights: Weights) -> State:
    hidden, cell = state
    gates = product + F.linear(hidden, weights.of_state, weights.state_bias)
    enter, forget, value, leave = gates.chunk(4, -1)
    cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(value)
    hidden = torch.sigmoid(leave) * torch.tanh(cell)
    if weights.projection is not None:
        hidden = F.linear(hidden, weights.projection)
    return hidden, cell


def _gru_step(product: Tensor, state: State, weights: Weights) -> State:
    (hidden,) = state
    of_input = product.chunk(3, -1)
    of_state = F.linear(hidden, weights.of_state, weights.state_bias).chunk(3, -1)
    reset, update = (torch.sigmoid(a + b) for a, b in zip(of_input[:2], of_state[:2], strict=True))
    new = torch.tanh(of_input[2] + reset * of_state[2])
    return (new + update * (hidden - new),)


def _rnn_step(activation: Callable[[Tensor], Tensor]) -> Step:
    def step(product: Tensor, state: State, weights: Weights) -> State:
        return (activation(product + F.linear(state[0], weights.of_state, weights.state_bias)),)

    return step


def _one_direction(
    step: Step, steps: Steps, state: State, weights: Weights, reverse: bool
) -> tuple[Tensor, State]:
    """Run all steps.

    Args:
        step: What a step does.
        steps: The inputs.
        state: The state of all sequences at the beginning.
        weights: The weights.
        reverse: Begin at the end of each sequence.

    Returns:
        The first state tensor after each step, in the order of `x`, and the last state of each sequence.
    """
    sizes, products = steps.sizes, steps.products(weights)
    order = range(len(sizes))[::-1] if reverse else range(len(sizes))
    outputs: dict[int, Tensor] = {}
    for number in order:
        running = tuple(tensor[: sizes[number]] for tensor in state)
        after = step(products[number], running, weights)
        state = tuple(
            torch.cat([new, old[sizes[number] :]]) if len(new) < len(old) else new
            for new, old in zip(after, state, strict=True)
        )
        outputs[number] = after[0]
    return torch.cat([outputs[number] for number in range(len(sizes))]), state


def _run(
    step: Step,
    steps: Steps,
    state: State,
    params: Sequence[Tensor],
    settings: tuple[bool, int, float, bool, bool],
) -> tuple[Tensor, State]:
    """All layers and directions; see `_one_direction`. States have shape (n_layers x directions, ...)."""
    has_biases, n_layers, dropout, train, bidirectional = settings
    directions = 2 if bidirectional else 1
    each = len(params) // (n_layers * directions)
    last: list[State] = []
    for layer in range(n_layers):
        outputs = []
        for direction in range(directions):
            number = layer * directions + direction
            weights = Weights(params[number * each : (number + 1) * each], has_biases)
            before = tuple(tensor[number] for tensor in state)
            y, after = _one_direction(step, steps, before, weights, direction == 1)
            outputs.append(y)
            last.append(after)
        x = torch.cat(outputs, -1)
        if train and dropout > 0 and layer < n_layers - 1:
            x = F.dropout(x, dropout)
        steps = replace(steps, x=x)
    return steps.x, tuple(torch.stack(tensors) for tensors in zip(*last, strict=True))


def _network(step: Step, has_cell: bool) -> Callable[..., Any]:
    """`torch.lstm`, `torch.gru`, `torch.rnn_tanh` or `torch.rnn_relu`."""

    def run(*args: Any) -> Any:
        if isinstance(args[3], bool):  # sequences of one length
            x, state, params, *settings, batch_first = args
            batch = x.transpose(0, 1) if batch_first else x
            sizes = (batch.shape[1],) * batch.shape[0]
            steps = Steps(batch.reshape(-1, batch.shape[-1]), sizes, is_packed=False)
        else:
            x, sizes, state, params, *settings = args
            steps = Steps(x, tuple(sizes.tolist()), is_packed=True)
        states = tuple(state) if has_cell else (state,)
        y, last = _run(step, steps, states, params, tuple(settings))
        if isinstance(args[3], bool):
            y = y.view(*batch.shape[:2], -1)
            y = y.transpose(0, 1) if batch_first else y
        return (y, *last)

    return run


def _cell(step: Step, has_cell: bool) -> Callable[..., Any]:
    """`torch.lstm_cell`, `torch.gru_cell`, `torch.rnn_tanh_cell` or `torch.rnn_relu_cell`."""

    def run(
        x: Tensor,
        state: Any,
        of_input: Tensor,
        of_state: Tensor,
        input_bias: Tensor | None = None,
        state_bias: Tensor | None = None,
    ) -> Any:
        biases = [bias for bias in (input_bias, state_bias) if bias is not None]
        weights = Weights([of_input, of_state, *biases], bool(biases))
        product = F.linear(x, of_input, input_bias)
        after = step(product, tuple(state) if has_cell else (state,), weights)
        return after if has_cell else after[0]

    return run


_STEPS: dict[str, tuple[Step, bool]] = {
    "lstm": (_lstm_step, True),
    "gru": (_gru_step, False),
    "rnn_tanh": (_rnn_step(torch.tanh), False),
    "rnn_relu": (_rnn_step(torch.relu), False),
}

#: Function of torch -> the same, step by step.
RECURRENT: dict[Any, Callable[..., Any]] = {
    **{getattr(torch, name): _network(*step) for name, step in _STEPS.items()},
    **{getattr(torch, f"{name}_cell"): _cell(*step) for name, step in _STEPS.items()},
}
