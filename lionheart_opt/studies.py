"""A study as its user sees it: run it, read it, compare its searches."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from numbers import Integral
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from lionheart_opt.errors import InputError
from lionheart_opt.problem import Problem
from lionheart_opt.results.frames import COLUMNS
from lionheart_opt.results.result import SearchResult
from lionheart_opt.signals import stopped_by_signals
from lionheart_opt.strategy import Strategy
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.plan import SearchPlan
from lionheart_opt.study.schema import MOST_TRAININGS
from lionheart_opt.study.script import StudyScript, label_of, usual_budget
from lionheart_opt.text import shown

if TYPE_CHECKING:
    import pandas

    from lionheart_opt.mapping import Training
    from lionheart_opt.results.comparison import Comparison
    from lionheart_opt.results.sensitivity import Profile

#: Labels of runs that the representation of a study names.
MOST_NAMED = 8
#: Processes that one machine is asked for at most.
MOST_WORKERS = 1024


class Study:
    """A problem and the searches that answer it, with their records.

    `lo.load` makes one of a study file, `lo.Study.of` of a problem.
    """

    def __init__(self, source: StudyFile | StudyScript) -> None:
        self._source = source

    @staticmethod
    def of(
        problem: Problem,
        searches: dict[str, str | Strategy] | Sequence[str | Strategy],
        *,
        seeds: Sequence[int] = (0,),
        trials: int | None = None,
        oracle_s: float | None = None,
        storage: str | None = None,
        artifacts: str | Path | None = None,
        name: str = "study",
    ) -> Study:
        """A study of several strategies on one problem.

        Args:
            problem: What every search answers.
            searches: Names of strategies or strategies themselves; a dictionary gives them labels.
            seeds: Seeds of the strategies' random generators: one search for each strategy and seed.
            trials: Evaluations of each search; 100 if `oracle_s` is not given either.
            oracle_s: Oracle seconds of each search.
            storage: URL of an Optuna storage (`sqlite:///k.db`); None keeps the records in memory.
            artifacts: Folder or bucket of trained weights, as for `lo.search`.
            name: What messages and reports call the study.

        Example:
            >>> study = lo.Study.of(problem, ["mac_greedy", "knapsack"], seeds=range(3))
            >>> study.run(workers=2)
            >>> study.compare()
        """
        named = searches if isinstance(searches, dict) else {}
        listed = [searches] if isinstance(searches, str) else _listed(searches, "searches")
        labelled = list(named.items()) or [(label_of(each), each) for each in listed]
        plans = [
            SearchPlan(
                label=label,
                strategy=strategy,
                arguments={},
                seed=seed,
                budget=usual_budget(trials, oracle_s),
            )
            for label, strategy in labelled
            for seed in _listed(seeds, "seeds")
        ]
        return Study(StudyScript(name, problem, plans, storage, artifacts))

    def __repr__(self) -> str:
        seeds = Counter(plan.label for plan in self.searches)
        labels = [
            f"{label} ({count} seeds)" if count > 1 else label for label, count in seeds.items()
        ]
        rest = [f"and {len(labels) - MOST_NAMED} more"] if len(labels) > MOST_NAMED else []
        return f"Study({self.name!r}: {', '.join([*labels[:MOST_NAMED], *rest])})"

    @property
    def name(self) -> str:
        """Name of the study: that of its folder, for a study file."""
        return self._source.name

    @property
    def problem(self) -> Problem:
        """What every search answers."""
        return self._source.problem

    @property
    def searches(self) -> list[SearchPlan]:
        """The searches that the study asks for."""
        return self._source.plans()

    @property
    def file(self) -> StudyFile:
        """The study file.

        Raises:
            InputError: The study was made in Python.
        """
        if not isinstance(self._source, StudyFile):
            raise InputError(f"{self.name}: only a study with a study.toml can do this")
        return self._source

    def beside(self) -> AbstractContextManager[None]:
        """While this context is open, `module:attr` may name a module beside the study."""
        return self._source.beside()

    def check(self, *, refuse: bool = True) -> dict[str, Any]:
        """Say everything that would stop a run, in seconds: price the extremes and rehearse a run.

        A few examples are classified, trained on, programmed and drifted to every time, by the code that
        a run uses. Nothing is written.

        Args:
            refuse: Raise an error if something would stop a run; False returns it among the rest.

        Returns:
            What `lionheart-opt check --json` prints: the plan, `problems`, `notes`, `checked`.

        Raises:
            InputError: Something would stop a run. All of it is said, a line each.
        """
        from lionheart_opt.results.check import check

        checked = check(self._source)
        if refuse:
            checked.wrong.refuse()
        return checked.to_json()

    def run(
        self,
        only: str | Sequence[str] = (),
        workers: int = 1,
        *,
        scheduler: str | None = None,
        executor: Executor | None = None,
        checks: bool = True,
        trainings: int | None = None,
        wait: bool = False,
        progress: bool | None = None,
    ) -> list[SearchResult]:
        """Run or resume the searches: side by side with workers, otherwise one after the other.

        An interruption loses nothing. What a search finds does not depend on the others, nor on how many
        workers there are.

        Args:
            only: Labels of runs, or names of searches (`LABEL/seedN`); all by default.
            workers: Number of processes that evaluate candidates side by side; 1 is this process.
            scheduler: Address of a Dask scheduler (`tcp://host:8786`), whose workers do it instead.
            executor: Executor of processes that does it instead (`MPIPoolExecutor`); it stays open.
            checks: Measure the best mappings once more, on test data with fresh draws.
            trainings: Trainings, each with another seed, that the verdict rests on; None is the study's.
            wait: Wait for another process that runs a search, instead of refusing.
            progress: Show progress on standard error. None shows it on a terminal and in a notebook.

        Returns:
            What the searches found.

        Raises:
            InputError: A search or argument cannot be used, or a record was made with other settings.
        """
        from lionheart_opt.results.running import run_searches

        source = self._source
        for name, flag in {"checks": checks, "wait": wait, "progress": progress}.items():
            if flag is not None and not isinstance(flag, bool):
                raise InputError(f"{name}: got {shown(flag)}; must be True or False")
        plans = source.plans((only,) if isinstance(only, str) else _listed(only, "only"))
        judged = source.trainings if trainings is None else trainings
        most = (("workers", workers, MOST_WORKERS), ("trainings", judged, MOST_TRAININGS))
        for name, count, largest in most:
            is_whole = isinstance(count, Integral) and type(count) is not bool
            if not is_whole or not 1 <= count <= largest:
                said = f"{name}: got {shown(count)}"
                raise InputError(f"{said}; must be a whole number from 1 to {largest}")
        with stopped_by_signals(), source.beside():
            source.check_strategies()
            run_searches(
                source,
                plans,
                workers,
                scheduler,
                executor,
                trainings=judged if checks else None,
                wait=wait,
                progress=progress,
            )
        return [result for result in self.results() if result.name in {p.name for p in plans}]

    def results(self) -> list[SearchResult]:
        """What the searches have found so far; searches without a record are left out.

        Raises:
            InputError: A record was made with other settings.
        """
        with self._source.beside():
            _ = self.problem  # may load torch, to trace the network
            with _no_garbage_collection():
                return [SearchResult.read(record, plan) for plan, record in self._source.records()]

    def recorded_results(self) -> list[SearchResult]:
        """As `results`, but refuse a study without any.

        Raises:
            InputError: Nothing is recorded yet.
        """
        results = self.results()
        if not results:
            raise InputError(
                f"{self._source.path}: nothing recorded yet; start with: "
                f"lionheart-opt run {quote(str(self._source.folder))}"
                if isinstance(self._source, StudyFile)
                else f"{self.name}: nothing recorded yet; run the study first"
            )
        return results

    def truth(self) -> SearchResult | None:
        """Every mapping, evaluated; None where the oracle cannot list its mappings."""
        from lionheart_opt.results.comparison import ground_truth

        with self._source.beside():
            if not self._source.is_on_a_table:
                return None
            return ground_truth(self.problem, self._source.oracle)

    def to_frame(self, *, intervals: bool = True) -> pandas.DataFrame:
        """One row an evaluation: `search`, `seed`, and the columns of `SearchResult.to_frame`.

        Args:
            intervals: As for `SearchResult.to_frame`.
        """
        import pandas

        columns = {"search": "str", "seed": "int64", **COLUMNS}
        frames = [
            result.to_frame(intervals=intervals).assign(search=result.label, seed=result.seed)
            for result in self.results()
        ]
        if not frames:
            return pandas.DataFrame(columns=list(columns)).astype(columns)
        return pandas.concat(frames, ignore_index=True)[list(columns)].astype(columns)

    def compare(self) -> Comparison:
        """The strategies side by side, over seeds: budgets, hypervolume, gains at each threshold.

        Raises:
            InputError: Nothing is recorded yet.
        """
        from lionheart_opt.results.comparison import compare

        return compare(self.recorded_results(), self.truth())

    def profile(
        self,
        training: Training = "none",
        *,
        pairs: bool = False,
        proxies: bool = False,
        screen: bool = False,
        progress: bool | None = None,
    ) -> Profile:
        """What each unit alone loses on an analog target.

        Measured once: strategies of the study that need the same numbers take them from there.

        Args:
            training: How weights are obtained: `none`, `one_shot`, `short` or `full`.
            pairs: Also pairs of units that share data flow.
            proxies: Also what may predict the losses, such as second derivatives; this takes long.
            screen: How far each unit moves the outputs instead, on a third of the chips; see
                `lionheart_opt.questions.Divergences`.
            progress: Show progress on standard error. None shows it on a terminal and in a notebook.
        """
        from lionheart_opt.results.profiling import measured_profile

        with self.file.beside():
            return measured_profile(
                self.file, training, pairs=pairs, proxies=proxies, screen=screen, progress=progress
            )

    def plot(self, out: str | Path | None = None, *, upload: bool = False) -> list[Path]:
        """Write every figure of the study as PDF and PNG.

        Args:
            out: Folder; `figures` in the study's folder by default.
            upload: Also show them in optuna-dashboard, as artifacts of each search of a study file.

        Returns:
            The files that were written.
        """
        from lionheart_opt.plots.figures import draw_study

        to = self.file.figures if out is None else Path(out)
        return draw_study(self.recorded_results(), self.truth(), to, self.file if upload else None)

    def table(self, out: str | Path | None = None, *, proxies: bool = False) -> dict[str, Any]:
        """Turn what the study has measured into a table, on which other searches take seconds.

        Args:
            out: The `.npz` file; `table.npz` in the study's folder by default.
            proxies: Also what may predict the losses, which `hilal` needs; this takes long.

        Returns:
            `file`, `rows` (mappings), `left_out`, `draws`.
        """
        from lionheart_opt.results.tabulate import write_table

        with self.file.beside():
            return write_table(self.file, out, proxies=proxies)

    def export(
        self, trial: int | None = None, only: str | None = None, out: str | Path | None = None
    ) -> list[Path]:
        """Write one trial's mapping (JSON), trained weights (state dict) and report.

        A warning says so if the trial is not feasible, or costs no less than all-digital.

        Args:
            trial: Number of the trial in its search, from 0; None for the best mapping.
            only: The search, as `LABEL/seedN`. None is the only one, or the one with the best mapping.
            out: Folder; inside the study's by default.

        Returns:
            The files that were written.

        Raises:
            InputError: Nothing is recorded yet, there is no such search or trial, a trial is given
                without the search although there are several, or nothing is feasible.
        """
        from lionheart_opt.results.export import export_trial

        folder = None if out is None else Path(out)
        with self.file.beside():
            return export_trial(self.file, self.recorded_results(), only, trial, folder)


def _listed(values: Any, where: str) -> list[Any]:
    """The values of an argument that takes several."""
    try:
        return list(values)
    except TypeError:
        raise InputError(f"{where}: got {shown(values)}; must be a list") from None


def compare_studies(studies: Sequence[Study]) -> Comparison:
    """The strategies of several studies that answer the same question, side by side.

    Raises:
        InputError: Nothing is recorded yet, or the studies answer different questions.
    """
    from dataclasses import replace

    from lionheart_opt.results import comparison

    files = [study.file for study in studies]
    comparison.check_same_question(files)
    results: list[SearchResult] = []
    for study, name in zip(studies, comparison.names(files), strict=True):
        prefix = f"{name}: " if len(studies) > 1 else ""
        results += [
            replace(result, label=prefix + result.label) for result in study.recorded_results()
        ]
    return comparison.compare(results, studies[0].truth())


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Pause garbage collection, which would take half of the time to read a large record."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
