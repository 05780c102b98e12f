"""Optuna's samplers as strategies: seeded, never repeated, never changed silently."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.optuna import REFUSED, Optuna
from lionheart_opt.synthetic import synthetic_problem
from lionheart_opt.testing import digests, drive, tiny_problem

SAMPLERS = {
    "TPESampler": {"n_startup_trials": 4},
    "GPSampler": {"n_startup_trials": 8},
    "NSGAIISampler": {"population_size": 4},
    "NSGAIIISampler": {"population_size": 4},
    "QMCSampler": {},
    "RandomSampler": {},
    "BruteForceSampler": {},
}


def test_every_sampler_is_offered_or_refused() -> None:
    there = {name for name in optuna.samplers.__all__ if name.endswith("Sampler")}
    assert there == set(SAMPLERS) | set(REFUSED)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("objectives", [("latency_s",), ("latency_s", "drop")])
def test_samplers_resume_and_do_not_repeat(name: str, objectives: tuple[str, ...]) -> None:
    # Some mappings break the latency limit, so that their drop is never known.
    latency_s = tiny_problem().digital_cost.latency_s * 0.8
    problem = tiny_problem(objectives=objectives, max_drop=0.3, latency_limit_s=latency_s)
    strategy = Optuna(name, SAMPLERS[name])
    whole = drive(strategy, problem, trials=10, seed=5)
    assert {evaluation.accuracy is None for evaluation in whole} == {True, False}
    assert len({evaluation.mapping for evaluation in whole}) == 10
    first = drive(strategy, problem, trials=6, seed=5)
    rest = drive(strategy, problem, trials=4, seed=5, record=first)
    assert digests([*first, *rest]) == digests(whole)
    assert digests(drive(strategy, problem, trials=10, seed=6)) != digests(whole)


@pytest.mark.parametrize("name", sorted(set(SAMPLERS) - {"GPSampler"}))
def test_ends_when_every_mapping_is_known(name: str) -> None:
    """Repeated proposals are replaced, and none is paid for twice."""
    problem = tiny_problem(objectives=("latency_s", "drop"))
    evaluations = drive(Optuna(name, SAMPLERS[name], batch=3), problem)
    assert len(evaluations) == len({evaluation.mapping for evaluation in evaluations}) == 32


@pytest.mark.parametrize("name", SAMPLERS)
def test_offered_samplers_do_not_leave_categories_to_chance(name: str) -> None:
    """Whatever models a number models a category too; what does not (CMA-ES) is refused."""
    modelled = _modelled(getattr(optuna.samplers, name)(**SAMPLERS[name], seed=0))
    assert modelled in (set(), {"number", "category"})
    assert _modelled(optuna.samplers.CmaEsSampler(seed=0)) == {"number"}


def _modelled(sampler: optuna.samplers.BaseSampler) -> set[str]:
    study = optuna.create_study(sampler=sampler)
    for number in (0.0, 1.0):
        study.add_trial(
            optuna.create_trial(
                value=number,
                params={"number": number, "category": "a"},
                distributions={
                    "number": FloatDistribution(0.0, 1.0),
                    "category": CategoricalDistribution(("a", "b")),
                },
            )
        )
    return set(sampler.infer_relative_search_space(study, study.trials[-1]))


def test_enqueued_mappings_come_first_and_once() -> None:
    problem = tiny_problem()
    enqueue = ["all-digital", "all-analog", "all-digital", {"fc0": "tile"}]
    evaluations = drive(Optuna("RandomSampler", enqueue=enqueue), problem, trials=6)
    expected = [problem.all_digital, problem.all_analog, problem.mapping({"fc0": "tile"})]
    assert [evaluation.mapping for evaluation in evaluations[:3]] == expected
    assert len({evaluation.mapping for evaluation in evaluations}) == 6


def test_a_batch_is_proposed_before_its_first_answer() -> None:
    problem = tiny_problem()
    search = Optuna(batch=4).search(problem, np.random.default_rng(0))
    batch = next(search)
    assert len({candidate.mapping for candidate in batch}) == 4
    search.close()


def _distance(batch: Sequence[Candidate]) -> float:
    """Mean number of units that two mappings of a batch differ in."""
    pairs = [(a.mapping, b.mapping) for a, b in combinations(batch, 2)]
    return float(np.mean([sum(a[unit] != b[unit] for unit in a) for a, b in pairs]))


def test_tpe_spreads_a_batch_by_constant_liar() -> None:
    """Proposals that are not answered yet count as bad ones, unless that is switched off."""
    problem = synthetic_problem(n_units=12)

    def distance(seed: int, **arguments: object) -> float:
        arguments = {"n_startup_trials": 8, **arguments}
        search = Optuna(arguments=arguments, batch=8).search(problem, np.random.default_rng(seed))
        batch = next(search)
        for _ in range(4):
            batch = search.send([problem.evaluate(candidate) for candidate in batch])
        assert len({candidate.mapping for candidate in batch}) == 8
        search.close()
        return _distance(batch)

    seeds = range(5)
    usual = [distance(seed) for seed in seeds]
    assert usual == [distance(seed, constant_liar=True) for seed in seeds]
    assert np.mean(usual) > np.mean([distance(seed, constant_liar=False) for seed in seeds])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sampler": "TPESamplr"}, "unknown sampler 'TPESamplr' .*'TPESampler'"),
        ({"sampler": "nsgaii"}, "unknown sampler 'nsgaii'"),
        ({"sampler": "CmaEsSampler"}, "does not model categorical parameters"),
        ({"sampler": "PartialFixedSampler"}, "takes no seed"),
        ({"arguments": {"n_startup": 3}}, "TPESampler: unknown argument 'n_startup'"),
        ({"arguments": {"seed": 3}}, "unknown argument 'seed'"),
        ({"sampler": "NSGAIISampler", "arguments": {"population_size": 1}}, "population_size"),
        ({"enqueue": ["all-anlog"]}, "unknown mapping 'all-anlog'"),
        ({"batch": 0}, "batch: got 0; must be at least 1"),
    ],
)
def test_bad_settings_are_refused_when_built(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Optuna(**settings)


def test_optuna_can_start_from_a_profile() -> None:
    problem = tiny_problem()
    strategy = Optuna("RandomSampler", enqueue=["all-analog"], profile="none", nested=3)
    evaluations = drive(strategy, problem, trials=12)
    assert [evaluation.candidate.training for evaluation in evaluations] == ["none"] * 5 + [
        None
    ] * 7
    assert evaluations[5].mapping == problem.all_analog
    sizes = [len(evaluation.mapping.units_on("tile")) for evaluation in evaluations[6:8]]
    assert sizes == [1, 3]  # the third, of all five units, is all-analog again


# --- what the sampler's own study is told --------------------------------------------------------


class Stuck(optuna.samplers.RandomSampler):
    """Proposes the same mapping again and again."""

    def sample_independent(self, study, trial, name, distribution):  # type: ignore[no-untyped-def]
        return distribution.choices[0]


@pytest.fixture
def studies(monkeypatch: pytest.MonkeyPatch) -> list[optuna.Study]:
    """The studies that are made, with a sampler that is stuck at all-digital."""
    made: list[optuna.Study] = []
    real = optuna.create_study

    def spy(**settings: Any) -> optuna.Study:
        made.append(real(**settings))
        return made[-1]

    monkeypatch.setattr(optuna, "create_study", spy)
    monkeypatch.setattr(Optuna, "_build", lambda self, seed: Stuck(seed=seed))
    return made


@pytest.mark.parametrize("tries", [1, 3])
def test_after_so_many_repeats_in_a_row_a_random_new_mapping_is_taken(
    tries: int, studies: list[optuna.Study]
) -> None:
    """Of 32 mappings the first is proposed; for each of the others the sampler repeats it first."""
    problem = tiny_problem()
    evaluations = drive(Optuna(tries=tries), problem)
    assert len({evaluation.mapping for evaluation in evaluations}) == len(evaluations) == 32
    [study] = studies
    assert len(study.trials) == 1 + 31 * (tries + 1)
    repeated = study.trials[1 : 1 + tries]
    assert {trial.state for trial in repeated} == {optuna.trial.TrialState.COMPLETE}
    first = evaluations[0]
    assert all(trial.values == list(first.objectives.values()) for trial in repeated)


def test_repeats_of_what_is_not_answered_yet_have_failed(studies: list[optuna.Study]) -> None:
    search = Optuna(batch=2, tries=2).search(tiny_problem(), np.random.default_rng(0))
    assert len(next(search)) == 2
    states = [trial.state.name for trial in studies[0].trials]
    assert states == ["RUNNING", "FAIL", "FAIL", "RUNNING"]
    search.close()


def test_limits_are_constraints_of_every_trial(studies: list[optuna.Study]) -> None:
    """Where a broken cost limit spared the oracle, the drop counts as the worst there is."""
    latency_s = 0.8 * tiny_problem().digital_cost.latency_s
    problem = tiny_problem(
        latency_limit_s=latency_s, max_drop=0.3, objectives=("latency_s", "drop")
    )
    evaluations = drive(Optuna(batch=5, tries=1), problem, trials=15)
    assert {evaluation.accuracy is None for evaluation in evaluations} == {True, False}
    told = {
        tuple(trial.params.values()): trial
        for trial in studies[0].trials
        if trial.state == optuna.trial.TrialState.COMPLETE
    }
    for evaluation in evaluations[:10]:  # the last batch is not told when the budget ends
        trial = told[tuple(evaluation.mapping[name] for name in trial_names(problem))]
        assert trial.values == list(evaluation.objectives.values())
        expected = {"drop": 0.7, **evaluation.violations}
        assert trial.constraints == pytest.approx(expected)
        assert ("drop" in evaluation.violations) == (evaluation.accuracy is not None)


def trial_names(problem: Problem) -> list[str]:
    return [unit.name for unit in problem.units]


def test_batches_end_with_the_space() -> None:
    problem = replace(tiny_problem(), digital=("fc0", "fc1"))
    search = Optuna("RandomSampler", batch=3).search(problem, np.random.default_rng(0))
    sizes, batch = [], next(search)
    with pytest.raises(StopIteration):
        while True:
            sizes.append(len(batch))
            batch = search.send([problem.evaluate(candidate) for candidate in batch])
    assert sizes == [3, 3, 2]


def test_optunas_messages_are_silenced_for_the_study_only(
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        next(Optuna().search(tiny_problem(), np.random.default_rng(0)))
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
        assert "A new study created" not in capfd.readouterr().err
    finally:
        optuna.logging.set_verbosity(before)


def test_tpe_is_multivariate_unless_it_is_told_otherwise() -> None:
    assert Optuna()._build(0)._multivariate is True  # type: ignore[attr-defined]
    assert Optuna(arguments={"multivariate": False})._build(0)._multivariate is False  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["nested", "batch", "tries"])
def test_numbers_are_at_least_1(name: str) -> None:
    assert getattr(Optuna(**{name: 1}), name) == 1  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"optuna: {name}: got 0; must be at least 1"):
        Optuna(**{name: 0})  # type: ignore[arg-type]
