"""What a calibration costs: counted by hand, and as shares of what lies between two of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from by_hand import problem_of
from made_up_runs import priced_problem

import lionheart_opt as lo
from lionheart_opt.aging.calibration_cost import CalibrationCost, calibration_cost
from lionheart_opt.errors import InputError
from lionheart_opt.problem import Problem

PRICES = {"fc0": {"cpu": 5.0, "tile": 2.0}, "fc1": {"cpu": 4.0, "tile": 1.0}}


def problem(rows: int | None = None) -> Problem:
    """Layers of 10 and 20 columns on a tile, or not; the first takes a second more anywhere."""
    made = problem_of(PRICES, {}, macs=[100, 400])
    if rows is None:
        return made
    targets = [
        target.model_copy(update={"parameters": {**target.parameters, "rows": rows}})
        for target in made.system.targets
    ]
    return replace(made, system=made.system.model_copy(update={"targets": tuple(targets)}))


def test_an_example_is_an_inference() -> None:
    made = problem()
    cost = calibration_cost(made, made.all_analog, examples=8)
    assert (cost.passes, cost.vectors, cost.read_outs) == (8, 16, 8 * 30)
    assert (cost.latency_s, cost.energy_j) == (8 * 4.0, 8 * 30.0)
    assert (cost.inference_s, cost.inference_j) == (4.0, 30.0)
    assert lo.calibration_cost is calibration_cost


def test_further_reads_repeat_the_analog_layers() -> None:
    made = problem()
    cost = calibration_cost(made, {"fc0": "tile"}, examples=8, reads=3)
    assert (cost.vectors, cost.read_outs) == (24, 240)
    assert (cost.latency_s, cost.energy_j) == (8 * (7.0 + 2 * 3.0), 8 * (60.0 + 2 * 20.0))


def test_fitted_to_the_tile_the_host_computes_analog_layers_too() -> None:
    made = problem()
    cost = calibration_cost(made, {"fc1": "tile"}, examples=8, fit_to="tile")
    assert (cost.latency_s, cost.energy_j) == (8 * (7.0 + 4.0), 8 * (60.0 + 40.0))


def test_batch_norm_is_read_once() -> None:
    made = problem()
    cost = calibration_cost(
        made, made.all_analog, compensation="batch_norm", examples=8, reads=3, fit_to="tile"
    )
    assert cost == calibration_cost(made, made.all_analog, examples=8)


def test_inputs_beyond_an_array_are_read_out_of_several() -> None:
    made = problem(rows=16)  # fc0 has 10 inputs, fc1 20
    assert calibration_cost(made, made.all_analog, examples=1).read_outs == 10 + 2 * 20


def test_shares() -> None:
    made = problem()
    cost = calibration_cost(made, made.all_analog, examples=100)
    assert cost.share_of_time(0) == cost.share_of_energy(0) == 1.0
    assert cost.share_of_time(100) == pytest.approx(0.5)
    assert cost.share_of_energy(300) == pytest.approx(0.25)
    assert cost.inferences(0.5) == 100
    assert cost.inferences(0.01) == 9900
    assert cost.share_of_time(9900) == pytest.approx(0.01)
    dear = replace(cost, energy_j=2 * cost.energy_j)
    assert dear.inferences(0.01) == 19800  # the larger of the two counts


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 2.0, float("nan")])
def test_shares_out_of_range_are_refused(share: float) -> None:
    made = problem()
    cost = calibration_cost(made, made.all_analog)
    with pytest.raises(InputError, match="share: got"):
        cost.inferences(share)
    with pytest.raises(InputError, match="inferences: got"):
        cost.share_of_time(-1)
    with pytest.raises(InputError, match="inferences: got"):
        cost.share_of_energy(float("nan"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"examples": 0}, "examples: got 0"),
        ({"examples": 1.5}, "examples: got 1.5"),
        ({"examples": True}, "examples: got True"),
        ({"reads": 0}, "reads: got 0"),
        ({"compensation": "none"}, "compensation 'none'"),
        ({"fit_to": "chip"}, "fit_to 'chip'"),
        ({"mapping": {}}, "no unit is analog"),
        ({"mapping": {"fc9": "tile"}}, "fc9"),
    ],
)
def test_nonsense_is_refused(wrong: dict[str, object], message: str) -> None:
    made = problem()
    arguments = {"mapping": made.all_analog, **wrong}
    with pytest.raises(InputError, match=message):
        calibration_cost(made, **arguments)  # type: ignore[arg-type]


def test_a_calibration_without_a_price_is_refused() -> None:
    numbers = {"passes": 1, "vectors": 1, "read_outs": 1, "inference_s": 1.0, "inference_j": 0.0}
    CalibrationCost(**numbers, latency_s=1.0, energy_j=0.0)  # type: ignore[arg-type]
    for latency_s, energy_j in ((0.0, 0.0), (1.0, 1.0)):
        with pytest.raises(InputError, match="the cost model gives no price"):
            CalibrationCost(**numbers, latency_s=latency_s, energy_j=energy_j)  # type: ignore[arg-type]


def test_examples_of_a_calibration_follow_each_other() -> None:
    single = lo.problem("mlp", system="diana", oracle={"kind": "front_door:MadeUp"}, draws=[2])
    batch = replace(single, workload=single.workload.with_batch(16))
    costs = [calibration_cost(each, each.all_analog, examples=8) for each in (single, batch)]
    assert costs[1].latency_s == costs[0].latency_s
    assert costs[1].inference_s < costs[0].inference_s


def test_a_calibration_is_known_as_well_as_the_inferences_that_it_consists_of() -> None:
    made = priced_problem()
    once = calibration_cost(made, made.all_analog, examples=1)
    inference = made.cost(made.all_analog)
    assert (once.latency_s, once.latency_low_s, once.latency_high_s) == pytest.approx(
        inference.estimate("latency_s")
    )
    assert (once.energy_j, once.energy_low_j, once.energy_high_j) == pytest.approx(
        inference.estimate("energy_j")
    )
    again = calibration_cost(made, made.all_analog, examples=8, reads=3, fit_to="tile")
    assert again.latency_low_s is not None and again.latency_high_s is not None
    assert again.latency_low_s < again.latency_s < again.latency_high_s
    assert calibration_cost(problem(), problem().all_analog).latency_low_s is None
