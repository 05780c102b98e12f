"""Made-up problems, small enough to solve by brute force: for tests and quick comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.cost import Cost, CostObjective, LayerCost
from lionheart_opt.cost_tables import CostTables
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.mapping import TRAININGS, Candidate, Mapping, Training
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.problem import Objective, Problem
from lionheart_opt.questions import (
    Answer,
    Divergences,
    LearnedShares,
    Proxies,
    Question,
    cannot_answer,
)
from lionheart_opt.space import every_mapping
from lionheart_opt.system import System, Target
from lionheart_opt.workload import INPUT, Layer, Mvm, Shape, Unit, Workload

_SOURCE = "made up"


def _target(
    name: str, numerics: Literal["analog", "int8", "fp32"], mac_s: float, mac_j: float
) -> Target:
    """A target with seconds and joules for each MAC; only the host runs more than linear layers."""
    return Target(
        name=name,
        numerics=numerics,
        kinds=("*",) if name == "cpu" else ("linear",),
        source=_SOURCE,
        parameters={"mac_s": mac_s, "mac_j": mac_j},
    )


_TARGETS = {
    target.name: target
    for target in (
        _target("cpu", "fp32", 1e-9, 1e-11),
        _target("tile", "analog", 5e-11, 1e-12),
        _target("sram", "analog", 2e-10, 1.5e-12),
        _target("slow", "analog", 4e-9, 4e-11),
        _target("npu", "int8", 4e-10, 2e-12),
    )
}
#: Accuracy that a unit loses on each analog target, relative to the tile.
_LOSSES = {"tile": 1.0, "sram": 0.3, "slow": 0.1}
#: Time and energy of one activation that moves to another target.
_CROSSING_S = 2e-8
_CROSSING_J = 2e-10


def synthetic_workload(macs: Sequence[int], name: str = "synthetic") -> Workload:
    """Fully connected layers in a chain, each a unit, with a residual addition after every second one.

    Args:
        macs: MACs of each layer, rounded to the nearest square.
        name: Name of the workload.
    """
    layers: list[Layer] = []
    units: list[Unit] = []
    last, skipped = INPUT, INPUT
    for k, count in enumerate(macs):
        width = max(2, round(count**0.5))
        layers.append(
            Layer(
                name=f"fc{k}",
                kind="linear",
                module=f"fc{k}",
                inputs=(last,),
                input_shapes=((1, width),),
                output_shape=(1, width),
                macs=width * width,
                weight_count=width * width,
                mvm=Mvm(rows=width, columns=width, count=1),
            )
        )
        units.append(Unit(name=f"fc{k}", layers=(f"fc{k}",)))
        last = f"fc{k}"
        if k % 2:
            layers.append(
                Layer(
                    name=f"add{k}",
                    kind="add",
                    module="",
                    inputs=(last, skipped),
                    input_shapes=((1, width), (1, width)),
                    output_shape=(1, width),
                )
            )
            last = skipped = f"add{k}"
    return Workload(name=name, layers=tuple(layers), units=tuple(units))


def convolutional_workload(channels: Sequence[int] = (16, 24, 40), side: int = 8) -> Workload:
    """A small residual network: two convolutions, a skip connection, pooling, one linear layer.

    Args:
        channels: Output channels of the two convolutions and of the linear layer.
        side: Height and width of the input, in pixels.
    """
    first, second, classes = channels
    image, wide = (1, first, side, side), (1, second, side, side)

    def convolution(name: str, source: str, inside: int, outside: int) -> Layer:
        return Layer(
            name=name,
            kind="conv2d",
            module=name,
            inputs=(source,),
            input_shapes=((1, inside, side, side),),
            output_shape=(1, outside, side, side),
            macs=inside * outside * 9 * side * side,
            weight_count=inside * outside * 9,
            mvm=Mvm(rows=inside * 9, columns=outside, count=side * side),
            kernel=(3, 3),
            stride=(1, 1),
            padding=(1, 1),
        )

    def plain(name: str, kind: str, sources: tuple[str, ...], shape: Shape) -> Layer:
        return Layer(
            name=name,
            kind=kind,
            module="",
            inputs=sources,
            input_shapes=(shape,) * len(sources),
            output_shape=shape,
        )

    layers = (
        convolution("conv1", INPUT, 3, first),
        plain("relu1", "relu", ("conv1",), image),
        convolution("conv2", "relu1", first, second),
        convolution("shortcut", "relu1", first, second),
        plain("add", "add", ("conv2", "shortcut"), wide),
        replace(
            plain("pool", "avg_pool2d", ("add",), wide),
            output_shape=(1, second),
            kernel=(side,) * 2,
        ),
        Layer(
            name="fc",
            kind="linear",
            module="fc",
            inputs=("pool",),
            input_shapes=((1, second),),
            output_shape=(1, classes),
            macs=second * classes,
            weight_count=second * classes,
            bias_count=classes,
            mvm=Mvm(rows=second, columns=classes, count=1),
        ),
    )
    units = tuple(Unit(name=layer.name, layers=(layer.name,)) for layer in layers if layer.mvm)
    return Workload(name="convolutional", layers=layers, units=units)


def synthetic_system(targets: Sequence[str] = ("cpu", "tile")) -> System:
    """A host `cpu` with any of: an analog `tile`, a slower, more accurate `sram`, `slow`, an int8 `npu`.

    `slow` is analog, too, but takes more time and energy than the host: it is worse than doing nothing.
    """
    return System(
        name="synthetic",
        family="synthetic",
        description="made up",
        host="cpu",
        targets=tuple(_TARGETS[name] for name in targets),
    )


@dataclass(frozen=True)
class SyntheticCosts:
    """An additive cost model: seconds and joules for each MAC and for each activation that moves."""

    system: System

    def _mac(self, target: str) -> np.ndarray:
        parameters = self.system.target(target).parameters
        return np.array([float(parameters["mac_s"]), float(parameters["mac_j"])])

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        """Each layer's MACs on its target, and its inputs that come from another target."""
        place = {
            layer.name: mapping[workload.unit_of[layer.name]]
            if layer.name in workload.unit_of
            else self.system.host
            for layer in workload.layers
        }
        place[INPUT] = self.system.host
        layers = []
        for layer in workload.layers:
            target = place[layer.name]
            moved = sum(
                shape[-1]
                for source, shape in zip(layer.inputs, layer.input_shapes, strict=True)
                if place[source] != target
            )
            latency, energy = layer.macs * self._mac(target)
            layers.append(
                LayerCost(
                    name=layer.name,
                    kind=layer.kind,
                    target=target,
                    macs=layer.macs,
                    components={
                        "compute": (float(latency), float(energy)),
                        "transfer": (moved * _CROSSING_S, moved * _CROSSING_J),
                    },
                )
            )
        tiles = {name: len(mapping.units_on(name)) for name in self.system.analog_targets}
        return Cost(layers=tuple(layers), tiles=tiles)

    def tables(self, workload: Workload) -> CostTables:
        """The coefficients of `cost`."""
        targets = tuple(target.name for target in self.system.targets)
        numbers = {unit.name: number for number, unit in enumerate(workload.units)}
        unit_table = np.array(
            [
                [workload.unit_macs(unit) * self._mac(target) for target in targets]
                for unit in workload.units
            ]
        )
        crossing = np.array([_CROSSING_S, _CROSSING_J])
        from_host = np.array([name != self.system.host for name in targets])
        pairs, pair_tables = [], []
        for layer in workload.layers:
            for source, shape in zip(layer.inputs, layer.input_shapes, strict=True):
                ends = [workload.unit_of.get(name) for name in (source, layer.name)]
                if ends[0] is not None and ends[1] is not None:
                    pairs.append((numbers[ends[0]], numbers[ends[1]]))
                    apart = 1.0 - np.eye(len(targets))
                    pair_tables.append(apart[:, :, None] * shape[-1] * crossing)
                else:
                    for end in ends:
                        if end is not None:
                            unit_table[numbers[end]] += np.outer(from_host, shape[-1] * crossing)
        tiles = np.tile(
            [int(name in self.system.analog_targets) for name in targets], (len(numbers), 1)
        )
        shape4 = (-1, len(targets), len(targets), 2)
        return CostTables(
            units=tuple(numbers),
            targets=targets,
            fixed=np.zeros(2),
            unit=unit_table,
            pairs=np.array(pairs, dtype=np.intp).reshape(-1, 2),
            pair=np.array(pair_tables).reshape(shape4),
            tiles=tiles,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class SyntheticOracle:
    """Drops that add up over analog units and pairs of them, saturate, and vary from draw to draw.

    Args:
        units: Unit names, shape (n_units,).
        analog: Drop on each analog target, relative to `single`.
        single: Training -> drop of each unit alone, shape (n_units,).
        pair: Extra drop of two analog units together, shape (n_units, n_units), upper triangle.
        noise: Standard deviation over draws, relative to the drop.
        baseline: Accuracy of the floating-point network.
        times_s: Times after programming at which accuracy is sampled, in seconds.
    """

    units: tuple[str, ...]
    analog: dict[str, float]
    single: dict[Training, np.ndarray]
    pair: np.ndarray
    noise: float = 0.1
    baseline: float = 0.9
    times_s: tuple[float, ...] = (1.0, 86_400.0)

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        """Samples of the accuracy; draw k has the same noise in every mapping."""
        on = np.array([self.analog.get(candidate.mapping[unit], 0.0) for unit in self.units])
        terms = self.single[candidate.trained_by] * on
        mean = terms.sum() + on @ self.pair @ on
        drops = np.array(
            [
                mean
                + self.noise * np.random.default_rng([seed, draw]).normal(size=len(terms)) @ terms
                for draw in range(*fidelity.draws)
            ]
        )
        later = np.array([0.8 if time == self.times_s[0] else 1.0 for time in self.times_s])
        share = 1.0 - np.exp(-np.maximum(drops, 0.0)[:, None] * later / self.baseline)
        training_s = {"none": 0.0, "one_shot": 0.0, "short": 60.0, "full": 600.0}
        return Accuracy(
            samples=self.baseline * (1.0 - share),
            times_s=self.times_s,
            baseline=self.baseline,
            training_s=training_s[candidate.trained_by],
            evaluation_s=2.0 * len(drops),
        )

    @property
    def questions(self) -> tuple[type[Question], ...]:
        """The kinds of questions that it answers: all that there are."""
        return (Proxies, LearnedShares, Divergences)

    def consult(self, question: Question, seed: int) -> Answer:  # noqa: ARG002
        """All answers follow from the drop of each unit alone; shares, also from what it saves."""
        none = dict(zip(self.units, self.single["none"].tolist(), strict=True))
        full = dict(zip(self.units, self.single["full"].tolist(), strict=True))
        if isinstance(question, Proxies):
            alone = {unit: none[unit] for unit in question.units}
            largest = {unit: drop / (2.0 + k % 3) for k, (unit, drop) in enumerate(alone.items())}
            proxies = {"hessian_trace": alone, "hessian_max_eigenvalue": largest}
            proxies["max_weight"] = dict.fromkeys(alone, 1.0)
            return Answer(values=proxies, oracle_s=5.0)
        if isinstance(question, Divergences):
            values = {unit: 0.1 * none[unit] for unit in question.units}
            said = {"divergence": values, "standard_error": dict.fromkeys(values, 0.0)}
            return Answer(values=said, oracle_s=2.0)
        if isinstance(question, LearnedShares):
            gains = {
                unit: question.strength * (digital - analog) - full[unit]
                for unit, (digital, analog) in question.prices.items()
            }
            shares = {unit: float(1 / (1 + np.exp(-100 * gain))) for unit, gain in gains.items()}
            return Answer(values={"share": shares}, oracle_s=900.0)
        raise cannot_answer(question)


def synthetic_problem(
    *,
    n_units: int,
    seed: int = 0,
    targets: Sequence[str] = ("cpu", "tile"),
    objectives: Sequence[Objective] = ("latency_s",),
    max_drop: float = 0.05,
    cost_limits: dict[CostObjective, float] | None = None,
    all_analog_drop: float = 0.25,
) -> Problem:
    """A problem drawn at random: log-normal MACs, heavy-tailed sensitivities, pairwise interaction.

    Weights with less training lose more, and rank the units a little differently.

    Args:
        n_units: Number of units, all of which can move.
        seed: Seed of the random generator; equal seeds give equal problems.
        targets: Names of targets: `cpu`, and some of `tile`, `sram`, `slow` and `npu`.
        objectives: Objectives of the problem.
        max_drop: Largest drop of its accuracy limit.
        cost_limits: Cost limits of the problem.
        all_analog_drop: Drop of the all-analog mapping with full training, roughly.
    """
    rng = np.random.default_rng(seed)
    macs = rng.lognormal(mean=11.0, sigma=1.0, size=n_units).astype(int)
    workload = synthetic_workload(macs.tolist())
    system = synthetic_system(targets)
    sensitivity = rng.lognormal(sigma=1.2, size=n_units)
    pair = np.triu(rng.normal(scale=0.3 * sensitivity.mean() / n_units, size=(n_units, n_units)), 1)
    scale = all_analog_drop / (sensitivity.sum() + pair.sum())
    loss = {"none": (3.0, 0.5), "one_shot": (1.5, 0.2), "short": (1.2, 0.1), "full": (1.0, 0.0)}
    single: dict[Training, np.ndarray] = {}
    for training in TRAININGS:
        factor, spread = loss[training]
        single[training] = scale * factor * sensitivity * rng.lognormal(sigma=spread, size=n_units)
    oracle = SyntheticOracle(
        units=tuple(unit.name for unit in workload.units),
        analog={name: _LOSSES[name] for name in system.analog_targets},
        single=single,
        pair=scale * pair,
    )
    return Problem(
        workload=workload,
        system=system,
        cost_model=SyntheticCosts(system),
        oracle=oracle,
        objectives=tuple(objectives),
        accuracy_limit=AccuracyLimit(max_drop=max_drop, time_s=86_400.0, draws=(4, 8)),
        cost_limits=cost_limits or {},
    )


def tabulated(problem: Problem) -> AccuracyTable:
    """A table of the problem's oracle: every mapping with every training."""
    candidates = [
        Candidate(mapping, training=training)
        for training in TRAININGS
        for mapping in every_mapping(problem)
    ]
    draws = problem.accuracy_limit.draws[-1]
    return AccuracyTable.measure(problem.oracle, candidates, draws, problem.seed, "made up")
