"""A record becomes a table, and searches on the table see what searches on the oracle saw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_setup import call, make_study
from counted_study import COUNTED, counted, searched

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.results.tabulate import tabulate
from lionheart_opt.space import every_mapping
from lionheart_opt.strategies.exhaustive import Exhaustive
from lionheart_opt.study.file import StudyFile
from lionheart_opt.testing import tiny_problem

EVERY = COUNTED.split("[[run]]")[0].replace("[2, 4]", "[4]") + (
    '[[run]]\nstrategy = "exhaustive"\n[[run]]\nstrategy = "exhaustive"\nlabel = "none"\n'
    'arguments = { training = "none" }\n'
)
UNITS = ("0", "2", "4")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> StudyFile:
    file = counted(tmp_path_factory.mktemp("study"), EVERY)
    for label in ("exhaustive", "none"):
        searched(file, label)
    return file


def test_exhaustive_asks_for_every_mapping_once() -> None:
    problem = tiny_problem()
    [batch] = list(Exhaustive().search(problem, np.random.default_rng(0)))
    assert [candidate.mapping for candidate in batch] == list(every_mapping(problem))
    assert all(candidate.training is None for candidate in batch)
    [batch] = list(Exhaustive(training="none").search(problem, np.random.default_rng(0)))
    assert {candidate.training for candidate in batch} == {"none"}


def test_exhaustive_refuses_what_would_never_end() -> None:
    search = Exhaustive(most=7).search(tiny_problem(), np.random.default_rng(0))
    with pytest.raises(InputError, match="mappings; most = 7"):
        next(search)


def test_a_table_answers_as_the_oracle_did(file: StudyFile, tmp_path: Path) -> None:
    assert tabulate(file)[0].proxies == {}, (
        "proxies take long, and are computed if they are asked for"
    )
    table, left_out = tabulate(file, proxies=True)
    table.save(tmp_path / "table.npz")
    table = AccuracyTable.load(tmp_path / "table.npz")
    assert left_out == 0 and len(table.trainings) == 16
    fidelity = Fidelity(draws=(0, 4))
    for training in ("full", "none"):
        for mapping in every_mapping(file.problem):
            candidate = Candidate(mapping, training=training)
            mine = table.accuracy(candidate, fidelity, 0)
            real = file.oracle.accuracy(candidate, fidelity, 0)
            np.testing.assert_array_equal(mine.samples, real.samples)
            assert (mine.training_s, mine.evaluation_s) == (real.training_s, real.evaluation_s)
            assert (mine.times_s, mine.baseline) == (real.times_s, real.baseline)
    assert table.proxies_s == 3.0
    np.testing.assert_array_equal(table.proxies["right"], [0.0, 1.0, 2.0])


def test_provenance_says_what_was_measured(file: StudyFile) -> None:
    said = json.loads(tabulate(file)[0].provenance)
    assert said["question"] == "What is asked twice?"
    assert said["study"]["limits"]["draws"] == [4] and said["study"]["system"] == file.system.digest
    assert set(said["versions"]) == {"lionheart_opt", "torch", "aihwkit", "numpy"}


def test_rows_have_equally_many_draws(tmp_path: Path) -> None:
    file = counted(tmp_path, EVERY.replace("[4]", "[2, 4]").replace("0.02", "0.03"))
    searched(file, "exhaustive")
    draws = [
        len(evaluation.accuracy.samples)
        for _, record in file.records()
        for evaluation in record.evaluations()
        if evaluation.accuracy is not None
    ]
    table, left_out = tabulate(file)
    assert set(draws) == {2, 4}  # some were decided early
    assert left_out == draws.count(2) and len(table.trainings) == draws.count(4)


def test_progressive_trainings_are_left_out(tmp_path: Path) -> None:
    text = COUNTED.split("[[run]]")[0].replace("[2, 4]", "[4]")
    file = counted(tmp_path, text + '[[run]]\nstrategy = "mac_greedy"\n')
    evaluations = searched(file, "mac_greedy")
    digital = file.problem.all_digital  # has nothing to train
    parents = [
        evaluation.candidate.parent
        for evaluation in evaluations
        if evaluation.candidate.parent is not None
    ]
    children = [parent for parent in parents if parent.mapping != digital]
    table, left_out = tabulate(file)
    assert 0 < len(children) < len(evaluations) and left_out == len(children)
    assert len(table.trainings) == len(evaluations) - len(children)


def test_nothing_measured(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing has been measured"):
        tabulate(counted(tmp_path, EVERY))


def test_the_verb_writes_a_table_that_a_study_can_use(file: StudyFile, tmp_path: Path) -> None:
    out = tmp_path / "made" / "table.npz"
    code, said, _ = call("table", file.folder, "--out", out, "--json")
    assert code == 0 and json.loads(said) == {
        "file": str(out),
        "rows": 16,
        "left_out": 0,
        "draws": 4,
    }
    text = EVERY.replace('"counting_oracle:Counting"', '"table"\nfile = "../made/table.npz"')
    other = StudyFile.load(make_study(tmp_path / "on-table", text))
    mine = [evaluation.objectives for evaluation in searched(other, "exhaustive")]
    [real] = [r for plan, r in file.records() if plan.label == "exhaustive"]
    assert mine == [evaluation.objectives for evaluation in real.evaluations()]


def test_by_default_the_table_lies_beside_the_study(tmp_path: Path) -> None:
    file = counted(tmp_path, EVERY)
    searched(file, "exhaustive")
    code, said, _ = call("table", tmp_path)
    assert code == 0 and "8 mappings" in said
    assert len(AccuracyTable.load(tmp_path / "table.npz").trainings) == 8
