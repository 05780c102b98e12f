"""Closer looks at one mapping: what limits its layers, and how long it keeps the limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Literal, cast

from lionheart_opt.accuracy import Accuracy, AccuracyOracle, ChecksFinally, Fidelity
from lionheart_opt.aging.lifetimes import (
    Lifetime,
    MeasuresAt,
    checked_share,
    lifetime_of,
    looked_at_once,
)
from lionheart_opt.aging.recalibration import (
    INTERVALS_S,
    Recalibrates,
    Recalibration,
    checked_intervals,
    tried_intervals,
)
from lionheart_opt.api import named_mapping
from lionheart_opt.diagnosis import Diagnoses, Diagnosis
from lionheart_opt.durations import seconds_of
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.results.best import chosen_trial
from lionheart_opt.results.result import SearchResult
from lionheart_opt.results.verdict import TEST
from lionheart_opt.studies import Study
from lionheart_opt.study.recorded_oracle import RecordedOracle
from lionheart_opt.text import shown


def diagnose(
    source: Study | SearchResult | Problem,
    mapping: Mapping | dict[str, str] | str | None = None,
    *,
    trial: int | None = None,
    only: str | None = None,
    time: float | str | None = None,
    draws: int = 5,
    examples: int = 200,
) -> Diagnosis:
    """What limits each analog matrix of a mapping: signal-to-noise ratios by source, and converters.

    Validation examples run through the network as it is on the chip. The output of every analog matrix
    is compared with the product of the same inputs in floating point, and that once more with every
    source of error alone. So errors of other layers do not count, and the largest error says what to
    change. Errors need not add up: drift compensation amplifies the noise of outputs, for example, and
    reads the chip through its converters.

    It computes on aihwkit's own tiles and writes nothing. Chips are calibrated as in the study; see
    `MatrixDiagnosis`.

    Args:
        source: A study, the result of a search, or a problem.
        mapping: For a problem: `all-analog`, or units and their targets.
        trial: Number of the trial in its search, from 0; None for the best mapping.
        only: For a study: the search, as `LABEL/seedN`. None is the only one, or the one with the best
            mapping.
        time: Time after programming, in seconds or as `1 day`; None is the latest of the limit.
        draws: Number of chips.
        examples: Number of validation examples, at most.

    Example:
        >>> lo.diagnose(lo.load("studies/quickstart")).to_frame()
        >>> lo.diagnose(problem, "all-analog", time="1 day")

    Raises:
        InputError: Nothing is recorded yet, there is no such search or trial, the mapping has no analog
            unit, the oracle cannot say it, or an argument cannot be used.
    """
    n_draws, n_examples = _whole(draws, 1, "draws"), _whole(examples, 2, "examples")
    time_s = None if time is None else seconds_of(time)
    with _chosen(source, mapping, trial, only) as chosen:
        oracle, problem = chosen.oracle, chosen.problem
        if chosen.candidate.mapping == problem.all_digital:
            raise InputError(
                f"{chosen.subject} has no analog unit, so nothing disturbs it; choose another trial"
            )
        if not isinstance(oracle, Diagnoses):
            raise InputError(
                f"diagnose: {type(oracle).__name__} cannot say what limits a layer; an oracle that can: "
                '[oracle] kind = "hat"'
            )
        diagnosis = oracle.diagnose(
            chosen.candidate,
            time_s=max(problem.accuracy_limit.times_s) if time_s is None else time_s,
            n_draws=n_draws,
            n_examples=n_examples,
            seed=problem.seed,
        )
    return replace(diagnosis, subject=chosen.subject)


def lifetime(
    source: Study | SearchResult | Problem,
    mapping: Mapping | dict[str, str] | str | None = None,
    *,
    trial: int | None = None,
    only: str | None = None,
    times: Sequence[float | str] | None = None,
    draws: int | None = None,
    share: float = 0.9,
    intervals: Sequence[float | str] | Literal["auto"] | None = None,
) -> Lifetime:
    """How long a mapping keeps the limit on its drop, and how often it must be programmed afresh for it.

    A trial's own samples are used: those of its final check on test data, or else those of the search.
    With `times` or `draws`, the mapping is measured once more on test data and fresh chips; the record
    stays as it is. Training and calibration of the chip are as in the study.

    Args:
        source: A study, the result of a search, or a problem.
        mapping: For a problem: `all-analog`, or units and their targets.
        trial: Number of the trial in its search, from 0; None for the best mapping.
        only: For a study: the search, as `LABEL/seedN`. None is the only one, or the one with the best
            mapping.
        times: Times after programming, in seconds or as `1 day`; None takes those of the oracle.
        draws: Number of chips; None takes those that there are, or the most of the limit.
        share: Also say until when this share of the chips is within the limit.
        intervals: Also find the longest of these intervals between two calibrations of a chip that keeps
            the limit until the latest of the times; and the longest between two programmings. They are
            in seconds or as `1 day`; `auto` is 1 h, 6 h, 1 day, 1 week, 30 days, 91 days and 1 year.
            Intervals beyond the latest time are left out. Each is measured on test data.

    Example:
        >>> lo.lifetime(study, times=["1 s", "1 h", "1 day", "1 month", "1 year"]).limit.kept_s

    Raises:
        InputError: Nothing is recorded yet, there is no such search or trial, it was not measured, the
            oracle does not know a time, or an argument cannot be used.
    """
    n_draws = None if draws is None else _whole(draws, 2, "draws")
    times_s = None if times is None else _times(times)
    intervals_s = () if intervals is None else _intervals(intervals)
    share = checked_share(share)
    with _chosen(source, mapping, trial, only) as chosen:
        limit = chosen.problem.accuracy_limit
        if intervals_s:
            times_s = times_s or limit.times_s
            until_s = max(times_s)
            intervals_s = checked_intervals(intervals_s, until_s)
            times_s = tuple(sorted({*times_s, *intervals_s}))
        if (n_draws, times_s) == (None, None) and chosen.result is not None:
            accuracy, data = chosen.recorded
        else:
            n_draws = limit.draws[-1] if n_draws is None else n_draws
            _ = looked_at_once(limit, n_draws)  # refuses too few before anything is measured
            accuracy, data = _measured_at(chosen, chosen.oracle, times_s, n_draws)
        is_final = data == TEST or n_draws is not None
        found = lifetime_of(accuracy, limit, share=share, data=data, is_final=is_final)
        if intervals_s:
            tried = _recalibration(chosen, intervals_s, until_s, len(accuracy.samples))
            found = replace(found, recalibration=tried)
    return replace(found, subject=chosen.subject)


def _recalibration(
    chosen: _Chosen, intervals_s: tuple[float, ...], until_s: float, n_draws: int
) -> Recalibration:
    """Which intervals between two calibrations keep the limit of a mapping."""
    oracle: object = chosen.oracle
    if not isinstance(oracle, Recalibrates) or oracle.recalibrated_every(until_s) is None:
        return Recalibration(intervals=(), asked_s=intervals_s, until_s=until_s)

    def measure(interval_s: float, times_s: tuple[float, ...]) -> Accuracy:
        recalibrated = oracle.recalibrated_every(interval_s)
        return _measured_at(chosen, recalibrated, times_s, n_draws)[0]

    limit = looked_at_once(chosen.problem.accuracy_limit, n_draws)
    return tried_intervals(intervals_s, until_s, limit, measure)


def _measured_at(
    chosen: _Chosen, oracle: object, times_s: tuple[float, ...] | None, n_draws: int
) -> tuple[Accuracy, str]:
    """Samples of a mapping at these times, and of which data."""
    if times_s is not None:
        if not isinstance(oracle, MeasuresAt):
            raise InputError(
                f"times: {type(oracle).__name__} measures at its own times only; an oracle that can: "
                '[oracle] kind = "hat"'
            )
        oracle = oracle.at_times(times_s)
    fidelity, seed = Fidelity(draws=(0, n_draws)), chosen.problem.seed
    if isinstance(oracle, ChecksFinally):
        checks = oracle.final_checks(chosen.candidate, fidelity, seed)
        if TEST in checks:
            return checks[TEST], TEST
    return cast(AccuracyOracle, oracle).accuracy(chosen.candidate, fidelity, seed), "validation"


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """A mapping that was chosen.

    Args:
        problem: What it answers.
        candidate: The resolved candidate.
        subject: What titles call it.
        result: The search that it is from, if it is from one.
        evaluation: Its evaluation there.
    """

    problem: Problem
    candidate: Candidate
    subject: str
    result: SearchResult | None = None
    evaluation: Evaluation | None = None

    @property
    def recorded(self) -> tuple[Accuracy, str]:
        """What is recorded of it, and of which data.

        Raises:
            InputError: It was not measured.
        """
        assert self.result is not None and self.evaluation is not None
        check = self.result.checks.get(self.evaluation.candidate.digest, {}).get(TEST)
        if check is not None:
            return check, TEST
        if self.evaluation.accuracy is None:
            raise InputError(f"{self.subject}: its accuracy was not measured")
        return self.evaluation.accuracy, "validation"

    @property
    def oracle(self) -> AccuracyOracle:
        """The oracle itself, which no record answers for."""
        oracle = self.problem.oracle
        return oracle.oracle if isinstance(oracle, RecordedOracle) else oracle


@contextmanager
def _chosen(
    source: Study | SearchResult | Problem,
    mapping: Mapping | dict[str, str] | str | None,
    trial: int | None,
    only: str | None,
) -> Iterator[_Chosen]:
    """The mapping that arguments name; modules beside a study can be imported meanwhile.

    Raises:
        InputError: There is no such search, trial or mapping.
    """
    if isinstance(source, Problem):
        if mapping is None or (trial, only) != (None, None):
            raise InputError(
                "a problem needs a mapping, such as 'all-analog', and no trial or search"
            )
        candidate = source.pretrained(named_mapping(source, mapping))
        name = mapping if isinstance(mapping, str) else "mapping"
        yield _Chosen(problem=source, candidate=source.resolved(candidate), subject=name)
        return
    if not isinstance(source, Study | SearchResult):
        raise InputError(f"got {shown(source)}; must be a study, a SearchResult or a problem")
    if mapping is not None:
        raise InputError("mapping: only for a problem; choose a trial of a study or a result")
    if trial is not None:
        _whole(trial, 0, "trial")
    if isinstance(source, SearchResult):
        yield _chosen_of([source], trial, only, source.name)
        return
    with source.beside():
        yield _chosen_of(source.recorded_results(), trial, only, source.name)


def _chosen_of(
    results: list[SearchResult], trial: int | None, only: str | None, where: str
) -> _Chosen:
    result, number, evaluation = chosen_trial(results, only, trial, where)
    problem = result.problem
    return _Chosen(
        problem=problem,
        candidate=problem.resolved(evaluation.candidate),
        subject=f"{result.name}: {'all-digital' if number is None else f'trial {number}'}",
        result=result,
        evaluation=evaluation,
    )


def _times(times: Sequence[float | str], where: str = "times") -> tuple[float, ...]:
    """Different times in seconds, growing."""
    if isinstance(times, str) or not isinstance(times, Iterable):
        raise InputError(f"{where}: got {shown(times)}; must be a list, such as ['1 s', '1 day']")
    seconds = sorted({seconds_of(time) for time in times})
    if not seconds:
        raise InputError(f"{where}: got []; at least one time is needed")
    return tuple(seconds)


def _intervals(intervals: Sequence[float | str] | Literal["auto"]) -> tuple[float, ...]:
    """Different intervals in seconds, growing."""
    return INTERVALS_S if intervals == "auto" else _times(intervals, "intervals")


def _whole(value: int, least: int, where: str) -> int:
    """A whole number that is not too small."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InputError(f"{where}: got {shown(value)}; must be a whole number from {least} on")
    return int(value)
