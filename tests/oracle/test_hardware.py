"""Hardware that does not fit the system, the times or the network is refused before anything trains."""

from __future__ import annotations

from typing import Any

import pytest
from aihwkit.inference import ReRamWan2022NoiseModel
from front_door import data, small

import lionheart_opt as lo
from lionheart_opt import plugins
from lionheart_opt.errors import InputError
from lionheart_opt.hardware.redesign import redesigned
from lionheart_opt.oracle.hardware import check_array_size, check_converters, check_times
from lionheart_opt.oracle.rpu import lionheart, rpu_config


def arrays(rows: int, columns: int) -> Any:
    config = lionheart()
    config.mapping.max_input_size, config.mapping.max_output_size = rows, columns
    return config


@pytest.mark.parametrize(
    ("system", "target", "rows", "columns"),
    [
        ("lionheart", "tile", 256, 256),
        ("imc-cluster", "ima", 256, 256),
        ("diana", "analog", 1152, 512),
        ("hermes-64", "cores", 256, 256),
    ],
)
def test_arrays_are_those_of_the_target(system: str, target: str, rows: int, columns: int) -> None:
    machine = plugins.load_system(system)
    check_array_size(arrays(rows, columns), machine, target, "here")
    for other in (arrays(rows + 1, columns), arrays(rows, columns - 1), arrays(0, columns)):
        with pytest.raises(InputError, match=f"max_input_size = {rows}, .*= {columns}$"):
            check_array_size(other, machine, target, "here")


def test_arrays_that_a_system_sizes_to_their_layers_may_have_any_size() -> None:
    for config in (arrays(256, 256), arrays(0, 0)):
        check_array_size(config, plugins.load_system("alpine-high-power"), "tile", "here")


def test_converters_are_those_of_the_target() -> None:
    machine = plugins.load_system("lionheart")
    check_converters(lionheart(), machine, "tile", "here")
    check_converters(rpu_config("hermes"), machine, "tile", "here")  # 420 levels: 8.7 bits
    ideal = lionheart()
    ideal.forward.inp_res = -1.0
    check_converters(ideal, machine, "tile", "here")
    for name, said in (
        ("lionheart 256x256 6/8 bit", r"inputs of 6 bits, .* has 8; .*inp_res = 0.0039"),
        ("lionheart 256x256 8/7 bit", "outputs of 7 bits"),
    ):
        with pytest.raises(InputError, match=said):
            check_converters(rpu_config(name), machine, "tile", "here")
    redesign = redesigned(machine, {"targets.tile.input_bits": 6})
    named = redesign.target("tile").rpu_config
    check_converters(rpu_config(str(named)), redesign, "tile", "here")
    with pytest.raises(InputError, match="inputs of 8 bits"):
        check_converters(lionheart(), redesign, "tile", "here")


def test_times_that_a_noise_model_does_not_know_are_all_named() -> None:
    config = lionheart()
    check_times(config, (0.0, 1.0, 1e9), "here")
    config.noise_model = ReRamWan2022NoiseModel()
    check_times(config, (1.0, 86_400.0), "here")
    with pytest.raises(InputError) as error:
        check_times(config, (1.0, 60.0, 3_600.0), "here")
    text = str(error.value)
    assert text.startswith("here times_s: got 60, 3600; noise model ReRamWan2022NoiseModel: ")
    assert text.endswith("of these, it knows: times_s = [1.0]") and "\n" not in text
    config.noise_model = None
    check_times(config, (60.0,), "here")


def test_the_noise_model_must_know_the_moments_of_calibrations() -> None:
    config = lionheart()
    config.noise_model = ReRamWan2022NoiseModel()  # it knows one second, and one and two days
    key = "calibrations on a schedule"
    check_times(config, (1.0,), "here", key)
    with pytest.raises(InputError) as refused:
        check_times(config, (1.0, 60.0), "here", key)
    assert str(refused.value).startswith("here calibrations on a schedule: got 60; noise model ")
    assert "times_s =" not in str(refused.value)


@pytest.mark.parametrize(
    ("oracle", "message"),
    [
        (
            {"hat": {"input_ranges": {"calibration": "max"}}},
            r"hat\.input_ranges: no RPU configuration has input ranges to calibrate",
        ),
        (
            {"hat": {"input_ranges": {"calibration": "max", "quantile": 0.9}}},
            "input_ranges.*quantile: it needs calibration = 'moving_quantile' or 'cache_quantile'",
        ),
        (
            {"rpu_config": "reram-wan2022", "hat": {"from_shared": {"time_s": 60.0}}},
            r"hat\.from_shared\.time_s: got 60; noise model ReRamWan2022NoiseModel",
        ),
        (
            {"hat": {"from_shared": {"keep": "always", "draws": 5}}},
            "from_shared.*draws: it needs keep = 'better', which tests",
        ),
        ({"stuck": {"at_g_min": 0.7, "at_g_max": 0.7}}, "stuck.*got 1.4; must be above 0, and 1"),
        ({"stuck": {}}, "stuck.*got 0; must be above 0, and 1 at most"),
        ({"hat": {"one_shot_distillation": 1.5}}, "one_shot_distillation: got 1.5"),
        ({"hat": {"one_shot_sampling": "all"}}, "one_shot_sampling: .*'all'"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_before_anything_is_trained(
    oracle: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        lo.problem(small(), data(), time="1 day", max_drop=0.1, oracle=oracle)
