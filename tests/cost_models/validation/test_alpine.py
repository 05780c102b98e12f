"""How well the model of ALPINE and LionHeart meets what the papers publish."""

import pytest
from recorded_errors import assert_no_error_has_grown

from lionheart_opt.cost_models.alpine import Alpine
from lionheart_opt.cost_models.validation import alpine as paper
from lionheart_opt.cost_models.validation.prices import plain
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import load_system
from lionheart_opt.workload import INPUT, Layer, Mvm, Unit, Workload


@pytest.mark.parametrize(
    ("system", "cases"),
    [("alpine-high-power", paper.high_power), ("lionheart", paper.lionheart)],
)
def test_errors_do_not_grow(system, cases) -> None:
    assert_no_error_has_grown(system, cases())


def test_lstm_256_gains_within_the_printed_range() -> None:
    """Section VIII: 1.0 to 1.5, in time and energy, whatever the number of cores."""
    cases = [case for case in paper.high_power() if case.case.startswith("LSTM-256")]
    assert len(cases) == 6
    assert all(0.995 <= case.predicted <= 1.5 for case in cases)


def test_low_power_results_are_predictions_of_the_same_cases() -> None:
    low, high = paper.low_power(), paper.high_power()
    assert len(low) == 2 * len(paper.experiments()) > 0
    assert [(case.case, case.quantity) for case in low] == [
        (case.case, case.quantity) for case in high if "loosely" not in case.case
    ]
    assert all(case.published is None for case in low)
    assert all(case.predicted > 0.95 for case in low)


@pytest.mark.parametrize(
    ("prefix", "inferences", "axis_s", "axis_j"),
    [("MLP", 10, 0.03, 0.12), ("LSTM-750", 1, 0.04, None), ("CNN", 3, 30.0, 110.0)],
)
def test_bars_stay_within_the_printed_axes(
    prefix: str, inferences: int, axis_s: float, axis_j: float | None
) -> None:
    """Figs. 6 to 14: the longest and the costliest bar fill half of their axis at least."""
    times_s, energies_j = [], []
    for name in ("alpine-high-power", "alpine-low-power"):
        for experiment in paper.experiments():
            if experiment.case.startswith(prefix):
                time_s, energy_j = experiment.measured(load_system(name), plain, is_analog=False)
                times_s.append(inferences * time_s.value)
                energies_j.append(inferences * energy_j.value)
    assert axis_s / 2 < max(times_s) <= axis_s
    if axis_j is not None:
        assert axis_j / 2 < max(energies_j) <= axis_j


def test_a_full_product_takes_228_ns_beside_the_core() -> None:
    """64 ns in, 100 ns, 64 ns out; 10.24 nJ at 14 nm, scaled by 5.3 (Table I(C), VI-B)."""
    system = load_system("alpine-high-power")
    model = Alpine(variant(system, "software", simple_cycles=0.0))
    layer = Layer(
        name="fc", kind="linear", module="fc", inputs=(INPUT,), input_shapes=((1, 256),),
        output_shape=(1, 256), macs=65536, weight_count=65536,
        mvm=Mvm(rows=256, columns=256, count=1),
    )  # fmt: skip
    units = (Unit(name="unit", layers=("fc",)),)
    workload = Workload(name="one layer", layers=(layer,), units=units)
    [cost] = model.cost(workload, Mapping.of({"unit": "tile"})).layers
    times_s = {name: time for name, (time, _) in cost.components.items()}
    assert times_s["queue"] + times_s["mvm"] + times_s["dequeue"] == pytest.approx(228e-9)
    core_w = 845.39e-12 * 2.3e9
    assert cost.components["mvm"][1] == pytest.approx(54.3e-9 + 100e-9 * core_w, rel=1e-3)
