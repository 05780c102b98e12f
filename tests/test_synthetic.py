"""Made-up workloads, costs and problems: what the tests of exact methods lean on."""

from dataclasses import replace

import numpy as np
import pytest

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.cost import CostModel
from lionheart_opt.mapping import TRAININGS, Candidate, Mapping
from lionheart_opt.questions import LearnedShares, Proxies
from lionheart_opt.synthetic import (
    SyntheticCosts,
    SyntheticOracle,
    convolutional_workload,
    synthetic_problem,
    synthetic_system,
    synthetic_workload,
    tabulated,
)


def test_the_network_of_the_cost_contract_is_sound() -> None:
    """Every unit can run on a crossbar, and shapes follow the data flow."""
    workload = convolutional_workload((5, 6, 7))
    assert [unit.name for unit in workload.crossbar_units] == ["conv1", "conv2", "shortcut", "fc"]
    shape = {layer.name: layer.output_shape for layer in workload.layers}
    for layer in workload.layers:
        for source, read in zip(layer.inputs, layer.input_shapes, strict=True):
            assert shape.get(source, (1, 3, 8, 8)) == read
        if layer.mvm:
            assert layer.mvm.rows * layer.mvm.columns == layer.weight_count
            assert layer.mvm.rows * layer.mvm.columns * layer.mvm.count == layer.macs


class TestSyntheticCosts:
    """The tables of the made-up cost model are what the tests of exact methods lean on."""

    def test_tables_agree_with_the_cost(self) -> None:
        problem = synthetic_problem(n_units=7, targets=("cpu", "tile", "npu"))
        model: CostModel = SyntheticCosts(synthetic_system(("cpu", "tile", "npu")))
        tables = SyntheticCosts(problem.system).tables(problem.workload)
        rng = np.random.default_rng(0)
        for _ in range(20):
            mapping = problem.mapping(
                {unit.name: rng.choice(problem.choices[unit.name]) for unit in problem.units}
            )
            cost = model.cost(problem.workload, mapping)
            latency_s, energy_j = tables.cost_batch(tables.encode([mapping]))
            assert latency_s[0] == pytest.approx(cost.latency_s)
            assert energy_j[0] == pytest.approx(cost.energy_j)


def test_made_up_problems_are_decisions() -> None:
    """Problems of the tests and benchmarks: all-analog breaks the limit, all-digital keeps it."""
    for seed in range(5):
        problem = synthetic_problem(n_units=8, seed=seed)
        digital = problem.evaluate(problem.pretrained(problem.all_digital))
        analog = problem.evaluate(problem.pretrained(problem.all_analog))
        assert digital.feasible and not analog.feasible
        assert analog.objectives["latency_s"] < digital.objectives["latency_s"]


def test_widths_are_roots_of_the_macs() -> None:
    """Linear layers in a chain; after every second one, what came two layers before is added."""
    workload = synthetic_workload([9, 10, 1, 16])
    assert [layer.name for layer in workload.layers] == ["fc0", "fc1", "add1", "fc2", "fc3", "add3"]
    assert [workload.layer(f"fc{k}").macs for k in range(4)] == [9, 9, 4, 16]
    assert workload.layer("add1").inputs == ("fc1", "input")
    assert workload.layer("add3").inputs == ("fc3", "add1")
    assert [unit.name for unit in workload.units] == ["fc0", "fc1", "fc2", "fc3"]


def test_costs_by_hand() -> None:
    """Two layers of 10x10. A MAC takes 1 ns on the CPU, 50 ps on the tile; moving a number, 20 ns."""
    workload = synthetic_workload([100, 100])
    model = SyntheticCosts(synthetic_system())
    digital = model.cost(workload, Mapping.of({"fc0": "cpu", "fc1": "cpu"}))
    assert digital.latency_s == pytest.approx(200e-9)
    assert digital.energy_j == pytest.approx(200e-11)
    assert digital.tiles == {"tile": 0}
    mixed = model.cost(workload, Mapping.of({"fc0": "cpu", "fc1": "tile"}))
    assert mixed.latency_s == pytest.approx(100e-9 + 5e-9 + 2 * 10 * 20e-9)
    assert mixed.energy_j == pytest.approx(100e-11 + 100e-12 + 2 * 10 * 2e-10)
    assert mixed.tiles == {"tile": 1}


def made_up_oracle(**changes: object) -> SyntheticOracle:
    """Two units that lose 0.01 and 0.02 alone, and 0.03 more together."""
    oracle = SyntheticOracle(
        units=("fc0", "fc1"),
        analog={"tile": 1.0},
        single=dict.fromkeys(TRAININGS, np.array([0.01, 0.02])),
        pair=np.array([[0.0, 0.03], [0.0, 0.0]]),
        noise=0.0,
        baseline=0.8,
    )
    return replace(oracle, **changes)


def test_drops_add_up_and_saturate() -> None:
    """A drop d becomes baseline * (1 - exp(-d / baseline)); a second after programming, d is 0.8 d."""
    both = Candidate(Mapping.of({"fc0": "tile", "fc1": "tile"}), training="short")
    answer = made_up_oracle().accuracy(both, Fidelity(draws=(0, 2)), seed=0)
    expected = [0.8 * np.exp(-0.8 * 0.06 / 0.8), 0.8 * np.exp(-0.06 / 0.8)]
    np.testing.assert_allclose(answer.samples, [expected, expected])
    assert (answer.training_s, answer.evaluation_s) == (60.0, 4.0)
    alone = Candidate(Mapping.of({"fc0": "cpu", "fc1": "tile"}), training="none")
    answer = made_up_oracle().accuracy(alone, Fidelity(draws=(0, 1)), seed=0)
    assert answer.samples[0, 1] == pytest.approx(0.8 * np.exp(-0.02 / 0.8))
    assert answer.training_s == 0.0


def test_noise_is_that_of_the_draw_in_every_mapping() -> None:
    """Without pairs, the drops of two units add up draw by draw."""
    oracle = made_up_oracle(noise=0.5, pair=np.zeros((2, 2)))

    def drops(units: str, draws: tuple[int, int] = (0, 4), seed: int = 0) -> np.ndarray:
        mapping = Mapping.of({name: "tile" if name in units else "cpu" for name in oracle.units})
        candidate = Candidate(mapping, training="none")
        answer = oracle.accuracy(candidate, Fidelity(draws=draws), seed)
        return -0.8 * np.log(answer.samples[:, 1] / 0.8)

    together = drops("fc0 fc1")
    assert len(np.unique(together)) == 4
    np.testing.assert_allclose(drops("fc0") + drops("fc1"), together)
    np.testing.assert_array_equal(drops("fc0 fc1", draws=(2, 4)), together[2:])


def test_proxies_are_the_drops_of_units_alone() -> None:
    answer = made_up_oracle().consult(Proxies(units=("fc1", "fc0")), seed=0)
    assert answer.values["hessian_trace"] == {"fc1": 0.02, "fc0": 0.01}
    assert answer.values["hessian_max_eigenvalue"] == {"fc1": 0.01, "fc0": 0.01 / 3}
    assert answer.values["max_weight"] == {"fc1": 1.0, "fc0": 1.0}


def test_shares_are_above_a_half_where_the_saving_outweighs_the_loss() -> None:
    prices = {"fc0": (1.0, 0.5), "fc1": (1.0, 0.99)}
    question = LearnedShares(prices=prices, pairs=(), strength=0.1)
    shares = made_up_oracle().consult(question, seed=0).values["share"]
    assert shares["fc0"] == pytest.approx(1 / (1 + np.exp(-100 * (0.05 - 0.01))))
    assert shares["fc1"] == pytest.approx(1 / (1 + np.exp(-100 * (0.001 - 0.02))))
    assert shares["fc1"] < 0.5 < shares["fc0"]


def test_equal_seeds_give_equal_problems() -> None:
    first, same, other = (synthetic_problem(n_units=4, seed=seed) for seed in (1, 1, 2))
    assert first.workload == same.workload != other.workload
    np.testing.assert_array_equal(first.oracle.single["none"], same.oracle.single["none"])


def test_a_table_of_a_problem_answers_as_its_oracle_does() -> None:
    problem = synthetic_problem(n_units=3)
    table = tabulated(problem)
    assert len(table.trainings) == 2**3 * len(TRAININGS)
    candidate = Candidate(problem.all_analog, training="one_shot")
    fidelity = Fidelity(draws=(3, 8))
    np.testing.assert_array_equal(
        table.accuracy(candidate, fidelity, problem.seed).samples,
        problem.oracle.accuracy(candidate, fidelity, problem.seed).samples,
    )
