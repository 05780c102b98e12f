"""A network of three layers, made-up images of four classes, and the oracle on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from aihwkit.inference import PCMLikeNoiseModel
from torch import nn

from lionheart_opt.datasets.splits import Examples, Splits, split
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.oracle.hat import HatOracle
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.settings import HatRecipe, OracleSettings, PretrainRecipe
from lionheart_opt.oracle.store import WeightStore
from lionheart_opt.oracle.stuck import with_stuck_devices
from lionheart_opt.system import Numerics, System, Target
from lionheart_opt.workload import INPUT, Layer, Mvm, Unit, Workload

NAMES = ("conv1", "conv2", "linear")


class SmallNetwork(nn.Module):
    """Two convolutions with batch norm, dropout and a linear layer, all at the top level."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.dropout = nn.Dropout(0.1)
        self.linear = nn.Linear(8, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images = torch.relu(self.norm(self.conv1(images)))
        images = torch.relu(self.conv2(images)).amax((2, 3))
        return self.linear(self.dropout(images))


def small_network(seed: int = 0) -> SmallNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return SmallNetwork()


def made_up_examples(n: int, seed: int) -> Examples:
    """Bars in one of four directions, at random places, in noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=n)
    images = rng.normal(0.0, 0.5, (n, 1, 8, 8))
    for image, label in zip(images[:, 0], labels, strict=True):
        at = rng.integers(1, 7)
        square = np.zeros((8, 8))
        square[at] = 1.0
        diagonal = np.eye(8, k=at - 4)
        image += [square, square.T, diagonal, diagonal[::-1]][label]
    return Examples(inputs=torch.tensor(images, dtype=torch.float32), targets=torch.tensor(labels))


def small_splits() -> Splits:
    return split(made_up_examples(400, 1), made_up_examples(150, 2), 0.25, seed=0)


def small_workload() -> Workload:
    layers = [
        Layer(
            name=name,
            kind="linear" if name == "linear" else "conv2d",
            module=name,
            inputs=(before,),
            input_shapes=((1, 1, 8, 8),),
            output_shape=(1, 4),
            macs=macs,
            weight_count=1,
            mvm=Mvm(rows=1, columns=1, count=macs),
        )
        for name, before, macs in zip(NAMES, (INPUT, *NAMES), (300, 500, 100), strict=False)
    ]
    units = tuple(Unit(name=name, layers=(name,)) for name in NAMES)
    return Workload(name="small", layers=tuple(layers), units=units)


def small_system(host: Numerics = "fp32", **others: str) -> System:
    """A host, a tile of LionHeart's, and other targets that can run everything.

    Args:
        host: Numerics of the host.
        others: Name of another target -> its numerics, or the RPU configuration of its tiles.
    """
    digital = {"fp32", "fp16", "int8", "int4", "ternary"}
    targets = [Target(name="cpu", source="made up", numerics=host, kinds=("*",))]
    for name, what in {"tile": "lionheart", **others}.items():
        is_analog = what not in digital
        targets.append(
            Target(
                name=name,
                source="made up",
                numerics="analog" if is_analog else what,  # type: ignore[arg-type]
                rpu_config=what if is_analog else None,
                kinds=("*",),
            )
        )
    return System(
        name="small", family="none", description="made up", host="cpu", targets=tuple(targets)
    )


def mapping(*analog: str) -> Mapping:
    return Mapping.of({name: "tile" if name in analog else "cpu" for name in NAMES})


def candidate(*analog: str) -> Candidate:
    return Candidate(mapping(*analog))


SETTINGS = OracleSettings(
    pretrain=PretrainRecipe(epochs=12, batch_size=32, learning_rate=0.1),
    hat=HatRecipe(epochs=3, short_epochs=1, one_shot_epochs=2, batch_size=64),
    times_s=(1.0, 86400.0),
    device="cpu",
)


def small_oracle(
    folder: Path, settings: OracleSettings = SETTINGS, system: System | None = None
) -> HatOracle:
    return HatOracle(
        workload=small_workload(),
        system=system or small_system(),
        model=small_network(),
        splits=small_splits(),
        settings=settings,
        store=WeightStore.folder(folder),
    )


# --- RPU configurations, for `oracle_setup:name` ---


def ideal() -> Any:
    """Analog tiles without any flaw."""
    config = lionheart()
    config.forward.is_perfect = True
    config.noise_model = PCMLikeNoiseModel(
        prog_noise_scale=0.0, read_noise_scale=0.0, drift_scale=0.0
    )
    return config


def quiet() -> Any:
    """LionHeart's configuration without output noise."""
    config = lionheart()
    config.forward.out_noise = 0.0
    return config


def half_dead() -> Any:
    """LionHeart's configuration with stuck devices of its own."""
    return with_stuck_devices(lionheart(), at_g_min=0.5)


def analog_bias() -> Any:
    """A configuration with an analog bias, which cannot be used."""
    config = lionheart()
    config.mapping.digital_bias = False
    return config


def lost_scales() -> Any:
    """A configuration that learns output scales which are lost when weights are mapped again."""
    config = lionheart()
    config.mapping.weight_scaling_omega = 0.0
    config.remap.type = type(config.remap.type).NONE
    return config
