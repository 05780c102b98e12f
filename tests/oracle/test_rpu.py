"""RPU configurations: found by name, told apart by digest, refused where they cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from aihwkit.inference import PCMLikeNoiseModel
from aihwkit.simulator.configs import QuantizedTorchInferenceRPUConfig, TorchInferenceRPUConfig

from lionheart_opt.errors import InputError
from lionheart_opt.oracle import rpu
from lionheart_opt.oracle.rpu import bits_of, lionheart, rpu_config, rpu_digest


def test_configurations_by_name() -> None:
    assert rpu_digest(rpu_config("lionheart")) == rpu_digest(rpu_config("lionheart"))
    assert rpu_digest(rpu_config("oracle_setup:quiet")) != rpu_digest(lionheart())
    noisier = lionheart()
    noisier.noise_model.read_noise_scale = 2.0
    assert rpu_digest(noisier) != rpu_digest(lionheart())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lionhart", "did you mean 'lionheart'"),
        ("oracle_setup:small_network", "not an aihwkit TorchInferenceRPUConfig"),
        ("oracle_setup:analog_bias", "[Bb]ias"),
        ("oracle_setup:lost_scales", "learn_out_scaling"),
        ("no_such_module:config", "no module"),
        ("unfit_plugins:wires_that_resist", "IR drop not supported"),
    ],
)
def test_unusable_configurations_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rpu_config(name, "study.toml")


def test_a_warning_of_untested_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpu, "version", lambda _: "1.3.0")
    with pytest.warns(
        UserWarning, match="^aihwkit 1.3.0: accuracies are tested with 1.1.0 and 1.2.0"
    ):
        rpu_config("lionheart")


@pytest.mark.filterwarnings("error")
def test_no_warning_of_the_tiles_that_are_installed() -> None:
    rpu_config("lionheart")


@pytest.mark.parametrize(("batches", "name"), [(1, "init_std_alpha"), (0, "init_value")])
def test_input_ranges_of_zero_are_refused(
    batches: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inputs would be NaN."""
    config = lionheart()
    ranges = config.pre_post.input_range
    ranges.enable, ranges.init_from_data = True, batches
    ranges.init_value = ranges.init_std_alpha = 1.0
    monkeypatch.setitem(rpu_config.__globals__["BUILT_IN"], "zero", lambda: config)
    rpu_config("zero")
    setattr(ranges, name, 0.0)
    with pytest.raises(InputError, match=f"pre_post.input_range.{name}: got 0; inputs are divided"):
        rpu_config("zero")


@pytest.mark.parametrize(
    ("part", "name", "message"),
    [
        (
            "forward",
            "out_nois",
            "forward.out_nois: there is no such setting; did you mean 'out_noise'",
        ),
        (
            "mapping",
            "max_in_size",
            "mapping.max_in_size: there is no such setting; did you mean 'max_in",
        ),
        ("noise_model", "read_noise", "noise_model.read_noise: .*did you mean 'read_noise_scale'"),
        ("noise_model.g_converter", "gmax", "noise_model.g_converter.gmax: .*did you mean 'g_max'"),
        ("", "drift_compensations", "drift_compensations: .*did you mean 'drift_compensation'"),
        ("clip", "x", "clip.x: there is no such setting$"),
    ],
)
def test_misspelt_settings_are_refused(
    part: str, name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config: Any = lionheart()
    inner = config
    for step in part.split(".") if part else ():
        inner = getattr(inner, step)
    setattr(inner, name, 0.5)
    monkeypatch.setitem(rpu_config.__globals__["BUILT_IN"], "misspelt", lambda: config)
    with pytest.raises(InputError, match=message):
        rpu_config("misspelt")


def test_own_classes_may_have_attributes_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(TorchInferenceRPUConfig):
        pass

    class Noise(PCMLikeNoiseModel):
        pass

    config = Own(noise_model=Noise())
    config.note = config.noise_model.note = "measured"
    monkeypatch.setitem(rpu_config.__globals__["BUILT_IN"], "own", lambda: config)
    assert rpu_config("own") is config
    config.forward.out_nois = 0.1
    with pytest.raises(InputError, match=r"forward\.out_nois: there is no such setting"):
        rpu_config("own")


def quantised() -> Any:
    return QuantizedTorchInferenceRPUConfig()


def test_quantised_peripheries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rpu_config.__globals__["BUILT_IN"], "quantised", quantised)
    with pytest.raises(InputError, match="quantised peripheries"):
        rpu_config("quantised")


def test_ranges_that_follow_output_clipping_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """aihwkit raises `NotImplementedError` in the first backward pass."""
    config = lionheart()
    config.pre_post.input_range.enable = True
    config.pre_post.input_range.manage_output_clipping = True
    monkeypatch.setitem(rpu_config.__globals__["BUILT_IN"], "managed", lambda: config)
    with pytest.raises(InputError, match="manage_output_clipping is not implemented"):
        rpu_config("managed")


@pytest.mark.parametrize(
    ("part", "name"),
    [
        *(("forward", name) for name in ("out_noise", "inp_res", "out_bound")),
        *(("modifier", "std_dev"), ("clip", "fixed_value"), ("mapping", "weight_scaling_omega")),
        ("noise_model", "read_noise_scale"),
    ],
)
def test_settings_are_numbers(part: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = lionheart()
    setattr(getattr(config, part), name, float("nan"))
    monkeypatch.setitem(rpu_config.__globals__["BUILT_IN"], "unknown", lambda: config)
    with pytest.raises(InputError, match=rf"^{part}\.{name}: got nan|: {part}\.{name}: got nan"):
        rpu_config("unknown")


CHANGES: list[Callable[[Any], None]] = [
    lambda config: setattr(config.mapping, "max_input_size", 128),
    lambda config: setattr(config.forward, "out_noise", 0.07),
    lambda config: setattr(config.forward, "out_bound", float("inf")),
    lambda config: setattr(config, "drift_compensation", None),
    lambda config: setattr(config.modifier, "type", type(config.modifier.type).NONE),
    lambda config: setattr(config, "noise_model", PCMLikeNoiseModel(g_max=24.0)),
]


def test_digests_depend_on_every_setting() -> None:
    digests = [rpu_digest(lionheart())]
    for change in CHANGES:
        config = lionheart()
        change(config)
        digests.append(rpu_digest(config))
    assert len(set(digests)) == 1 + len(CHANGES)


def test_looking_a_configuration_up_draws_no_random_numbers() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    rpu_config("lionheart")
    assert torch.equal(torch.rand(3), expected)


def test_configurations_are_not_shared() -> None:
    changed = rpu_config("lionheart")
    changed.forward.out_noise = 1.0
    assert rpu_config("lionheart").forward.out_noise == 0.06


def test_a_built_in_configuration_with_another_array():
    config = rpu_config("lionheart 512x128 6/7 bit")
    assert (config.mapping.max_input_size, config.mapping.max_output_size) == (512, 128)
    assert config.forward.inp_res == 1 / (2**6 - 2) and config.forward.out_res == 1 / (2**7 - 2)
    assert bits_of(config.forward.out_res) == pytest.approx(7)
    assert bits_of(-1) is None and bits_of(254) == 8
    assert rpu_digest(config) != rpu_digest(rpu_config("lionheart"))
    same = rpu_config("lionheart 256x256 8/8 bit")
    assert rpu_digest(same) == rpu_digest(rpu_config("lionheart"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lionheart 512", "such as 'lionheart 512x256 6/8 bit'"),
        ("lionheart 512x512 1/8 bit", "must be more than 1"),
        ("lionhart 512x512 8/8 bit", "unknown rpu_config 'lionhart'"),
    ],
)
def test_arrays_that_cannot_be(name, said):
    with pytest.raises(InputError, match=said):
        rpu_config(name)
