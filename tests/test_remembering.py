"""What a study's storage answers is not asked again, and costs what it cost when it was found."""

from pathlib import Path

import numpy as np
import pytest
from counting_oracle import asked
from test_profile import COUNTED, counted, searched

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.mapping import Candidate
from lionheart_opt.study.file import StudyFile

HEAD = COUNTED.split("[[run]]")[0].replace("[2, 4]", "[4]")
EVERY = HEAD + '[[run]]\nstrategy = "exhaustive"\n[[run]]\nstrategy = "random"\n'


def outcome(evaluations):
    return [(one.mapping, one.objectives, one.oracle_s) for one in evaluations]


def test_a_search_copies_what_another_has_found(tmp_path: Path) -> None:
    alone = searched(counted(tmp_path / "alone", EVERY), "random")
    file = counted(tmp_path / "both", EVERY)
    searched(file, "exhaustive")
    asked_before = asked(file.folder)
    # in another process the record answers, in the same one what was just asked
    for again in (StudyFile.load(file.folder), file):
        assert outcome(searched(again, "random")) == outcome(alone)
    assert asked(file.folder) == asked_before


def test_a_study_file_beside_it_copies_too(tmp_path: Path) -> None:
    file = counted(tmp_path, EVERY)
    searched(file, "exhaustive")
    before = asked(tmp_path)
    other = tmp_path / "other.toml"
    text = EVERY.replace("max_drop = 0.02", "max_drop = 0.05").replace('label = "', 'label = "o')
    other.write_text(text.replace('"random"', '"random"\nlabel = "o"'))
    searched(StudyFile.load(other), "o")
    assert asked(tmp_path) == before


@pytest.mark.parametrize(
    "change",
    [
        ('"counting_oracle:deep"', '"counting_oracle:deep"\narguments = {}\nweights = "w.pt"'),
        ("[limits]", "[limits]\n#"),
    ],
    ids=["another network", "the same"],
)
def test_only_the_same_oracle_is_copied(tmp_path: Path, change: tuple[str, str]) -> None:
    searched(counted(tmp_path, EVERY), "exhaustive")
    before = len(asked(tmp_path))
    other = tmp_path / "other.toml"
    other.write_text(EVERY.replace(*change).replace('"random"', '"random"\nlabel = "o"'))
    searched(StudyFile.load(other), "o")
    assert (len(asked(tmp_path)) > before) == ("weights" in change[1])


def test_draws_that_are_missing_are_asked_for(tmp_path: Path) -> None:
    file = counted(tmp_path, EVERY.replace("[4]", "[2]"))
    searched(file, "exhaustive")
    before = len(asked(tmp_path))
    oracle = StudyFile.load(tmp_path).problem.oracle
    real = file.oracle
    candidate = Candidate(file.problem.all_analog, training="full")

    def samples(one, *draws):
        return one.accuracy(candidate, Fidelity(draws=draws), 0).samples

    np.testing.assert_array_equal(samples(oracle, 0, 2), samples(real, 0, 2))
    np.testing.assert_array_equal(samples(oracle, 2, 4), samples(real, 2, 4))
    assert len(asked(tmp_path)) == before + 3  # two of them by the real one
    np.testing.assert_array_equal(samples(oracle, 1, 4), samples(real, 0, 4)[1:])
    assert len(asked(tmp_path)) == before + 4
