"""Built-in RPU configurations: usable, named, and as their sources say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from oracle_setup import NAMES, made_up_examples, small_network

from lionheart_opt import plugins
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.fast.engine import not_covered
from lionheart_opt.oracle.hardware import check_array_size
from lionheart_opt.oracle.measurement import Conditions, measure
from lionheart_opt.oracle.rpu import rpu_config, rpu_digest
from lionheart_opt.oracle.rpu_configs import BUILT_IN

pytestmark = pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")


def test_no_two_are_the_same() -> None:
    digests = {name: rpu_digest(rpu_config(name)) for name in BUILT_IN}
    assert len(set(digests.values())) == len(BUILT_IN) == 7


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_runs_on_the_fast_engine_and_is_measured_alike_on_both(name: str) -> None:
    config = rpu_config(name)
    assert not_covered(config) == ""
    conditions = Conditions(times_s=(1.0, 86400.0), draws=range(4), seed=0, batch_size=32)
    samples = [
        measure(
            engine(tool),
            small_network().eval(),
            [NAMES],
            config,
            made_up_examples(60, 1),
            conditions,
        )
        for tool in ("fast", "aihwkit")
    ]
    assert abs(float(samples[0].mean() - samples[1].mean())) < 0.06


@pytest.mark.parametrize("system", plugins.system_names())
def test_systems_name_configurations_that_fit_their_arrays(system: str) -> None:
    machine = plugins.load_system(system)
    for target in machine.analog_targets:
        name = machine.target(target).rpu_config
        assert name.partition(" ")[0] in BUILT_IN
        check_array_size(rpu_config(name), machine, target, "here")
    expected = {
        "lionheart": ("fp32", "lionheart"),
        "alpine-high-power": ("fp32", "alpine"),
        "alpine-high-power-8": ("fp32", "alpine"),
        "alpine-loosely-coupled": ("fp32", "alpine"),
        "alpine-low-power": ("fp32", "alpine"),
        "imc-cluster": ("int8", "pcm"),
        "manycore": ("int8", "pcm"),
        "diana": ("int8", "diana"),
        "hermes-64": ("fp16", "hermes"),
        "analog-fabric": ("fp16", "hermes 512x512 8/8.7 bit"),
    }
    host = machine.target(machine.host).numerics
    assert (host, machine.target(machine.analog_targets[0]).rpu_config) == expected[system]


def test_arrays_of_alpine_are_as_large_as_their_matrices() -> None:
    mapping = rpu_config("alpine").mapping
    assert (mapping.max_input_size, mapping.max_output_size) == (0, 0)


def test_torch_still_reads_the_masks_of_aihwkits_hermes_model() -> None:
    """They are lists of one mask, which torch may come to read as an index of another kind."""
    values, mask = torch.arange(4.0), torch.tensor([True, False, False, True])
    index: Any = [mask]
    assert torch.equal(values[index], values[mask])
    other = values.clone()
    other[index] = -1.0
    assert other.tolist() == [-1.0, 1.0, 2.0, -1.0]
