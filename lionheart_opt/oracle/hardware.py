"""Refuses hardware that does not fit the system, the network or the times: what no training can mend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from aihwkit.exceptions import AihwkitException

from lionheart_opt.errors import CannotBeAnalog, Collected, InputError
from lionheart_opt.oracle.input_ranges import check_input_ranges
from lionheart_opt.oracle.numerics import TargetNumerics
from lionheart_opt.oracle.rpu import bits_of, resolution
from lionheart_opt.oracle.seeds import seeded
from lionheart_opt.oracle.settings import OracleSettings
from lionheart_opt.oracle_context import OracleContext
from lionheart_opt.system import System
from lionheart_opt.text import first_line

#: What messages call the times of calibrations.
_MOMENTS = "calibrations on the schedule of calibration.recalibrate_every_s"


def check_hardware(
    numerics: TargetNumerics, settings: OracleSettings, context: OracleContext
) -> None:
    """Refuse RPU configurations that a study cannot use.

    Args:
        numerics: What the targets compute with.
        settings: The oracle's settings.
        context: The study.

    Raises:
        InputError: The arrays of a configuration are not those of its target, a noise model does not know
            a time, or a unit needs what aihwkit cannot compute. All of it is said.
    """
    wrong = Collected()
    moments_s = sorted(set(settings.calibration_moments_s) - set(settings.times_s))
    for name, rpu_config in numerics.rpu_configs.items():
        where = f"{context.where} rpu_config {numerics.names[name]!r}"
        with wrong.collect():
            check_array_size(rpu_config, context.system, name, where)
        with wrong.collect():
            check_converters(rpu_config, context.system, name, where)
    for rpu_config in {id(each): each for each in numerics.rpu_configs.values()}.values():
        with wrong.collect():
            check_times(rpu_config, settings.times_s, context.where)
        with wrong.collect():
            check_times(rpu_config, moments_s, context.where, _MOMENTS)
        if settings.hat.from_shared.time_s is not None:
            with wrong.collect():
                tested = (settings.test_time_s,)
                check_times(rpu_config, tested, context.where, "hat.from_shared.time_s")
    if settings.hat.input_ranges is not None:
        with wrong.collect():
            check_input_ranges(numerics.rpu_configs, f"{context.where} hat.input_ranges")
    for name, rpu_config in numerics.rpu_configs.items():
        with wrong.collect():
            _check_output_noise(rpu_config, name, context)
    wrong.refuse()


def check_array_size(rpu_config: Any, system: System, target: str, where: str) -> None:
    """Refuse a configuration whose arrays are not as large as those that the system prices.

    A target without `rows` and `columns` has arrays of any size.

    Args:
        rpu_config: An aihwkit `TorchInferenceRPUConfig`.
        system: The system.
        target: Name of the analog target that has the configuration.
        where: What the message calls the configuration.

    Raises:
        InputError: The arrays of the target are of another size.
    """
    mapping = rpu_config.mapping
    simulated = mapping.max_input_size, mapping.max_output_size
    parameters = system.target(target).parameters
    if not {"rows", "columns"} <= parameters.keys():
        return
    rows, columns = parameters["rows"], parameters["columns"]
    if (rows, columns) != simulated:
        raise InputError(
            f"{where}: arrays of {simulated[0]}x{simulated[1]}, but target {target!r} of system "
            f"{system.name!r} has {rows}x{columns}; it needs mapping.max_input_size = {rows}, "
            f"max_output_size = {columns}"
        )


def check_converters(rpu_config: Any, system: System, target: str, where: str) -> None:
    """Refuse a configuration whose converters differ by a bit or more from those that the system prices.

    A target without `array` does not say what its converters are. Converters that do not quantise at all
    are an idealisation that a study may choose.

    Args:
        rpu_config: An aihwkit `TorchInferenceRPUConfig`.
        system: The system.
        target: Name of the analog target that has the configuration.
        where: What the message calls the configuration.

    Raises:
        InputError: The inputs or the outputs have another resolution.
    """
    array, forward = system.target(target).array, rpu_config.forward
    if array is None or forward.is_perfect:
        return
    converters = (
        ("inputs", "inp_res", forward.inp_res, array.input_bits),
        ("outputs", "out_res", forward.out_res, array.output_bits),
    )
    for name, key, step, priced in converters:
        simulated = bits_of(step)
        if simulated is not None and abs(simulated - priced) >= 1:
            raise InputError(
                f"{where}: {name} of {simulated:.3g} bits, but target {target!r} of system "
                f"{system.name!r} has {priced:g}; it needs forward.{key} = {resolution(priced):.6g}"
            )


def check_times(
    rpu_config: Any, times_s: Sequence[float], where: str, key: str = "times_s"
) -> None:
    """Refuse times that the configuration's noise model does not know.

    Args:
        rpu_config: An aihwkit `TorchInferenceRPUConfig`.
        times_s: Times since programming.
        where: What the message calls the oracle's settings.
        key: What it calls the times.

    Raises:
        InputError: There are such times; they are named, with those that can be used.
    """
    model = rpu_config.noise_model
    if model is None:
        return
    refused: dict[float, str] = {}
    with torch.no_grad(), seeded(0, torch.device("cpu")):
        weights = torch.tensor([[0.25, -0.5], [1.0, -1.0]])
        programmed, parameters = model.apply_programming_noise(weights)
        for time_s in times_s:
            try:
                model.apply_drift_noise(programmed, parameters, time_s)
            except (AihwkitException, ValueError, KeyError) as error:
                refused[time_s] = first_line(error)
    if refused:
        usable = [time_s for time_s in times_s if time_s not in refused]
        remedy = f"; of these, it knows: {key} = {usable}" if usable and key == "times_s" else ""
        raise InputError(
            f"{where} {key}: got {', '.join(f'{time_s:g}' for time_s in refused)}; noise model "
            f"{type(model).__name__}: {next(iter(refused.values()))}{remedy}"
        )


def _check_output_noise(rpu_config: Any, target: str, context: OracleContext) -> None:
    """Refuse a spread of output noise where a layer of a target multiplies more than one vector.

    aihwkit spreads it along the second axis, which is that of the outputs for single vectors only.
    """
    if not rpu_config.forward.out_noise_std > 0:
        return
    workload = context.workload
    units = [
        unit.name
        for unit in workload.crossbar_units
        if unit.name not in context.digital
        and target in context.system.targets_of(workload, unit)
        and any(
            layer.kind != "linear" or len(layer.output_shape) > 2
            for layer in workload.layers_of(unit)
        )
    ]
    if units:
        reason = (
            "aihwkit applies forward.out_noise_std to linear layers with one vector an example only"
        )
        raise CannotBeAnalog(units, reason, context.origin)
