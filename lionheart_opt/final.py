"""The final report of a search: its incumbent measured again, on data and draws it was not chosen by."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from lionheart_opt.mapping import Candidate
from lionheart_opt.protocols import Accuracy, Fidelity
from lionheart_opt.record import Record
from lionheart_opt.study import incumbent

#: Name of the user attribute of the Optuna study that keeps the report.
ATTRIBUTE = "final"


@runtime_checkable
class ChecksFinally(Protocol):
    """An oracle that can measure a chosen mapping without the luck that it was chosen by."""

    def final_checks(
        self, candidate: Candidate, fidelity: Fidelity, seed: int
    ) -> dict[str, Accuracy]:
        """Name of the check (`test`: test data and fresh draws) -> its samples."""
        ...


def check_incumbent(record: Record, oracle: object) -> dict[str, Accuracy]:
    """Measure the search's incumbent once more and keep the result in the record.

    A mapping that was chosen because it did best has been lucky, too: this takes the luck out.
    Measured once for each incumbent; empty where nothing is feasible or the oracle cannot do it.

    Args:
        record: of the search.
        oracle: of the problem.
    """
    best = incumbent(record.evaluations())
    if best is None or not isinstance(oracle, ChecksFinally):
        return {}
    kept = record.study.user_attrs.get(ATTRIBUTE)
    if kept is None or kept["digest"] != best.candidate.digest:
        problem = record.problem
        candidate = best.candidate.resolved(problem.training)
        training = candidate.training or problem.training
        fidelity = Fidelity(training=training, draws=(0, problem.accuracy_limit.draws[-1]))
        checks = oracle.final_checks(candidate, fidelity, problem.seed)
        report = {name: accuracy.to_json() for name, accuracy in checks.items()}
        record.study.set_user_attr(ATTRIBUTE, {"digest": best.candidate.digest, "checks": report})
    return final_checks(record)


def final_checks(record: Record) -> dict[str, Accuracy]:
    """What `check_incumbent` kept for the incumbent of now; empty if it has not been checked."""
    best = incumbent(record.evaluations())
    kept: dict[str, Any] | None = record.study.user_attrs.get(ATTRIBUTE)
    if best is None or kept is None or kept["digest"] != best.candidate.digest:
        return {}
    return {name: Accuracy.from_json(data) for name, data in kept["checks"].items()}
