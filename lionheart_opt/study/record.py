"""The record of one search: its evaluations, in the order in which they were proposed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from math import fsum
from typing import Any, Protocol

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, Question

#: User attribute of a trial that says why its evaluation failed.
FAILED = "failed"


@dataclass(frozen=True)
class Trial:
    """One evaluation of a record.

    Args:
        number: The number that Optuna gave it, from 0. Numbers of trials that never ended are left out.
        evaluation: What was proposed, and the answer.
    """

    number: int
    evaluation: Evaluation


class Keeper(Protocol):
    """Where a record is kept for good. One process writes; see `lionheart_opt.study.claim`."""

    @property
    def name(self) -> str:
        """Name of the search, for messages."""
        ...

    def claimed(self, *, wait: bool = False) -> AbstractContextManager[None]:
        """Keep other processes from running the search while the block runs.

        Args:
            wait: Wait until another process has ended that runs it.

        Raises:
            InputError: Another process is running it, or has taken it over.
        """
        ...

    def trials(self, problem: Problem) -> list[Trial]:
        """Everything that is kept, by number."""
        ...

    def add(self, problem: Problem, evaluation: Evaluation) -> int:
        """Keep an evaluation, all of it or nothing; its number.

        Raises:
            InputError: It cannot be written. `unwritten` gives it when the search is resumed.
        """
        ...

    def set_aside(self, problem: Problem, evaluations: Sequence[Evaluation]) -> None:
        """Keep finished evaluations beside the record: their turn has not come, and the search ends."""
        ...

    def unwritten(self, problem: Problem, candidate: Candidate) -> Evaluation | None:
        """The evaluation of a candidate that was finished, but not written; None if there is none."""
        ...

    def answer(self, question: Question) -> Answer | None:
        """The answer that is kept; None if there is none."""
        ...

    def add_answer(self, question: Question, answer: Answer) -> None:
        """Keep the answer to a question beside accuracy."""
        ...

    @property
    def answers_s(self) -> float:
        """Oracle seconds of all answers that are kept."""
        ...

    @property
    def proposals(self) -> int | None:
        """Proposals up to the last new one, repeats included; None if nobody counted."""
        ...

    def set_proposals(self, count: int) -> None:
        """Keep the number of proposals."""
        ...

    @property
    def has_ended(self) -> bool | None:
        """Whether the last run went to its end; None if nobody said."""
        ...

    def set_ended(self, has_ended: bool) -> None:
        """Keep whether a run has gone to its end."""
        ...

    def digital(self) -> Accuracy | None:
        """What was measured of all-digital beside the trials; None if nothing was."""
        ...

    def set_digital(self, candidate: Candidate, accuracy: Accuracy) -> None:
        """Keep what was measured of all-digital; `candidate` says with which training."""
        ...

    def checks(self) -> dict[str, dict[str, Accuracy]]:
        """Digest of a finalist -> name of a final check -> samples."""
        ...

    def order(self) -> tuple[str, ...]:
        """Digests of the mappings that the latest verdict tests, in this order."""
        ...

    def set_order(self, digests: tuple[str, ...]) -> None:
        """Keep the order, before anything is tested."""
        ...

    def add_checks(self, digest: str, checks: dict[str, Accuracy]) -> None:
        """Keep the final checks of a finalist."""
        ...


class InMemory:
    """A keeper that forgets when the process ends."""

    def __init__(self, name: str = "search", evaluations: Iterable[Evaluation] = ()) -> None:
        self.name = name
        self._trials = [Trial(number, each) for number, each in enumerate(evaluations)]
        self._unwritten: dict[str, Evaluation] = {}
        self._answers: dict[str, Answer] = {}
        self._checks: dict[str, dict[str, Accuracy]] = {}
        self._digital: Accuracy | None = None
        self._order: tuple[str, ...] = ()
        self.proposals: int | None = None
        self.has_ended: bool | None = None

    def __repr__(self) -> str:
        return f"InMemory({self.name!r}: {len(self._trials)} trials)"

    def claimed(self, *, wait: bool = False) -> AbstractContextManager[None]:  # noqa: ARG002
        """As `Keeper.claimed`: nobody else can see it."""
        return nullcontext()

    def trials(self, problem: Problem) -> list[Trial]:  # noqa: ARG002
        """As `Keeper.trials`."""
        return list(self._trials)

    def add(self, problem: Problem, evaluation: Evaluation) -> int:  # noqa: ARG002
        """As `Keeper.add`."""
        self._trials.append(Trial(len(self._trials), evaluation))
        self._unwritten.pop(evaluation.candidate.digest, None)
        return len(self._trials) - 1

    def set_aside(self, problem: Problem, evaluations: Sequence[Evaluation]) -> None:  # noqa: ARG002
        """As `Keeper.set_aside`."""
        self._unwritten |= {each.candidate.digest: each for each in evaluations if not each.failed}

    def unwritten(self, problem: Problem, candidate: Candidate) -> Evaluation | None:  # noqa: ARG002
        """As `Keeper.unwritten`."""
        return self._unwritten.get(candidate.digest)

    def answer(self, question: Question) -> Answer | None:
        """As `Keeper.answer`."""
        return self._answers.get(question.digest)

    def add_answer(self, question: Question, answer: Answer) -> None:
        """As `Keeper.add_answer`."""
        self._answers[question.digest] = answer

    @property
    def answers_s(self) -> float:
        """As `Keeper.answers_s`."""
        return fsum(answer.oracle_s for answer in self._answers.values())

    def set_proposals(self, count: int) -> None:
        """As `Keeper.set_proposals`."""
        self.proposals = count

    def set_ended(self, has_ended: bool) -> None:
        """As `Keeper.set_ended`."""
        self.has_ended = has_ended

    def digital(self) -> Accuracy | None:
        """As `Keeper.digital`."""
        return self._digital

    def set_digital(self, candidate: Candidate, accuracy: Accuracy) -> None:  # noqa: ARG002
        """As `Keeper.set_digital`."""
        self._digital = accuracy

    def checks(self) -> dict[str, dict[str, Accuracy]]:
        """As `Keeper.checks`."""
        return dict(self._checks)

    def order(self) -> tuple[str, ...]:
        """As `Keeper.order`."""
        return self._order

    def set_order(self, digests: tuple[str, ...]) -> None:
        """As `Keeper.set_order`."""
        self._order = digests

    def add_checks(self, digest: str, checks: dict[str, Accuracy]) -> None:
        """As `Keeper.add_checks`."""
        self._checks[digest] = checks


class Record:
    """Evaluations of one search, each candidate once, and its answers beside accuracy.

    Everything that is kept is read once; what is added is written at once.

    Args:
        problem: The question.
        keeper: Where the record is kept; in memory only by default.
    """

    def __init__(self, problem: Problem, keeper: Keeper | None = None) -> None:
        self.problem = problem
        self.keeper: Keeper = keeper or InMemory()
        self._is_claimed = False
        self._read()

    def _read(self) -> None:
        self._trials: list[Trial] = []
        self._known: dict[str, Evaluation] = {}
        self._each_s = self._shared_s = 0.0
        self._answers_s = self.keeper.answers_s
        for trial in self.keeper.trials(self.problem):
            self._include(trial)

    def _include(self, trial: Trial) -> None:
        evaluation = trial.evaluation
        self._trials.append(trial)
        self._known[evaluation.candidate.digest] = evaluation
        self._each_s += evaluation.oracle_s
        if evaluation.accuracy is not None:
            self._shared_s = max(self._shared_s, evaluation.accuracy.shared_s)

    @contextmanager
    def claimed(self, *, wait: bool = False) -> Iterator[None]:
        """Keep other processes from running the search while the block runs.

        What another process has written in the meantime is read first. A block inside such a block
        does nothing.

        Args:
            wait: Wait until another process has ended that runs it.

        Raises:
            InputError: Another process is running it, or has taken it over.
        """
        if self._is_claimed:
            yield
            return
        with self.keeper.claimed(wait=wait):
            self._read()
            self._is_claimed = True
            try:
                yield
            finally:
                self._is_claimed = False

    @property
    def name(self) -> str:
        """Name of the search."""
        return self.keeper.name

    def __len__(self) -> int:
        return len(self._trials)

    def __repr__(self) -> str:
        return f"Record({self.name!r}: {len(self)} trials, {self.oracle_s:.3g} oracle seconds)"

    def trials(self) -> list[Trial]:
        """All evaluations with their numbers, in the order in which they were proposed."""
        return list(self._trials)

    def evaluations(self) -> list[Evaluation]:
        """All evaluations, in the order in which they were proposed."""
        return [trial.evaluation for trial in self._trials]

    def known(self) -> dict[str, Evaluation]:
        """Candidate digest -> evaluation. The record's own: read it only."""
        return self._known

    def answers(
        self,
        candidates: Sequence[Candidate],
        measure: Callable[[Sequence[Candidate]], Generator[Evaluation, None, None]],
    ) -> Generator[Evaluation, None, None]:
        """Evaluations of new candidates in their order; see `Keeper.unwritten`.

        Args:
            candidates: The candidates.
            measure: Evaluates those that no earlier run has finished.
        """
        finished = {each.digest: self.keeper.unwritten(self.problem, each) for each in candidates}
        with closing(measure([each for each in candidates if not finished[each.digest]])) as new:
            for candidate in candidates:
                yield finished[candidate.digest] or next(new)

    def add(self, evaluation: Evaluation) -> Trial:
        """Keep a new evaluation."""
        trial = Trial(self.keeper.add(self.problem, evaluation), evaluation)
        self._include(trial)
        return trial

    def answer(self, question: Question) -> Answer | None:
        """The recorded answer to a question beside accuracy; None if it was not asked yet."""
        return self.keeper.answer(question)

    def ask(self, question: Question, ask: Callable[[Question], Answer] | None = None) -> Answer:
        """The answer to a question beside accuracy: the recorded one, or a new one, which is kept.

        Args:
            question: The question.
            ask: Answers it; the problem's oracle by default.
        """
        answer = self.keeper.answer(question)
        if answer is None:
            answer = (ask or self.problem.ask)(question)
            self.keeper.add_answer(question, answer)
            self._answers_s += answer.oracle_s
        return answer

    @property
    def digital(self) -> Evaluation | None:
        """All-digital, the candidate of every search that costs no trial.

        None where a unit cannot run on the host, or where the host does not compute in floating point
        and nobody has measured what that loses.
        """
        problem = self.problem
        if problem.forced:
            return None
        measured = self.keeper.digital()
        trials = [evaluation for evaluation in self._known.values() if evaluation.accuracy]
        if measured is None:
            if problem.is_digital_exact or problem.breaks_cost_limits(problem.all_digital):
                return problem.exact_digital(trials[0].accuracy if trials else None)
            same = (trial for trial in trials if trial.mapping == problem.all_digital)
            return next(same, None)
        return problem.evaluation(problem.pretrained(problem.all_digital), measured)

    @property
    def answers_s(self) -> float:
        """Oracle seconds of all recorded answers beside accuracies."""
        return self._answers_s

    @property
    def oracle_s(self) -> float:
        """Oracle seconds of everything in the record; what evaluations share counts once."""
        return self._each_s + self._shared_s + self._answers_s


def plain_attributes(problem: Problem, evaluation: Evaluation) -> dict[str, Any]:
    """What a kept trial says of an evaluation beside parameters, objectives, violations and costs."""
    accuracy, cost = evaluation.accuracy, evaluation.cost
    speedup, energy_gain = problem.gains(cost)
    attributes: dict[str, Any] = {
        "digest": evaluation.candidate.digest,
        "lineage": evaluation.candidate.to_json(),
        "analog_mac_ratio": problem.analog_mac_ratio(evaluation.mapping),
        "oracle_s": evaluation.oracle_s,
        "oracle_seed": problem.seed,
        "training": problem.resolved(evaluation.candidate).trained_by,
        "feasible": evaluation.feasible,
        "speedup": speedup,
        "energy_gain": energy_gain,
    }
    if evaluation.drop is not None:
        attributes |= {"drop": evaluation.drop.estimate, "drop_high": evaluation.drop.high}
    if accuracy is not None:
        attributes["accuracy"] = accuracy.to_json()
        attributes["draws"] = len(accuracy.samples)
    if evaluation.failed:
        attributes[FAILED] = evaluation.failed
    return attributes
