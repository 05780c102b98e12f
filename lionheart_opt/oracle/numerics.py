"""What each target of a system computes with, and what a mapping makes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import nn

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import Collected, InputError, unknown
from lionheart_opt.mapping import Mapping
from lionheart_opt.models.torch_state import usual_torch
from lionheart_opt.oracle.digital import CALIBRATION_EXAMPLES, Digital, aliases, weights_of
from lionheart_opt.oracle.engine import Engine
from lionheart_opt.oracle.rpu import rpu_config, rpu_digest
from lionheart_opt.oracle.settings import OracleSettings
from lionheart_opt.oracle.stuck import with_stuck_devices
from lionheart_opt.system import Numerics, System, Target
from lionheart_opt.tasks import batches
from lionheart_opt.tasks.batches import Inputs
from lionheart_opt.workload import Layer, Workload


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """Where the weight matrices of a network are.

    Args:
        analog: Path of a matrix -> the analog target whose tiles hold it, in execution order.
        digital: Path of a matrix -> its numerics, on digital targets that do not compute as the host.
    """

    analog: dict[str, str]
    digital: dict[str, Numerics]

    def fits(self, others: Iterable[Placed]) -> bool:
        """Whether a network can serve it and all of the others: no matrix is on tiles of two targets."""
        return all(
            self.digital == other.digital
            and all(
                other.analog.get(path, target) == target for path, target in self.analog.items()
            )
            for other in others
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetNumerics:
    """What the targets of a system compute with.

    Args:
        system: The system.
        rpu_configs: Name of an analog target -> its aihwkit `TorchInferenceRPUConfig`.
        names: Name of an analog target -> name of its configuration.
    """

    system: System
    rpu_configs: dict[str, Any]
    names: dict[str, str]

    @classmethod
    @usual_torch()
    def of(cls, system: System, settings: OracleSettings, where: str = "") -> TargetNumerics:
        """The numerics of a system's targets, with the RPU configurations that the settings name.

        Args:
            system: The system.
            settings: The oracle's settings.
            where: What error messages call them.

        Raises:
            InputError: A target has no RPU configuration, or one that cannot be used. All of it is said.
        """
        wrong = Collected()
        with wrong.collect():
            _check_names(system, settings.rpu_config, where)
        wrong.refuse()
        if settings.stuck is not None and not system.analog_targets:
            raise InputError(
                f"{where} stuck: system {system.name!r} has no analog target; leave it out".lstrip()
            )
        names: dict[str, str] = {}
        configs: dict[str, Any] = {}
        for target in map(system.target, system.analog_targets):
            with wrong.collect():
                names[target.name] = _name(target, system, settings.rpu_config, where)
        known: dict[str, Any] = {}
        for target_name, name in names.items():
            if name not in known:
                with wrong.collect():
                    known[name] = _with_stuck(rpu_config(name, where), name, settings, where)
            configs[target_name] = known.get(name)
        wrong.refuse()
        return cls(system=system, rpu_configs=configs, names=names)

    @property
    def host(self) -> Numerics:
        """Numerics of everything that no unit holds."""
        return self.system.target(self.system.host).numerics

    @property
    def name(self) -> str | dict[str, str] | None:
        """Name of the RPU configuration of all analog targets, or of that of each; None without any."""
        if len(set(self.names.values())) > 1:
            return self.names
        return next(iter(self.names.values()), None)

    def placed(self, workload: Workload, mapping: Mapping) -> Placed:
        """Where a mapping has the weight matrices of a workload."""
        analog: dict[str, str] = {}
        digital: dict[str, Numerics] = {}
        for unit in workload.units:
            target = self.system.target(mapping[unit.name])
            for path in workload.paths_of(unit):
                if target.numerics == "analog":
                    analog[path] = target.name
                elif target.numerics != self.host:
                    digital[path] = target.numerics
        return Placed(analog=analog, digital=digital)

    def digital(self, placed: Placed, examples: Examples) -> Digital | None:
        """What matrices compute in that are not analog; None is floating point.

        Args:
            placed: Where the matrices are.
            examples: The training data.
        """
        if {self.host, *placed.digital.values()} == {"fp32"}:
            return None
        inputs = calibration_inputs(examples)
        return Digital(host=self.host, others=placed.digital, inputs=inputs)

    def configs(self, placed: Placed) -> dict[str, Any]:
        """Path of an analog matrix -> its RPU configuration."""
        return {path: self.rpu_configs[target] for path, target in placed.analog.items()}

    def choices(self, workload: Workload, digital: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Unit -> the analog targets that can run it, for the units that have any.

        Args:
            workload: The workload.
            digital: Names of units that are never analog.
        """
        analog = self.system.analog_targets
        choices = {
            unit.name: tuple(n for n in self.system.targets_of(workload, unit) if n in analog)
            for unit in workload.crossbar_units
            if unit.name not in digital
        }
        return {unit: targets for unit, targets in choices.items() if targets}

    @property
    def identity(self) -> dict[str, Any]:
        """What decides results, as plain data; keys that are None are those of floating-point hosts."""
        digests = {name: rpu_digest(config) for name, config in self.rpu_configs.items()}
        formats = {t.name: t.numerics for t in self.system.targets if t.numerics != "analog"}
        is_exact = set(formats.values()) == {"fp32"}
        return {
            # a single one as in records of versions that knew no other
            "rpu_config": digests
            if len(set(digests.values())) > 1
            else next(iter(digests.values()), None),
            "numerics": None if is_exact else formats,
            "calibration_examples": None if is_exact else CALIBRATION_EXAMPLES,
        }


def calibration_inputs(examples: Examples) -> Inputs:
    """What ranges of inputs are calibrated on: training examples, evenly spread over all of them."""
    count = min(CALIBRATION_EXAMPLES, len(examples))
    numbers = np.array([number * len(examples) // count for number in range(count)])
    return examples.task.feed(examples[numbers].loaded.inputs)


def _with_stuck(config: Any, name: str, settings: OracleSettings, where: str) -> Any:
    """The configuration with the stuck devices that the settings ask for."""
    if settings.stuck is None:
        return config
    try:
        return with_stuck_devices(config, **settings.stuck.model_dump())
    except InputError as error:
        raise InputError(f"{where} rpu_config {name!r}: {error}".lstrip()) from error


def _check_names(system: System, given: str | dict[str, str] | None, where: str) -> None:
    """Refuse settings for targets that do not exist, or are not analog."""
    if isinstance(given, dict):
        for name in given:
            if name not in system.analog_targets:
                raise unknown("analog target", name, system.analog_targets, f"{where} rpu_config")


def _name(target: Target, system: System, given: str | dict[str, str] | None, where: str) -> str:
    """Name of the RPU configuration of an analog target."""
    name = given.get(target.name) if isinstance(given, dict) else given
    name = target.rpu_config if name is None else name
    if name is None:
        raise InputError(
            f"{where}: target {target.name!r} of system {system.name!r} has no RPU configuration; set "
            f"rpu_config in [targets.{target.name}] of the system, or in [oracle]".removeprefix(
                ": "
            )
        )
    return name


def check_products(
    engine: Engine, network: nn.Module, digital: Digital, workload: Workload
) -> None:
    """Refuse a network that multiplies with weights in ways that only floating point is simulated for.

    Args:
        engine: What makes networks.
        network: The floating-point network in evaluation mode.
        digital: What its matrices compute in.
        workload: Its trace.

    Raises:
        InputError: There are more products with weights in the trace than are simulated.
    """
    few = replace(digital, inputs=batches.select(digital.inputs, slice(0, 1)))
    simulated = engine.analog(network, (), {}, few).eval().digital
    assert simulated is not None
    expected = Counter(
        _parameter(network, workload, layer)
        for layer in workload.layers
        if layer.macs and layer.weight_count and layer.kind != "embedding_bag"
        if digital.host != "fp32" or layer.module in digital.others
    )
    for name in expected:
        if name.endswith("in_proj_weight"):  # torch computes up to three projections as one product
            expected[name] = -(-expected[name] // 3)
    counts = simulated.counts
    missing = [name for name in expected if name and counts[name] < expected[name]]
    if not missing and counts.total() >= expected.total():
        return
    formats = " and ".join(dict.fromkeys([digital.host, *digital.others.values()]))
    which = ", ".join(map(repr, missing)) or "layers that are no units"
    raise InputError(
        f"products with the weights of {which} cannot be computed in {formats}: they are computed in "
        "every pass, or used by a function that is not known; make them parameters, or choose fp32"
    )


def _parameter(network: nn.Module, workload: Workload, layer: Layer) -> str:
    """Path of the parameter that a layer multiplies with; empty if the trace does not say it."""
    if layer.name not in workload.unit_of:
        return ""
    try:
        return aliases(network, weights_of(network, layer.module).parameter)[0]
    except InputError:
        return layer.module
