"""Numbers and objectives of an exploration: what they may be."""

from __future__ import annotations

import numpy as np
import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.hardware.design_space import checked_values, chosen_objectives, values_of
from lionheart_opt.plugins import load_system


def test_lists_and_ranges() -> None:
    assert values_of("x", [1, 2.5]) == (1, 2.5)
    assert values_of("x", "64:200:64") == (64, 128, 192)
    for given in (range(1, 4), np.arange(1, 4), list(np.arange(1, 4)), (1, 2, 3)):
        assert values_of("x", given) == (1, 2, 3)
        assert all(type(each) is int for each in values_of("x", given))
    assert values_of("x", "0.1:0.3:0.1") == pytest.approx((0.1, 0.2, 0.3))
    assert values_of("x", "1e3:3e3:1e3") == (1000.0, 2000.0, 3000.0)


@pytest.mark.parametrize(
    "given", [[], "", "1:2", "2:1:1", "1:2:0", "a:b:c", "1:nan:1", 5, [1, 1], {1}, [[1]], [None]]
)
def test_values_that_cannot_be(given: object) -> None:
    with pytest.raises(InputError, match=r"^vary x: got "):
        values_of("x", given)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at most 1,000"):
        values_of("x", "1:5000:1")


def test_all_that_is_wrong_is_said() -> None:
    system = load_system("imc-cluster")
    with pytest.raises(InputError) as error:
        checked_values({"machine.clok": [1], "targets.ima.rows": [256, 0]}, system)
    assert "did you mean 'clock_hz'" in str(error.value) and "got 0" in str(error.value)
    with pytest.raises(InputError, match="must be names of numbers"):
        checked_values({}, system)


def test_objectives() -> None:
    cluster, lionheart = load_system("imc-cluster"), load_system("lionheart")
    assert chosen_objectives(None, cluster) == ("latency_s", "energy_j", "area_m2")
    assert chosen_objectives(None, lionheart) == ("latency_s", "energy_j")
    for given, said in (
        (["area_m2"], "has no best mapping"),
        (["latency_s", "area_m2"], "gives no areas"),
        (["speed"], "unknown objective 'speed'"),
        ([], "got none"),
        (["latency_s", "energy_j", "interval_s", "latency_s"], "one to 3, all different"),
    ):
        with pytest.raises(InputError, match=said):
            chosen_objectives(given, lionheart)  # type: ignore[arg-type]
