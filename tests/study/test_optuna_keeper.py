"""A record in an Optuna study: written in one piece, refused where it answers another question."""

from __future__ import annotations

from dataclasses import dataclass, replace

import optuna
import pytest
from recorded_search import SAID, searched

from lionheart_opt.errors import InputError
from lionheart_opt.strategies.random import Random
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import Record
from lionheart_opt.study.recorded_answers import studies_of
from lionheart_opt.study.search import Search
from lionheart_opt.study.specification import FORMAT
from lionheart_opt.testing import tiny_problem


@pytest.fixture
def storage() -> optuna.storages.BaseStorage:
    return optuna.storages.InMemoryStorage()


def test_trials_are_optunas(storage):
    keeper = searched(storage)
    problem = tiny_problem(objectives=("latency_s", "drop"))
    trials = keeper.study.get_trials()
    assert [trial.number for trial in trials] == list(range(5))
    assert keeper.study.metric_names == ["latency_s", "drop"]
    for trial, kept in zip(trials, keeper.trials(problem), strict=True):
        evaluation = kept.evaluation
        assert trial.values == list(evaluation.objectives.values())
        violations = evaluation.violations
        assert trial.constraints == pytest.approx(violations | {"0": max(violations.values())})
        attributes = trial.user_attrs
        assert attributes["feasible"] is evaluation.feasible
        assert attributes["drop"] == evaluation.objectives["drop"] <= attributes["drop_high"]
        digital = problem.digital_cost
        assert attributes["speedup"] == digital.latency_s / evaluation.cost.latency_s
        assert attributes["energy_gain"] == digital.energy_j / evaluation.cost.energy_j
        assert trial.params == {unit.name: evaluation.mapping[unit.name] for unit in problem.units}
        assert trial.duration.total_seconds() == pytest.approx(evaluation.oracle_s)


def test_what_was_not_measured_has_no_drop(storage):
    problem = replace(tiny_problem(), cost_limits={"latency_s": 1e-30})
    keeper = OptunaKeeper.open(problem, "s", storage, SAID)
    keeper.add(problem, problem.evaluate(problem.pretrained(problem.all_digital)))
    attributes = keeper.study.trials[0].user_attrs
    assert attributes["feasible"] is False and attributes["speedup"] == 1.0
    assert not {"drop", "drop_high"} & set(attributes)


def test_a_new_study_has_its_question_as_a_note(storage):
    problem = tiny_problem()
    for text in ("Which mapping?", "another text"):
        OptunaKeeper.open(problem, "s", storage, SAID, text=text)
    attributes = storage.get_study_system_attrs(storage.get_study_id_from_name("s"))
    assert attributes["dashboard:note_str:0"] == "Which mapping?"
    assert attributes["dashboard:note_ver"] == 1


def test_opening_announces_nothing(storage, capfd):
    verbosity = optuna.logging.get_verbosity()
    searched(storage)
    assert capfd.readouterr() == ("", "") and optuna.logging.get_verbosity() == verbosity


def test_existing_creates_nothing(storage):
    assert OptunaKeeper.existing("s", storage, SAID) is None
    assert optuna.get_all_study_names(storage) == []
    optuna.create_study(storage=storage, study_name="half", directions=["minimize"] * 2)
    assert OptunaKeeper.existing("half", storage, SAID) is None, "killed before its first line"
    problem = tiny_problem(objectives=("latency_s", "drop"))
    assert len(Record(problem, OptunaKeeper.open(problem, "half", storage, SAID))) == 0
    assert OptunaKeeper.existing("half", storage, SAID) is not None


@pytest.mark.parametrize("how", ["open", "existing"])
@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({**SAID, "seed": 1}, r"recorded with other settings: seed: recorded 0, now 1\. Change"),
        ({"oracle": {"a": 2}, "seed": 0}, r"oracle\.a: recorded 1, now 2"),
        ({"oracle": {"weights": "b"}, "seed": 0}, r"torch\.manual_seed"),
    ],
)
def test_another_question_is_refused(storage, how, said, message):
    keeper = searched(storage)
    with pytest.raises(InputError, match=message):
        if how == "open":
            OptunaKeeper.open(tiny_problem(), "s", storage, said)
        else:
            OptunaKeeper.existing("s", storage, said)
    assert keeper.study.user_attrs["specification"] == SAID


def test_a_newer_format_is_refused_and_copied_by_nobody(storage):
    keeper = searched(storage)
    assert keeper.study.user_attrs["format"] == FORMAT
    assert [study.study_name for study in studies_of(storage, {"seed": 0}, {})] == ["s"]
    keeper.study.set_user_attr("format", FORMAT + 1)
    with pytest.raises(
        InputError, match=f"has format {FORMAT + 1}; this version reads up to {FORMAT}"
    ):
        OptunaKeeper.existing("s", storage, SAID)
    assert studies_of(storage, {"seed": 0}, {}) == []


def test_trials_that_never_finished_are_left_out(storage):
    keeper = searched(storage, trials=2)
    keeper.study.ask()  # as a killed process of an older version leaves it
    problem = tiny_problem(objectives=("latency_s", "drop"))
    reopened = OptunaKeeper.open(problem, "s", storage, SAID)
    record = Record(problem, reopened)
    assert [trial.number for trial in record.trials()] == [0, 1]
    Search(record, Random(), seed=1, budget=Budget(trials=4)).run()
    assert [trial.number for trial in Record(problem, reopened).trials()] == [0, 1, 3, 4]
    whole = searched(optuna.storages.InMemoryStorage(), trials=4)
    assert [trial.evaluation.mapping for trial in whole.trials(problem)] == [
        trial.evaluation.mapping for trial in record.trials()
    ]


@pytest.mark.parametrize("objectives", [("latency_s",), ("drop",), ("energy_j", "drop")])
@pytest.mark.parametrize(("time", "energy"), [(2.0, 1.0), (1.0, 2.0)])
def test_a_changed_cost_model_is_noticed_whatever_the_objectives(storage, objectives, time, energy):
    problem = tiny_problem(objectives=objectives)
    keeper = searched(storage, problem=problem)

    @dataclass(frozen=True)
    class Dearer:
        def cost(self, workload, mapping):
            cost = problem.cost_model.cost(workload, mapping)
            layers = [
                replace(
                    layer,
                    components={
                        k: (time * t, energy * e) for k, (t, e) in layer.components.items()
                    },
                )
                for layer in cost.layers
            ]
            return replace(cost, layers=tuple(layers))

    with pytest.raises(InputError, match=r"trial 0 of study 's': .*the cost model has changed"):
        Record(replace(problem, cost_model=Dearer()), keeper)


def test_a_record_is_tied_to_the_contents_behind_its_names(storage):
    """Names may stay the same while weights or data behind them are replaced."""
    problem = tiny_problem()
    contents = {"weights": "aa", "data": "bb", "format": 2}
    OptunaKeeper.open(problem, "tied", storage, {"seed": 0}, contents)
    OptunaKeeper.open(problem, "tied", storage, {"seed": 0}, contents)
    with pytest.raises(InputError, match="weights: recorded 'aa', now 'cc'"):
        OptunaKeeper.open(problem, "tied", storage, {"seed": 0}, {**contents, "weights": "cc"})
    assert OptunaKeeper.existing("tied", storage, {"seed": 0}) is not None, "reading needs no data"
    found = studies_of(storage, {"seed": 0}, contents)
    assert [study.study_name for study in found] == ["tied"]
    assert studies_of(storage, {"seed": 0}, {**contents, "data": "dd"}) == []


@pytest.mark.parametrize("damage", ["all-digital", 3, [], {"accuracy": {"times_s": {"a": 1}}}])
def test_a_damaged_measurement_of_all_digital_is_one_line(storage, damage):
    keeper = searched(storage)
    keeper.study.set_user_attr("all-digital", damage)
    with pytest.raises(InputError, match="study 's': its record cannot be read"):
        keeper.digital()
