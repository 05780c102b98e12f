"""A layer repeats its work for a batch, and is read back from plain data."""

from dataclasses import asdict

import pytest

from lionheart_opt import InputError
from lionheart_opt.layer import INPUT, Layer, Mvm, layer_from_json


def convolution() -> Layer:
    return Layer(
        name="conv",
        kind="conv2d",
        module="conv",
        inputs=(INPUT,),
        input_shapes=((1, 3, 8, 8),),
        output_shape=(1, 4, 6, 6),
        macs=36 * 27 * 4,
        weight_count=27 * 4,
        bias_count=4,
        mvm=Mvm(rows=27, columns=4, count=36),
        kernel=(3, 3),
        stride=(1, 1),
        padding=(0, 0),
    )


def test_activations_and_work_grow_and_weights_do_not() -> None:
    whole = convolution().repeated(5)
    assert whole.input_shapes == ((5, 3, 8, 8),)
    assert whole.output_shape == (5, 4, 6, 6)
    assert (whole.macs, whole.mvm) == (5 * 36 * 27 * 4, Mvm(rows=27, columns=4, count=180))
    assert (whole.weight_count, whole.bias_count) == (27 * 4, 4)


def test_a_number_grows_to_a_vector() -> None:
    layer = Layer(
        name="sum", kind="sum", module="", inputs=(INPUT,), input_shapes=((1, 4),), output_shape=()
    )
    assert layer.repeated(3).output_count == 3


def test_a_vector_without_a_batch_gets_one() -> None:
    """Its elements are the outputs of one inference, however many there are."""
    vector = {"input_shapes": ((4,),), "output_shape": (50,), "macs": 200, "weight_count": 200}
    layer = Layer(name="fc", kind="linear", module="", inputs=(INPUT,), **vector)  # type: ignore[arg-type]
    whole = layer.repeated(3)
    assert whole.input_shapes == ((3, 4),) and whole.output_shape == (3, 50)


def test_it_survives_json() -> None:
    assert layer_from_json(asdict(convolution())) == convolution()
    with pytest.raises(InputError, match="macs: got -1"):
        layer_from_json({**asdict(convolution()), "macs": -1})
