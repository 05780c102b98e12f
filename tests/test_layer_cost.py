"""What one layer costs."""

import pytest

from lionheart_opt import InputError
from lionheart_opt.layer_cost import LayerCost


def layer(**components: tuple[float, float]) -> LayerCost:
    return LayerCost(name="fc", kind="linear", target="tile", macs=6, components=components)


def test_latency_and_energy_are_sums_over_components() -> None:
    part = layer(mvm=(1.0, 4.0), transfer=(0.5, 0.25))
    assert (part.latency_s, part.energy_j) == (1.5, 4.25)
    assert repr(part) == "LayerCost('fc', linear on 'tile': 6 MACs, latency_s=1.5, energy_j=4.25)"


@pytest.mark.parametrize(
    "wrong",
    [(float("nan"), 0.0), (0.0, float("inf")), (-1.0, 0.0), ("1", 0.0), (None, 1.0), (1.0,), 1.0],
)
def test_components_that_are_no_times_and_energies_are_refused(wrong: object) -> None:
    with pytest.raises(InputError, match=r"cost of layer 'fc' on 'tile': component 'mvm': got .*"):
        layer(mvm=wrong)  # type: ignore[arg-type]
