"""Layers on maps of 4 channels and 6x6 pixels, and networks of them, to price by hand."""

from lionheart_opt.system import Machine, System, Target
from lionheart_opt.workload import INPUT, Layer, Mvm, Unit, Workload

IMAGE = (1, 4, 6, 6)


def operator(name: str, kind: str, *sources: str, **fields: object) -> Layer:
    """A layer on maps of 4 channels and 6x6 pixels."""
    sources = sources or (INPUT,)
    given = {"input_shapes": (IMAGE,) * len(sources), "output_shape": IMAGE, **fields}
    return Layer(name=name, kind=kind, module=name, inputs=sources, **given)  # type: ignore[arg-type]


def convolution(name: str, *sources: str, channels: int = 4, stride: int = 1) -> Layer:
    """3x3, from 4 channels."""
    side = 6 // stride
    return operator(
        name,
        "conv2d",
        *sources,
        output_shape=(1, channels, side, side),
        macs=36 * channels * side**2,
        weight_count=36 * channels,
        mvm=Mvm(rows=36, columns=channels, count=side**2),
        kernel=(3, 3),
        stride=(stride, stride),
        padding=(1, 1),
    )


def network(*layers: Layer) -> Workload:
    units = tuple(
        Unit(name=layer.name, layers=(layer.name,)) for layer in layers if layer.weight_count
    )
    return Workload(name="network", layers=layers, units=units)


def two_targets() -> System:
    """A host of 1 GHz and a tile for convolutions."""
    return System(
        name="made up",
        family="none",
        description="a processor and a tile",
        host="cpu",
        targets=(
            Target(name="cpu", source="made up", numerics="int8", kinds=("*",)),
            Target(name="tile", source="made up", numerics="analog", kinds=("conv2d",)),
        ),
        machine=Machine(source="made up", parameters={"clock_hz": 1e9, "mode": "fast"}),
    )
