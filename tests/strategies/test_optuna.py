"""Optuna's samplers as strategies: seeded, never repeated, never changed silently."""

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from lionheart_opt.errors import InputError
from lionheart_opt.strategies.optuna import REFUSED, Optuna
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sampler": "TPESamplr"}, "unknown sampler 'TPESamplr' .*'TPESampler'"),
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
