"""What a study's storage answers is not asked again, and costs what it cost when it was found."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from counted_study import COUNTED, counted, searched
from counting_oracle import asked

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.questions import Answer, Proxies, Question
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.recorded_oracle import NotRecorded, RecordedOracle

HEAD = COUNTED.split("[[run]]")[0].replace("[2, 4]", "[4]")
EVERY = HEAD + '[[run]]\nstrategy = "exhaustive"\n[[run]]\nstrategy = "random"\n'


def outcome(evaluations):
    return [
        (evaluation.mapping, evaluation.objectives, evaluation.oracle_s)
        for evaluation in evaluations
    ]


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

    def samples(oracle, *draws):
        return oracle.accuracy(candidate, Fidelity(draws=draws), 0).samples

    np.testing.assert_array_equal(samples(oracle, 0, 2), samples(real, 0, 2))
    np.testing.assert_array_equal(samples(oracle, 2, 4), samples(real, 2, 4))
    assert len(asked(tmp_path)) == before + 3  # two of them by the real one
    np.testing.assert_array_equal(samples(oracle, 1, 4), samples(real, 0, 4)[1:])
    assert len(asked(tmp_path)) == before + 4


# --- the oracle itself --------------------------------------------------------------------------------


@dataclass
class Spy:
    """An oracle that notes what it is asked and what it is told to expect."""

    asked: list[tuple[Any, tuple[int, int]]] = field(default_factory=list)
    expected: list[Candidate] = field(default_factory=list)
    questions: tuple[type[Question], ...] = (Proxies,)

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        self.asked.append((candidate.mapping, fidelity.draws))
        first, last = fidelity.draws
        samples = np.arange(first, last, dtype=float)[:, None] / 100 + seed / 10
        return Accuracy(
            samples=samples,
            times_s=(1.0,),
            baseline=1.0,
            training_s=5.0,
            evaluation_s=2.0 * (last - first),
        )

    def expect(self, candidates: Sequence[Candidate], fidelity: Fidelity, seed: int) -> None:
        self.expected = list(candidates)

    def consult(self, question: Question, seed: int) -> Answer:
        self.asked.append((question, (0, 0)))
        return Answer(values={}, oracle_s=3.0)


CANDIDATES = [
    Candidate(Mapping.of({"a": target, "b": "cpu"}), training="full") for target in ("cpu", "tile")
]


def recorded(spy: Spy, studies: Sequence[Any] = (), seed: int = 0) -> RecordedOracle:
    return RecordedOracle(lambda: spy, lambda: list(studies), training="full", seed=seed)


def full(*draws: int) -> Fidelity:
    return Fidelity(draws=draws)


def test_the_oracle_is_built_when_it_is_first_asked():
    built = []

    def build() -> Spy:
        built.append(Spy())
        return built[0]

    oracle = RecordedOracle(build, list, training="full", seed=0)
    assert repr(oracle) == "RecordedOracle(not built yet; 0 candidates asked)" and not built
    oracle.accuracy(CANDIDATES[0], full(0, 2), 0)
    oracle.accuracy(CANDIDATES[1], full(0, 2), 0)
    assert len(built) == 1 and repr(oracle) == "RecordedOracle(Spy; 2 candidates asked)"


def test_draws_that_were_asked_are_copied_at_their_price():
    spy = Spy()
    oracle = recorded(spy)
    first = oracle.accuracy(CANDIDATES[0], full(0, 4), 0)
    assert first.evaluation_s == 8.0
    part = oracle.accuracy(CANDIDATES[0], full(1, 3), 0)
    assert part.samples.tolist() == [[0.01], [0.02]]
    assert (part.evaluation_s, part.training_s) == (4.0, 5.0)
    oracle.accuracy(CANDIDATES[0], full(4, 6), 0)
    assert oracle.accuracy(CANDIDATES[0], full(0, 6), 0).samples.shape == (6, 1)
    assert [draws for _, draws in spy.asked] == [(0, 4), (4, 6)]
    assert oracle.accuracy(CANDIDATES[0], full(0, 6), 0).evaluation_s == 12.0


def test_another_seed_or_training_is_asked():
    spy = Spy()
    oracle = recorded(spy)
    oracle.accuracy(CANDIDATES[0], full(0, 2), 0)
    assert oracle.accuracy(CANDIDATES[0], full(0, 2), 7).samples[0] == 0.7
    oracle.accuracy(CANDIDATES[0].with_training("none"), full(0, 2), 0)
    oracle.accuracy(CANDIDATES[0].with_training("none"), full(0, 2), 0)
    assert len(spy.asked) == 3


def test_what_another_process_found_is_remembered():
    spy = Spy()
    oracle = recorded(spy)
    answer = Spy().accuracy(CANDIDATES[0], full(0, 3), 0)
    oracle.remember(CANDIDATES[0], answer)
    oracle.remember(CANDIDATES[0], Spy().accuracy(CANDIDATES[0], full(0, 2), 0))
    assert len(oracle.accuracy(CANDIDATES[0], full(0, 3), 0).samples) == 3 and spy.asked == []


def test_only_what_is_not_known_is_expected():
    spy = Spy()
    oracle = recorded(spy)
    oracle.accuracy(CANDIDATES[0], full(0, 2), 0)
    oracle.expect(CANDIDATES, full(0, 2), 0)
    assert spy.expected == CANDIDATES[1:]
    oracle.expect(CANDIDATES, full(0, 3), 0)
    assert spy.expected == CANDIDATES
    spy.expected = []
    oracle.expect(CANDIDATES[:1], full(0, 2), 0)
    assert spy.expected == []


def test_records_alone_never_ask():
    spy = Spy()
    oracle = recorded(spy)
    oracle.accuracy(CANDIDATES[0], full(0, 2), 0)
    alone = oracle.records_only()
    assert len(alone.accuracy(CANDIDATES[0], full(0, 2), 0).samples) == 2
    for candidate, draws in ((CANDIDATES[0], (0, 3)), (CANDIDATES[1], (0, 1))):
        with pytest.raises(NotRecorded):
            alone.accuracy(candidate, full(*draws), 0)
    assert len(spy.asked) == 1


def test_answers_of_a_study_are_copied():
    spy = Spy()
    study = optuna.create_study()
    study.set_user_attr("specification", {"seed": 0})
    question = Proxies(units=("a",))
    answer = Answer(values={"right": {"a": 1.0}}, oracle_s=9.0)
    OptunaKeeper(study).add_answer(question, answer)
    oracle = recorded(spy, [study])
    assert oracle.questions == (Proxies,)
    assert oracle.consult(question, 0) == answer and spy.asked == []
    oracle.consult(question, 1)
    oracle.consult(Proxies(units=("b",)), 0)
    assert len(spy.asked) == 2
