"""Accuracy tables in files: read back as they were written, refused where they do not fit."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lionheart_opt.accuracy import Fidelity, KnowsTrainings
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.oracle.table_oracle import TableOracle
from lionheart_opt.problem import Problem
from lionheart_opt.synthetic import synthetic_problem
from lionheart_opt.testing import tiny_problem


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "table.npz"
    table = tiny_problem().oracle
    assert isinstance(table, AccuracyTable)
    table.save(path)
    return path


def context(file: Path, problem: Problem) -> SimpleNamespace:
    """What a study hands to an oracle, as far as this one reads it."""
    return SimpleNamespace(
        folder=file.parent,
        workload=problem.workload,
        where="study.toml: [oracle]",
        check_times=lambda times_s: None,
        relative=False,
    )


def test_a_table_is_read_back_as_it_was_written(file: Path) -> None:
    problem = tiny_problem()
    oracle = TableOracle.from_study(context(file, problem), {"file": file.name})
    fidelity = Fidelity(draws=(1, 5))
    for training in ("none", "one_shot", "full"):
        candidate = Candidate(problem.mapping({"fc1": "tile", "fc4": "tile"}), training=training)
        ours = problem.oracle.accuracy(candidate, fidelity, 0)
        read = oracle.accuracy(candidate, fidelity, 0)
        np.testing.assert_array_equal(read.samples, ours.samples)
        assert (read.times_s, read.baseline) == (ours.times_s, ours.baseline)
        assert (read.training_s, read.evaluation_s) == (ours.training_s, ours.evaluation_s)
    assert oracle.table.provenance == "made up"
    assert isinstance(oracle, KnowsTrainings) and oracle.trainings == problem.oracle.trainings


def test_what_is_not_in_the_table_is_an_error_that_says_so(file: Path) -> None:
    problem = tiny_problem()
    whole = AccuracyTable.load(file)
    half = AccuracyTable(
        units=whole.units,
        targets=whole.targets,
        times_s=whole.times_s,
        baseline=whole.baseline,
        trainings=whole.trainings[:10],
        assignments=whole.assignments[:10],
        samples=whole.samples[:10],
        training_s=whole.training_s[:10],
        draw_s=whole.draw_s[:10],
    )
    fidelity = Fidelity(draws=(0, 2))
    digital = Candidate(problem.all_digital, training="none")
    assert half.accuracy(digital, fidelity, 0).baseline == whole.baseline
    with pytest.raises(InputError, match=r"no row with training 'none' for {'fc0': 'tile'"):
        half.accuracy(Candidate(problem.all_analog, training="none"), fidelity, 0)
    with pytest.raises(InputError, match="no row with training 'full', only with 'none'; ask for"):
        half.accuracy(digital.with_training("full"), fidelity, 0)
    with pytest.raises(InputError, match="draws up to 99 were asked for; it has 8"):
        half.accuracy(digital, Fidelity(draws=(0, 99)), 0)
    with pytest.raises(InputError, match="unknown target 'npu'"):
        npu = tiny_problem(targets=("cpu", "tile", "npu")).mapping({"fc0": "npu"})
        half.accuracy(Candidate(npu, training="none"), fidelity, 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "file: got None; must be a path"),
        ({"file": 3}, "file: got 3; must be a path"),
        ({"file": "table.npz", "seed": 1}, "unknown key 'seed'"),
        ({"file": "missing.npz"}, "No such file"),
        ({"file": "garbage.npz"}, "not an accuracy table"),
        ({"file": "empty.npz"}, "not an accuracy table"),
    ],
)
def test_bad_settings_are_refused(file: Path, settings: dict[str, object], message: str) -> None:
    (file.parent / "garbage.npz").write_text("not a table")
    (file.parent / "empty.npz").write_text("")
    with pytest.raises(InputError, match=message):
        TableOracle.from_study(context(file, tiny_problem()), settings)


def test_a_table_of_other_units_is_refused(file: Path) -> None:
    with pytest.raises(InputError, match=r"the table is about units fc0, .*; the study has fc0"):
        TableOracle.from_study(context(file, synthetic_problem(n_units=6)), {"file": file.name})


def test_a_table_with_a_mapping_twice_is_refused(file: Path) -> None:
    table = AccuracyTable.load(file)
    with pytest.raises(ValueError, match="twice"):
        AccuracyTable(
            units=table.units,
            targets=table.targets,
            times_s=table.times_s,
            baseline=table.baseline,
            trainings=table.trainings * 2,
            assignments=np.tile(table.assignments, (2, 1)),
            samples=np.tile(table.samples, (2, 1, 1)),
            training_s=np.tile(table.training_s, 2),
            draw_s=np.tile(table.draw_s, 2),
        )


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
@pytest.mark.parametrize("name", ["times_s", "training_s", "draw_s", "proxies_s", "shared_s"])
def test_times_and_seconds_in_files_are_finite(file: Path, name: str, value: float) -> None:
    with np.load(file) as arrays:
        content = dict(arrays)
    content[name] = np.full_like(content[name], value, dtype=float)
    np.savez(file, **content)
    with pytest.raises(
        InputError, match=rf"table\.npz: .*(NaN or infinite seconds, or negative|{name} is )"
    ):
        AccuracyTable.load(file)
