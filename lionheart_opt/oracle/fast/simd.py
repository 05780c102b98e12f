"""Vectors of eight float32 or uint32 numbers, or of eight pairs of int16 numbers, for numba kernels.

numba leaves vectorising to LLVM, which does not vectorise the short loops with many running sums that
the fast engine consists of. Each function here is one LLVM vector instruction (AVX on x86; LLVM splits
it where registers are narrower). Addresses are not checked.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 8

_WORD, _FLOAT, _BYTE = ir.IntType(32), ir.FloatType(), ir.IntType(8)
_FLOATS = ir.VectorType(_FLOAT, LANES)
_WORDS = ir.VectorType(_WORD, LANES)
_SHORTS = ir.VectorType(ir.IntType(16), LANES)
_PAIRS = ir.VectorType(ir.IntType(16), 2 * LANES)


class Floats(types.Type):
    """Eight float32 numbers."""

    def __init__(self) -> None:
        super().__init__(name="float32x8")


class Words(types.Type):
    """Eight uint32 numbers; arithmetic wraps around."""

    def __init__(self) -> None:
        super().__init__(name="uint32x8")


class Pairs(types.Type):
    """Eight pairs of int16 numbers."""

    def __init__(self) -> None:
        super().__init__(name="int16x2x8")


@register_model(Floats)
class _FloatsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _FLOATS)  # type: ignore[no-untyped-call]


@register_model(Words)
class _WordsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _WORDS)  # type: ignore[no-untyped-call]


@register_model(Pairs)
class _PairsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _PAIRS)  # type: ignore[no-untyped-call]


_floats, _words, _pairs = Floats(), Words(), Pairs()
_array, _shorts, _index = types.float32[::1], types.int16[::1], types.intp
_indices = types.int64[::1]


def _operation(result: Any, operands: tuple[Any, ...], emit: Callable[..., Any]) -> Any:
    """A function for kernels. `emit(builder, *values)` makes its instructions; arrays become pointers."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointers = [
            context.make_array(kind)(context, builder, value).data
            if kind in (_array, _shorts, _indices)
            else value
            for kind, value in zip(signature.args, values, strict=True)
        ]
        made = emit(builder, *pointers)
        return context.get_dummy_value() if result is types.void else made

    def operation(*_: Any) -> Any:
        return result(*operands), generate

    # numba counts parameters: the typing context, then the operands
    names = [Parameter(f"_{i}", Parameter.POSITIONAL_ONLY) for i in range(1 + len(operands))]
    vars(operation)["__signature__"] = Signature(names)
    return intrinsic(operation)


def _llvm(name: str, result: Any = _FLOATS) -> Callable[..., Any]:
    """An `emit` that calls an LLVM intrinsic."""

    def emit(builder: Any, *values: Any) -> Any:
        signature = ir.FunctionType(result, [value.type for value in values])
        insert: Any = cgutils.get_or_insert_function
        return builder.call(insert(builder.module, signature, name), values)

    return emit


def _spread(builder: Any, scalar: Any) -> Any:
    """A scalar in every lane."""
    empty = ir.Constant(ir.VectorType(scalar.type, LANES), ir.Undefined)
    first = builder.insert_element(empty, scalar, _WORD(0))
    return builder.shuffle_vector(first, empty, ir.Constant(_WORDS, [0] * LANES))


def _load(builder: Any, array: Any, index: Any) -> Any:
    address = builder.bitcast(builder.gep(array, [index]), _FLOATS.as_pointer())
    values = builder.load(address)
    values.align = 4
    return values


def _store(builder: Any, array: Any, index: Any, values: Any) -> None:
    address = builder.bitcast(builder.gep(array, [index]), _FLOATS.as_pointer())
    builder.store(values, address).align = 4


def _load_shorts(builder: Any, array: Any, index: Any) -> Any:
    address = builder.bitcast(builder.gep(array, [index]), _SHORTS.as_pointer())
    values = builder.load(address)
    values.align = 2
    return builder.sitofp(values, _FLOATS)


def _store_shorts(builder: Any, array: Any, index: Any, values: Any) -> None:
    address = builder.bitcast(builder.gep(array, [index]), _SHORTS.as_pointer())
    builder.store(builder.fptosi(values, _SHORTS), address).align = 2


def _store_low(builder: Any, array: Any, index: Any, words: Any) -> None:
    address = builder.bitcast(builder.gep(array, [index]), _SHORTS.as_pointer())
    builder.store(builder.trunc(words, _SHORTS), address).align = 2


def _load_pairs(builder: Any, array: Any, index: Any) -> Any:
    address = builder.bitcast(builder.gep(array, [index]), _PAIRS.as_pointer())
    values = builder.load(address)
    values.align = 2
    return values


def _broadcast_pair(builder: Any, array: Any, index: Any) -> Any:
    address = builder.bitcast(builder.gep(array, [index]), _WORD.as_pointer())
    pair = builder.load(address)
    pair.align = 2
    return builder.bitcast(_spread(builder, pair), _PAIRS)


def _add_products(builder: Any, x: Any, y: Any, sums: Any) -> Any:
    wide = ir.VectorType(_WORD, 2 * LANES)
    products = builder.mul(builder.sext(x, wide), builder.sext(y, wide))
    for first in (0, 1):
        chosen = ir.Constant(_WORDS, list(range(first, 2 * LANES, 2)))
        sums = builder.add(sums, builder.shuffle_vector(products, products, chosen))
    return sums


def _within(builder: Any, x: Any, bound: Any, values: Any) -> Any:
    inside = builder.fcmp_ordered("<=", _llvm("llvm.fabs.v8f32")(builder, x), bound)
    return builder.select(inside, values, ir.Constant(_FLOATS, [0.0] * LANES))


def _equal(builder: Any, x: Any, y: Any) -> Any:
    return builder.sext(builder.fcmp_ordered("==", x, y), _WORDS)


def _any_set(builder: Any, x: Any) -> Any:
    set_lanes = builder.icmp_unsigned("!=", x, ir.Constant(_WORDS, [0] * LANES))
    return builder.icmp_unsigned("!=", builder.bitcast(set_lanes, _BYTE), _BYTE(0))


def _maximum(builder: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", x, y), x, y)


def _larger(builder: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.icmp_unsigned(">", x, y), x, y)


def _reduce(combine: Callable[..., Any]) -> Callable[..., Any]:
    """An `emit` that combines the halves of a vector again and again, down to one number."""

    def emit(builder: Any, x: Any) -> Any:
        for distance in (4, 2, 1):
            others = [(lane + distance) % LANES for lane in range(LANES)]
            x = combine(builder, x, builder.shuffle_vector(x, x, ir.Constant(_WORDS, others)))
        return builder.extract_element(x, _WORD(0))

    return emit


_one, _two = (_floats,), (_floats, _floats)
_two_words, _shift = (_words, _words), (_words, types.uint32)

#: load(array, index), store(array, index, vector): eight numbers of a float32 array.
load = _operation(_floats, (_array, _index), _load)
store = _operation(types.void, (_array, _index, _floats), _store)
#: load_shorts(array, index), store_shorts(array, index, vector): whole numbers that an int16 array holds.
load_shorts = _operation(_floats, (_shorts, _index), _load_shorts)
store_shorts = _operation(types.void, (_shorts, _index, _floats), _store_shorts)
#: store_low(array, index, words): the lower 16 bits of words, in an int16 array.
store_low = _operation(types.void, (_shorts, _index, _words), _store_low)
#: load_pairs(array, index): eight pairs of an int16 array; broadcast_pair(array, index): one of them.
load_pairs = _operation(_pairs, (_shorts, _index), _load_pairs)
broadcast_pair = _operation(_pairs, (_shorts, _index), _broadcast_pair)
#: add_products(x, y, sums): sums plus the products of the first and of the second numbers of pairs.
add_products = _operation(_words, (_pairs, _pairs, _words), _add_products)
#: get(array, index), put(array, index, number): one number, without support for negative indices.
get = _operation(types.float32, (_array, _index), lambda b, a, i: b.load(b.gep(a, [i])))
put = _operation(
    types.void, (_array, _index, types.float32), lambda b, a, i, x: b.store(x, b.gep(a, [i]))
)
#: index_at(array, index): one number of an int64 array, likewise.
index_at = _operation(types.int64, (_indices, _index), lambda b, a, i: b.load(b.gep(a, [i])))
#: get_bits(array, index): the bits of one number; number_of(bits): the number.
get_bits = _operation(
    types.uint32, (_array, _index), lambda b, a, i: b.bitcast(b.load(b.gep(a, [i])), _WORD)
)
number_of = _operation(types.float32, (types.uint32,), lambda b, x: b.bitcast(x, _FLOAT))
#: broadcast(array, index): one number in every lane; splat(number).
broadcast = _operation(_floats, (_array, _index), lambda b, a, i: _spread(b, b.load(b.gep(a, [i]))))
splat = _operation(_floats, (types.float32,), _spread)

add = _operation(_floats, _two, lambda b, x, y: b.fadd(x, y))
subtract = _operation(_floats, _two, lambda b, x, y: b.fsub(x, y))
multiply = _operation(_floats, _two, lambda b, x, y: b.fmul(x, y))
divided = _operation(_floats, _two, lambda b, x, y: b.fdiv(x, y))
#: where_at_most(x, bound, y, z): y where x <= bound, z elsewhere.
where_at_most = _operation(
    _floats,
    (_floats,) * 4,
    lambda b, x, bound, y, z: b.select(b.fcmp_ordered("<=", x, bound), y, z),
)
#: fma(x, y, z): x y + z, rounded once.
fma = _operation(_floats, (_floats, *_two), _llvm("llvm.fma.v8f32"))
negative = _operation(_floats, _one, lambda b, x: b.fneg(x))
#: maximum(x, y), minimum(x, y): y where x or y is NaN.
maximum = _operation(_floats, _two, _maximum)
minimum = _operation(_floats, _two, lambda b, x, y: b.select(b.fcmp_ordered("<", x, y), x, y))
magnitude = _operation(_floats, _one, _llvm("llvm.fabs.v8f32"))
#: nearest(x): the nearest whole numbers; halves are rounded to even numbers.
nearest = _operation(_floats, _one, _llvm("llvm.rint.v8f32"))
root = _operation(_floats, _one, _llvm("llvm.sqrt.v8f32"))
#: within(x, bound, values): the values where |x| <= bound, 0 elsewhere.
within = _operation(_floats, (_floats, *_two), _within)
#: equal(x, y): all bits set where x = y; any_set(words): whether any bit is set.
equal = _operation(_words, _two, _equal)
any_set = _operation(types.boolean, (_words,), _any_set)
largest = _operation(types.float32, _one, _reduce(_maximum))
total = _operation(types.float32, _one, _reduce(lambda b, x, y: b.fadd(x, y)))

#: lane_numbers(): 0 to 7.
lane_numbers = _operation(_words, (), lambda b: ir.Constant(_WORDS, list(range(LANES))))  # noqa: ARG005
splat_word = _operation(_words, (types.uint32,), _spread)
add_words = _operation(_words, _two_words, lambda b, x, y: b.add(x, y))
subtract_words = _operation(_words, _two_words, lambda b, x, y: b.sub(x, y))
multiply_words = _operation(_words, _two_words, lambda b, x, y: b.mul(x, y))
#: larger_words(x, y), largest_word(x): the larger ones; the largest of eight.
larger_words = _operation(_words, _two_words, _larger)
largest_word = _operation(types.uint32, (_words,), _reduce(_larger))
either = _operation(_words, _two_words, lambda b, x, y: b.or_(x, y))
both = _operation(_words, _two_words, lambda b, x, y: b.and_(x, y))
xor = _operation(_words, _two_words, lambda b, x, y: b.xor(x, y))
shift_left = _operation(_words, _shift, lambda b, x, n: b.shl(x, _spread(b, n)))
shift_right = _operation(_words, _shift, lambda b, x, n: b.lshr(x, _spread(b, n)))
shift_right_signed = _operation(_words, _shift, lambda b, x, n: b.ashr(x, _spread(b, n)))
#: from_signed(x): the words as signed numbers, converted to float32.
from_signed = _operation(_floats, (_words,), lambda b, x: b.sitofp(x, _FLOATS))
bits = _operation(_words, _one, lambda b, x: b.bitcast(x, _WORDS))
from_bits = _operation(_floats, (_words,), lambda b, x: b.bitcast(x, _FLOATS))
