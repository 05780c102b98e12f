"""Numerics of targets: whose configuration is whose, what mappings compute with, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oracle_setup import (
    NAMES,
    SETTINGS,
    made_up_examples,
    small_network,
    small_oracle,
    small_system,
)
from torch import Tensor, nn

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.oracle.digital import Digital
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.measurement import Conditions, measure
from lionheart_opt.oracle.numerics import TargetNumerics, calibration_inputs
from lionheart_opt.oracle.rpu import rpu_config
from lionheart_opt.oracle.settings import HatRecipe, OracleSettings, PretrainRecipe
from lionheart_opt.oracle.training import with_weights
from lionheart_opt.oracle_context import SaysNumerics

ALONE = Fidelity(draws=(0, 3))
#: Little training, so that rounding shows.
QUICK = SETTINGS.model_copy(
    update={"pretrain": PretrainRecipe(epochs=6, batch_size=32, learning_rate=0.1)}
)


def placed_on(**targets: str) -> Mapping:
    return Mapping.of({name: targets.get(name, "cpu") for name in NAMES})


def candidate(training: Any = "none", **targets: str) -> Candidate:
    return Candidate(placed_on(**targets), training=training)


# --- which configuration a target has ---


def test_targets_have_their_own_configuration_or_that_of_the_settings() -> None:
    system = small_system(other="hermes")
    numerics = TargetNumerics.of(system, SETTINGS)
    assert numerics.names == {"tile": "lionheart", "other": "hermes"}
    assert type(numerics.rpu_configs["other"].noise_model).__name__ == "HermesNoiseModel"
    for given, names in (
        ("pcm", {"tile": "pcm", "other": "pcm"}),
        ({"other": "pcm"}, {"tile": "lionheart", "other": "pcm"}),
    ):
        settings = SETTINGS.model_copy(update={"rpu_config": given})
        assert TargetNumerics.of(system, settings).names == names
    same = TargetNumerics.of(system, SETTINGS.model_copy(update={"rpu_config": "pcm"}))
    assert same.rpu_configs["tile"] is same.rpu_configs["other"]


def test_all_that_is_wrong_with_configurations_is_said() -> None:
    system = small_system(other="hermess", third="no_module:config")
    with pytest.raises(InputError) as error:
        TargetNumerics.of(system, SETTINGS, "here")
    text = str(error.value)
    assert "did you mean 'hermes'" in text and "no_module" in text
    with pytest.raises(InputError, match=r"analog target 'cpu'.*tile"):
        TargetNumerics.of(
            small_system(), SETTINGS.model_copy(update={"rpu_config": {"cpu": "pcm"}})
        )


def test_a_target_without_configuration_is_refused_where_it_is_simulated() -> None:
    system = small_system()
    bare = system.target("tile").model_copy(update={"rpu_config": None})
    system = system.model_copy(update={"targets": (system.target("cpu"), bare)})
    with pytest.raises(InputError, match=r"'tile' of system 'small' has no RPU configuration; set"):
        TargetNumerics.of(system, SETTINGS, "here")
    given = SETTINGS.model_copy(update={"rpu_config": "pcm"})
    assert TargetNumerics.of(system, given).names == {"tile": "pcm"}


# --- identity ---


def test_identity_tells_numerics_apart() -> None:
    systems = [
        small_system(),
        small_system("int8"),
        small_system("int4"),
        small_system(npu="int8"),
        small_system(npu="ternary"),
        small_system(other="hermes"),
        small_system(other="pcm"),
    ]
    identities = [str(TargetNumerics.of(system, SETTINGS).identity) for system in systems]
    assert len(set(identities)) == len(identities)


def test_identity_of_a_floating_point_host_is_as_in_records_that_knew_no_other(
    tmp_path: Path,
) -> None:
    identity = small_oracle(tmp_path).identity
    assert identity["settings"]["rpu_config"] == "lionheart"
    assert isinstance(identity["rpu_config"], str)
    assert identity["numerics"] is identity["calibration_examples"] is None
    other = small_oracle(tmp_path, system=small_system("int8")).identity
    assert other["numerics"] == {"cpu": "int8"} and other["calibration_examples"] == 256


def test_calibration_inputs_are_the_same_and_spread_over_the_training_data() -> None:
    examples = made_up_examples(1000, 1)
    images = calibration_inputs(examples)
    assert len(images) == 256 and torch.equal(images, calibration_inputs(examples))
    assert torch.equal(images[0], examples.inputs[0])
    assert torch.equal(images[128], examples.inputs[500])
    assert len(calibration_inputs(examples[:5])) == 5


# --- mappings ---


def test_all_digital_on_an_int8_host_has_a_drop_of_its_own(tmp_path: Path) -> None:
    """Measured once and the same in every draw; the baseline is the floating-point network."""
    exact = small_oracle(tmp_path, QUICK)
    ternary = small_oracle(tmp_path, QUICK, small_system("ternary"))
    assert ternary.baseline("validation") == exact.baseline("validation")
    accuracy = ternary.accuracy(candidate(), ALONE, 0)
    assert accuracy.samples.shape == (3, 2) and np.ptp(accuracy.samples) == 0
    assert accuracy.baseline == exact.baseline("validation")
    assert accuracy.samples[0, 0] < accuracy.baseline
    assert accuracy.n_examples == len(ternary.splits.validation)
    int8 = small_oracle(tmp_path, QUICK, small_system("int8")).accuracy(candidate(), ALONE, 0)
    assert abs(int8.samples[0, 0] - int8.baseline) < 0.05


def test_all_digital_is_what_plain_torch_gives(tmp_path: Path) -> None:
    oracle = small_oracle(tmp_path, QUICK, small_system("int8"))
    examples, network = (
        oracle.splits.validation,
        with_weights(oracle.model, oracle.pretrained.weights).eval(),
    )
    images = calibration_inputs(oracle.splits.train)

    def rounded(x: Tensor, seen: Tensor) -> Tensor:
        low, high = seen.min().clamp(max=0), seen.max().clamp(min=0)
        step = (high - low) / 255
        zero = (low / step).round()
        return (x / step).round().clamp(zero, zero + 255) * step

    def weights(weight: Tensor) -> Tensor:
        step = weight.flatten(1).abs().amax(1).view(-1, *[1] * (weight.dim() - 1)) / 127
        return (weight / step).round() * step

    n: Any = network
    with torch.no_grad():
        seen1 = torch.relu(n.norm(n.conv1(images)))
        seen2 = torch.relu(n.conv2(seen1)).amax((2, 3))
        x = examples.inputs
        h = nn.functional.conv2d(rounded(x, images), weights(n.conv1.weight), padding=1)
        h = torch.relu(n.norm(h))
        h = nn.functional.conv2d(rounded(h, seen1), weights(n.conv2.weight), n.conv2.bias, 2, 1)
        h = torch.relu(h).amax((2, 3))
        scores = nn.functional.linear(rounded(h, seen2), weights(n.linear.weight), n.linear.bias)
    expected = float((scores.argmax(1) == examples.targets).float().mean())
    assert oracle.accuracy(candidate(), ALONE, 0).samples[0, 0] == pytest.approx(expected)


def test_units_that_are_never_analog_are_rounded_too(tmp_path: Path) -> None:
    """Pinned units run on the host, with its numerics."""
    pinned = replace(small_oracle(tmp_path, QUICK, small_system("ternary")), digital=("conv1",))
    free = small_oracle(tmp_path, QUICK, small_system("ternary"))
    exact = replace(small_oracle(tmp_path, QUICK), digital=("conv1",))
    samples = [
        o.accuracy(candidate(linear="tile"), ALONE, 0).samples for o in (pinned, free, exact)
    ]
    np.testing.assert_array_equal(samples[0], samples[1])
    assert samples[0].mean() < samples[2].mean()


def test_a_digital_target_beside_a_floating_point_host(tmp_path: Path) -> None:
    oracle = small_oracle(tmp_path, QUICK, small_system(npu="ternary"))
    assert oracle.accuracy(candidate(), ALONE, 0).n_examples is None  # exact: nothing is measured
    some = oracle.accuracy(candidate(conv2="npu"), ALONE, 0)
    every = oracle.accuracy(candidate(conv1="npu", conv2="npu", linear="npu"), ALONE, 0)
    whole = small_oracle(tmp_path, QUICK, small_system("ternary")).accuracy(candidate(), ALONE, 0)
    assert np.ptp(some.samples) == 0 and some.samples[0, 0] != every.samples[0, 0]
    np.testing.assert_array_equal(every.samples, whole.samples)


def test_two_analog_targets_differ_in_physics(tmp_path: Path) -> None:
    names = dict.fromkeys(NAMES, "tile"), dict.fromkeys(NAMES, "other")
    alone = [
        small_oracle(tmp_path, QUICK, small_system(other=config)).accuracy(
            candidate(**names[1]), ALONE, 0
        )
        for config in ("lionheart", "diana")
    ]
    oracle = small_oracle(tmp_path, QUICK, small_system(other="diana"))
    on_tile, on_other = (oracle.accuracy(candidate(**each), ALONE, 0) for each in names)
    np.testing.assert_array_equal(on_tile.samples, alone[0].samples)
    np.testing.assert_array_equal(on_other.samples, alone[1].samples)
    assert np.ptp(on_other.samples) == 0 < np.ptp(on_tile.samples)
    mixed = oracle.accuracy(candidate(conv1="tile", conv2="other"), ALONE, 0)
    configs = {"conv1": rpu_config("lionheart"), "conv2": rpu_config("diana")}
    assert mixed.samples.shape == (3, 2) and len(configs) == 2


@pytest.mark.parametrize("host", ["fp32", "int8"])
def test_candidates_measured_together_are_as_alone(tmp_path: Path, host: Any) -> None:
    system = small_system(host, other="diana", npu="ternary")
    asked = [
        candidate(conv1="tile"),
        candidate(conv1="other", linear="tile"),
        candidate(),
        candidate(conv2="tile", linear="tile"),
        candidate(conv2="npu", linear="tile"),
        candidate(conv1="tile", conv2="other"),
        candidate(conv2="npu"),
    ]
    alone = [small_oracle(tmp_path, QUICK, system).accuracy(c, ALONE, 0).samples for c in asked]
    oracle = small_oracle(tmp_path, QUICK, system)
    oracle.expect(asked, ALONE.draws, 0)
    for one, candidate_ in zip(alone, asked, strict=True):
        np.testing.assert_array_equal(oracle.accuracy(candidate_, ALONE, 0).samples, one)


def test_both_engines_agree_on_an_int8_host() -> None:
    examples = made_up_examples(80, 3)
    digital = Digital(host="int8", inputs=made_up_examples(32, 4).inputs)
    config = rpu_config("lionheart")
    config.forward.out_noise, config.forward.out_res = 0.0, -1.0
    conditions = Conditions(times_s=(1.0, 86400.0), draws=range(2), seed=0, batch_size=16)
    samples = [
        measure(
            engine(tool),  # type: ignore[arg-type]
            small_network().eval(),
            [("conv1",), ("conv1", "linear"), ()],
            config,
            examples,
            conditions,
            digital=digital,
        )
        for tool in ("fast", "aihwkit")
    ]
    np.testing.assert_array_equal(*samples)


# --- training ---


def ternary_settings(epochs: int) -> OracleSettings:
    return SETTINGS.model_copy(
        update={"hat": HatRecipe(epochs=epochs, batch_size=32, learning_rate=0.05, patience=50)}
    )


@pytest.mark.parametrize("target", ["cpu", "macro"])
def test_training_with_ternary_weights_recovers_most_of_the_drop(
    tmp_path: Path, target: str
) -> None:
    """On a ternary host, and on DIANA's macro."""
    system = small_system("ternary" if target == "cpu" else "fp32", macro="diana")
    oracle = small_oracle(tmp_path, ternary_settings(15), system)
    where = dict.fromkeys(NAMES, target)
    baseline = oracle.baseline("validation")
    drops = [
        baseline - oracle.accuracy(candidate(training, **where), ALONE, 0).samples.mean()
        for training in ("none", "full")
    ]
    assert drops[0] > 0.15 and drops[1] < drops[0] / 2


def test_keys_of_weights_tell_numerics_apart(tmp_path: Path) -> None:
    asked = candidate("short", conv1="tile")
    systems = [
        small_system(),
        small_system("int8"),
        small_system("fp16"),
        small_system(other="diana"),
    ]
    keys = [small_oracle(tmp_path, QUICK, s).weights.keyed(asked, 0)[0] for s in systems]
    assert keys[0] == keys[3], "a target that a mapping does not use changes nothing"
    assert len(set(keys)) == 3
    both = small_oracle(tmp_path, QUICK, small_system("int8", npu="ternary")).weights
    on_npu = both.keyed(candidate("short", conv1="tile", conv2="npu"), 0)[0]
    assert on_npu not in (*keys, both.keyed(asked, 0)[0])


def test_one_shot_training_draws_targets(tmp_path: Path) -> None:
    system = small_system("int8", other="diana")
    oracle = small_oracle(tmp_path, QUICK, system)
    job, key = oracle.weights._shared_job(0)
    assert job.digital is not None and job.digital.host == "int8"
    drawn = [
        type(config.noise_model).__name__ for e in range(8) for config in job.configs(e).values()
    ]
    assert set(drawn) == {"PCMLikeNoiseModel", "TernaryCells"}
    assert job.configs(3) == job.configs(3)
    one = small_oracle(tmp_path, QUICK, small_system("int8")).weights._shared_job(0)
    same = small_oracle(tmp_path, QUICK, small_system("int8", other="lionheart"))
    assert one[0].others == () and one[1] != key and same.weights._shared_job(0)[1] == one[1]
    accuracy = oracle.accuracy(candidate("one_shot", conv1="tile", conv2="other"), ALONE, 0)
    assert accuracy.samples.shape == (3, 2) and not accuracy.note


def test_interrupted_training_goes_on_as_it_would_have(tmp_path: Path) -> None:
    """Rounding and drawn targets depend on the epoch alone, so that the weights are the same."""
    oracles = [
        small_oracle(tmp_path / name, QUICK, small_system("int8", other="diana"))
        for name in ("whole", "stopped")
    ]
    seen = 0

    def stop(_: str) -> None:
        nonlocal seen
        seen += 1
        if seen == 1:
            raise KeyboardInterrupt

    _ = oracles[1].pretrained
    oracles[1].watch(stop)
    with pytest.raises(KeyboardInterrupt):
        oracles[1].shared_training(0)
    weights = [oracle.shared_training(0).weights for oracle in oracles]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_the_oracle_says_the_configurations_that_it_uses(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"rpu_config": {"other": "pcm"}})
    oracle = small_oracle(tmp_path, settings, small_system("int8", other="diana"))
    assert oracle.numerics == {
        "cpu": "int8",
        "tile": "analog, lionheart",
        "other": "analog, pcm",
    }
    assert isinstance(oracle, SaysNumerics)
