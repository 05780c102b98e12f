"""The front door: what `import lionheart_opt as lo` offers; the command line uses it, too."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lionheart_opt import plugins
from lionheart_opt.api_arguments import (
    drop_of,
    fraction_of,
    kind_of,
    names_of,
    path_of,
    several,
    table_of,
    units_of,
)
from lionheart_opt.api_networks import as_workload, dataset_of, network_of, traced, workload_of
from lionheart_opt.batches import check_batch
from lionheart_opt.buckets import place_of
from lionheart_opt.cheapest import cheapest
from lionheart_opt.cost import Cost, CostObjective
from lionheart_opt.durations import seconds_of
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.estimates import Spread
from lionheart_opt.granularity import Units, with_units
from lionheart_opt.limits import MOST_DRAWS, AccuracyLimit
from lionheart_opt.mapping import Mapping, Training
from lionheart_opt.oracle_context import OracleContext
from lionheart_opt.own_modules import beside
from lionheart_opt.pricing import priced
from lionheart_opt.problem import Objective, Problem
from lionheart_opt.results.result import SearchResult
from lionheart_opt.space import Space
from lionheart_opt.strategy import Strategy
from lionheart_opt.studies import Study
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.plan import SearchPlan
from lionheart_opt.study.question import USUAL_ORACLE, build_oracle, build_problem
from lionheart_opt.study.script import StudyScript, label_of, usual_budget
from lionheart_opt.system import System
from lionheart_opt.text import shown
from lionheart_opt.uncertainty import spread_of
from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    from torch import nn

    from lionheart_opt.datasets import Dataset
    from lionheart_opt.tasks import Task

#: Times in seconds at which the usual oracle measures, beside those of the limit.
USUAL_TIMES_S = (1.0, 60.0, 3_600.0, 86_400.0)


def load(path: str | Path) -> Study:
    """The study of a folder with a `study.toml`, or of the file itself.

    Example:
        >>> study = lo.load("studies/quickstart")
        >>> study.run()
        >>> study.to_frame()

    Raises:
        InputError: There is no such file, or a key is unknown, missing, or of the wrong type.
    """
    return Study(StudyFile.load(path_of(path, "path")))


def problem(
    model: nn.Module | str | dict[str, Any],
    dataset: Dataset | dict[str, Any] | None = None,
    *,
    system: str | System = "lionheart",
    task: Task | str | dict[str, Any] | None = None,
    max_drop: float | None = None,
    max_relative_drop: float | None = None,
    time: float | str | Sequence[float | str] = "1 day",
    objectives: Objective | Sequence[Objective] = ("latency_s",),
    training: Training = "full",
    draws: int | Sequence[int] = (5, 10, 20),
    digital: Sequence[str] = (),
    units: Units | dict[str, Sequence[str]] = "projections",
    quantile: float | None = None,
    confidence: float = 0.95,
    examples: Sequence[int | Literal["all"]] = ("all",),
    over: Literal["population", "examples"] = "population",
    oracle: dict[str, Any] | None = None,
    cost_limits: dict[CostObjective, float] | None = None,
    batch: int = 1,
    seed: int = 0,
    artifacts: str | Path | None = None,
) -> Problem:
    """The question which units of a network may be analog, as constrained search.

    Args:
        model: The network, with its trained weights; or a name of `lionheart-opt list models`,
            `module:factory`, or `hf:FOLDER_OR_ID` for one of Hugging Face's; or a dictionary, as the
            `[model]` of a study. A network that is named is trained first, by the recipe
            `oracle={"pretrain": {...}}`. One that is given, or one of Hugging Face's, is taken as it is,
            unless such a recipe is given, too; it is left untouched in any case.
        dataset: Training and test data: see `dataset`, or a dictionary with `train`, `test` and perhaps
            `validation` data, each in a form that `dataset` takes, such as tokenised data sets. None
            where the oracle needs none.
        system: Name of a system, path of a TOML file, or the system itself.
        task: What the network is for: a name of `lionheart-opt list tasks`, a table, or a `Task`. None is
            what the data set or the network's class says, or classification.
        max_drop: Largest accepted drop against the floating-point network, in the unit of the task's
            metric: 0.01 is one point of accuracy. It is the default, with 0.01, for metrics in percent.
        max_relative_drop: The same as a share of the floating-point network's value.
        time: When, after programming, the limit must hold: seconds, or a text such as "1 day", or
            several of them.
        objectives: What to minimise: `latency_s`, `energy_j`, `interval_s`, `drop`. Several give a
            Pareto front.
        training: How weights are obtained where a strategy does not say: `none`, `one_shot`, `short` or
            `full` (hardware-aware training).
        draws: Numbers of programming draws at which the limit is decided; the last is the maximum.
        digital: Names of units that stay on the host, or patterns such as `layer1.*`.
        units: What moves as a whole: `projections` (each weight matrix), `layers`, `blocks`, patterns
            each of which joins units (`["layer1.*", "layer2.*"]`), or named groups of patterns.
        quantile: Share of the programmed chips that must keep the limit; None asks it of the mean.
        confidence: Confidence of the decision.
        examples: Numbers of validation examples at which the limit is decided; the last is "all".
        over: `population`: the limit is about what the examples are drawn from; `examples`: about them.
        oracle: Settings of the oracle, as in a study file's `[oracle]`; `kind` names another oracle.
        cost_limits: Largest accepted `latency_s`, `energy_j` or `interval_s`.
        batch: Inferences that are priced together; see `cost`.
        seed: Seed of programming draws and trainings, common to all strategies.
        artifacts: Where trained weights are kept: a folder, `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`.
            By default they are kept with the record of a search, or until the process ends.

    Example:
        >>> data = lo.dataset(train=(images, labels), test=(test_images, test_labels))
        >>> problem = lo.problem(network, data, system="lionheart", max_drop=0.01, time="1 day")

    Raises:
        InputError: An argument cannot be used; the message says which, and what is allowed.
    """
    largest, is_relative = drop_of(max_drop, max_relative_drop)
    times_s = tuple(seconds_of(each) for each in several(time, "time"))
    looks = several(draws, "draws")
    if not all(isinstance(look, Integral) and 0 < int(look) <= MOST_DRAWS for look in looks):
        raise InputError(
            f"draws: got {shown(draws)}; must be whole numbers from 1 to {MOST_DRAWS:,}"
        )
    limit = AccuracyLimit(
        max_drop=largest,
        time_s=times_s,
        quantile=None if quantile is None else fraction_of(quantile, "quantile"),
        confidence=fraction_of(confidence, "confidence"),
        draws=tuple(int(look) for look in looks),
        examples=several(examples, "examples"),
        over=over,
        relative=is_relative,
    )
    machine = system_of(system)
    settings = dict(table_of(oracle, "oracle"))
    network = network_of(model, settings)
    data = None if dataset is None else dataset_of(dataset, task, network)
    if data is not None:
        if max_drop is max_relative_drop is None and data.task.metric.unit != "%":
            raise InputError(
                f"max_drop: is missing; {data.task.metric.name} has no usual one; give max_drop, or "
                "max_relative_drop such as 0.02"
            )
    if settings.get("kind", USUAL_ORACLE) == USUAL_ORACLE:
        if data is None:
            raise InputError(
                "dataset: is missing; make one with "
                "lo.dataset(train=(inputs, targets), test=(inputs, targets))"
            )
        settings.setdefault("times_s", sorted({*USUAL_TIMES_S, *times_s}))
    workload = with_units(workload_of(network, data), units_of(units)).with_batch(batch)
    context = OracleContext(
        workload=workload,
        system=machine,
        model=network,
        data=data,
        digital=names_of(digital, "digital"),
        times_s=times_s,
        folder=Path.cwd(),
        artifacts=None if artifacts is None else place_of(artifacts),
        origin="problem",
        relative=is_relative,
    )
    with beside(Path.cwd()):
        made = build_problem(
            context,
            build_oracle(context, settings),
            accuracy_limit=limit,
            objectives=several(objectives, "objectives"),
            cost_limits=dict(table_of(cost_limits, "cost_limits")),
            training=training,
            seed=int(seed) if isinstance(seed, Integral) else seed,
        )
        made.check_limit()
        return made


def search(
    problem: Problem,
    strategy: str | Strategy,
    *,
    arguments: dict[str, Any] | None = None,
    trials: int | None = None,
    oracle_s: float | None = None,
    seed: int = 0,
    storage: str | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    executor: Executor | None = None,
    trainings: int | None = None,
    label: str | None = None,
    artifacts: str | Path | None = None,
    wait: bool = False,
    progress: bool | None = None,
) -> SearchResult:
    """Search for the best mapping with one strategy. Called again, it resumes.

    Args:
        problem: The question.
        strategy: A name (`lionheart-opt list strategies`), `module:attr`, or the strategy itself.
        arguments: Arguments of a strategy that is named.
        trials: Evaluations at most; 100 if `oracle_s` is not given either.
        oracle_s: Oracle seconds at most.
        seed: Seed of the strategy's random generator.
        storage: URL of an Optuna storage (`sqlite:///k.db`, `journal:///k.log`, `postgresql://...`) that
            keeps the record, so that an interrupted search can be resumed. None keeps it in memory.
        workers: Number of processes that evaluate candidates side by side.
        scheduler: Address of a Dask scheduler (`tcp://host:8786`), whose workers do it instead.
        executor: Executor of processes that does it instead (`MPIPoolExecutor`); it stays open.
        trainings: Trainings that a verdict on the test data rests on; None gives no verdict.
        label: Name of the search in tables, plots and the storage; the strategy's name by default.
        artifacts: Where trained weights, and what is known of each example, are kept: a folder,
            `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`. By default beside the file of the storage.
        wait: Wait for another process that runs this search, and go on from there, instead of refusing.
        progress: Show progress on standard error. None shows it on a terminal and in a notebook.

    Example:
        >>> result = lo.search(problem, "knapsack", trials=40, storage="sqlite:///k.db")
        >>> result.best.mapping

    Raises:
        InputError: An argument cannot be used, or the record was made with other settings.
    """
    plan = SearchPlan(
        label=label_of(strategy) if label is None else label,
        strategy=strategy,
        arguments={} if arguments is None else arguments,
        seed=seed,
        budget=usual_budget(trials, oracle_s),
    )
    single = Study(StudyScript("search", problem, [plan], storage, artifacts))
    is_judged = not isinstance(trainings, Integral) or bool(trainings) or trainings is False
    [result] = single.run(
        workers=workers,
        scheduler=scheduler,
        executor=executor,
        wait=wait,
        progress=progress,
        checks=is_judged,
        trainings=trainings if is_judged else 1,
    )
    return result


def check(problem: Problem) -> dict[str, Any]:
    """Say everything that would stop a search, in seconds; see `Study.check`.

    Example:
        >>> lo.check(problem)["notes"]

    Raises:
        InputError: Something would stop a search. All of it is said, a line each.
    """
    digital = {"mapping": "all-digital"}
    plan = SearchPlan(
        label="check", strategy="fixed", arguments=digital, seed=0, budget=usual_budget(1, None)
    )
    return Study(StudyScript("problem", problem, [plan], None)).check()


def trace(
    model: nn.Module | str | dict[str, Any], example: Any = None, *, name: str | None = None
) -> Workload:
    """Every operation of one inference of a network, and the units that a search may move.

    Args:
        model: A network, or what names one; see `problem`.
        example: What the network is called with, the batch first, which is 1: a tensor, a tuple of
            positional arguments or a dictionary of keyword arguments. A tuple of whole numbers is the
            shape of one float32 input, without the batch. Networks of the zoo know their own.
        name: Name of the workload; the class of the network by default.

    Raises:
        InputError: The network does not exist, or cannot be traced with the example.
    """
    return traced(model, example, name)


def cost(
    model: Workload | nn.Module | str | dict[str, Any],
    system: str | System = "lionheart",
    mapping: Mapping | dict[str, str] | str = "all-analog",
    *,
    example: Any = None,
    batch: int | None = None,
) -> Cost:
    """Latency and energy of one inference, layer by layer, and whether the mapping fits (`Cost.fits`).

    `Cost.estimate` and `Cost.gain_over` say how well they are known.

    Args:
        model: A workload, or what `trace` takes.
        system: Name of a system, path of a TOML file, or the system itself.
        mapping: `all-analog`, `all-digital`, `best` (the shortest time per inference that fits, whatever
            the accuracy, see `cheapest`), or units and their targets; what it leaves out runs on the
            host.
        example: As for `trace`.
        batch: Inferences that run together, 1 by default. The latency is then that of the batch, energy
            and `interval_s` those of one inference. One core or chip runs each layer for a whole run
            before the next, and loads its weights once: the batch, or equal parts where that costs less
            (`Cost.together`). In a pipeline, inferences follow each other.

    Example:
        >>> lo.cost("resnet8", "lionheart", "all-analog").to_frame()

    Raises:
        InputError: The system, the mapping or an operation of the network is not known, or the system's
            family prices no batches.
    """
    workload = as_workload(model, example, batch)
    machine = system_of(system)
    space = Space(workload=workload, system=machine)
    with beside(Path.cwd()):
        chosen = named_mapping(space, mapping)
        cost_model = plugins.cost_model(machine)
        check_batch(cost_model, machine, workload)
        price = priced(cost_model, machine, workload, chosen)
    known = partial(_spread, machine, workload, chosen, Path.cwd())
    return replace(price, find_spread=known)


def _spread(system: System, workload: Workload, mapping: Mapping, folder: Path) -> Spread | None:
    with beside(folder):  # where a cost model of one's own may lie
        return spread_of(system, workload, mapping, plugins.cost_model)


def named_mapping(
    space: Space, mapping: Mapping | dict[str, str] | str, where: str = ""
) -> Mapping:
    """A complete mapping of a space.

    Args:
        space: What can run where.
        mapping: `all-analog`, `all-digital`, `best`, or units and their targets; what it leaves out runs
            on the host.
        where: What error messages call the place that names it.

    Raises:
        InputError: There is no such name, unit or target, or nothing fits.
    """
    if isinstance(mapping, str) and mapping == "best":
        best = cheapest(space)
        if best is None:
            raise InputError(f"{space.system.where}: no mapping of {space.workload.name!r} fits")
        return best.mapping
    if isinstance(mapping, str):
        named = {"all-analog": space.all_analog, "all-digital": space.all_digital}
        if mapping not in named:
            names = [*named, "best"]
            raise unknown("mapping", mapping, [*names, "FILE.json"] if where else names, where)
        return named[mapping]
    if not isinstance(mapping, (Mapping, dict)):
        raise InputError(
            f"mapping: got {kind_of(mapping)}; must be a name, or a dictionary unit -> target"
        )
    return space.mapping(dict(mapping.items()))


def system_of(system: str | Path | System) -> System:
    """The system that an argument names or is.

    Raises:
        InputError: There is none of that name, or its file is malformed.
    """
    if isinstance(system, System):
        return system
    if not isinstance(system, (str, Path)):
        raise InputError(
            f"system: got {kind_of(system)}; must be a name, the path of a TOML file, or a System"
        )
    return plugins.load_system(str(system), "system")
