"""`torch.einsum` of activations and a weight matrix, as a product of vectors with the matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from string import ascii_letters
from typing import NamedTuple

from torch import Tensor


class EinsumProduct(NamedTuple):
    """An equation as a product of vectors with a matrix.

    Attributes:
        x: The vectors, shape (..., n_inputs).
        weight: The matrix, shape (n_outputs, n_inputs).
        outputs: Dimensions of the operand that are those of the outputs.
        finish: From outputs of shape (..., n_outputs) to the result of the equation.
    """

    x: Tensor
    weight: Tensor
    outputs: tuple[int, ...]
    finish: Callable[[Tensor], Tensor]


def einsum_product(equation: str, operands: Sequence[Tensor], number: int) -> EinsumProduct | None:
    """The product that an equation describes.

    Args:
        equation: The equation of two operands.
        operands: The operands.
        number: Which of them is the weight, 0 or 1.

    Returns:
        None if the equation is another kind of product.
    """
    left, arrow, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != 2:
        return None
    weight, x = operands[number], operands[1 - number]
    free = iter(letter for letter in ascii_letters if letter not in equation)
    term = terms[1 - number]
    more = "".join(next(free) for _ in range(x.dim() - len(term.replace("...", ""))))
    if ("..." in term) != bool(more) and more:
        return None
    of_x, of_weight = term.replace("...", more), terms[number]
    if arrow:
        result = result.replace("...", more)
    else:  # torch's order: what the ellipsis stands for, then letters that occur once
        result = more + "".join(sorted(c for c in set(left) if c.isalpha() and left.count(c) == 1))
    inputs = [letter for letter in of_weight if letter in of_x]
    outputs = [letter for letter in of_weight if letter not in of_x]
    others = [letter for letter in of_x if letter not in inputs]
    if (
        "." in of_weight
        or len(set(of_weight)) != len(of_weight)
        or len(set(of_x)) != len(of_x)
        or sorted(result) != sorted(outputs + others)
        or not inputs
    ):
        return None
    x_size = dict(zip(of_x, x.shape, strict=True))
    w_size = dict(zip(of_weight, weight.shape, strict=True))
    if any(x_size[letter] != w_size[letter] for letter in inputs):
        return None
    x = x.permute([of_x.index(letter) for letter in others + inputs])
    x = x.reshape([x_size[letter] for letter in others] + [prod(w_size[c] for c in inputs)])
    weight = weight.permute([of_weight.index(letter) for letter in outputs + inputs])
    n_outputs = prod(w_size[letter] for letter in outputs)
    weight = weight.reshape(n_outputs, -1)

    def finish(y: Tensor) -> Tensor:
        letters = others + outputs
        y = y.reshape([x_size[c] for c in others] + [w_size[c] for c in outputs])
        return y.permute([letters.index(letter) for letter in result])

    return EinsumProduct(x, weight, tuple(of_weight.index(letter) for letter in outputs), finish)
