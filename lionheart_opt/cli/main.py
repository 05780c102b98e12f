"""The command line: one function a verb."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lionheart_opt.cli import systems
from lionheart_opt.cli.inputs import AsJson, StudyPath, load_study, print_json, say_written
from lionheart_opt.errors import InputError, unknown

if TYPE_CHECKING:
    from lionheart_opt.results.result import SearchResult
    from lionheart_opt.study.file import StudyFile

app = typer.Typer(
    name="lionheart-opt",
    help="Which layers run on analog tiles? Mapping as constrained search.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("list")(systems.list_installed)
app.command()(systems.cost)
app.command()(systems.validate)


@app.command()
def check(study: StudyPath, as_json: AsJson = False) -> None:
    """Load and resolve everything, price all-digital and all-analog, print the plan; no search.

    Example: `lionheart-opt check studies/quickstart`
    """
    from lionheart_opt.cli import tables
    from lionheart_opt.results import report

    file = load_study(study)
    _ = file.oracle
    file.check_strategies()
    plan = report.plan(file)
    if as_json:
        print_json(plan)
    else:
        tables.print_plan(plan)


@app.command()
def profile(
    study: StudyPath,
    training: Annotated[
        str, typer.Option(help="How weights are obtained: none, one_shot, short or full.")
    ] = "none",
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Also pairs of units that share data flow.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for PDF and PNG; STUDY/figures by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What each unit alone loses on an analog target, and how well cheap proxies foretell it.

    Measured once: strategies of the study that ask for the same are answered from it.

    Example: `lionheart-opt profile studies/quickstart --pairs`
    """
    from lionheart_opt.cli import tables
    from lionheart_opt.cli.progress import Watch
    from lionheart_opt.mapping import TRAININGS
    from lionheart_opt.plots.sensitivity import draw_profile
    from lionheart_opt.results.sensitivity import profile_search, read_profile

    if training not in TRAININGS:
        raise unknown("training", training, TRAININGS, "--training")
    file = load_study(study)
    oracle = file.oracle
    search = profile_search(file, training, pairs)
    try:
        with Watch(oracle) as watch:
            watch.ended(search.run(watch.start(search)))
            found = read_profile(search.record, training)
    except KeyboardInterrupt:
        typer.echo(f"\nStopped; nothing is lost. Resume: lionheart-opt profile {study}", err=True)
        raise typer.Exit(130) from None
    say_written(draw_profile(found, out or file.figures))
    if as_json:
        print_json({"study": file.name, **found.to_json()})
    else:
        tables.print_profile(found)


@app.command()
def run(
    study: StudyPath,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this run (its label); may be given again.")
    ] = None,
    checks: Annotated[
        bool, typer.Option(help="Measure what was found once more, on test data with fresh draws.")
    ] = True,
) -> None:
    """Run or resume every strategy of the study. Ctrl-C loses nothing.

    Example: `lionheart-opt run studies/quickstart`

    `--no-checks` leaves the final measurement to a later `run`, which then does nothing else.
    """
    from lionheart_opt.cli import tables
    from lionheart_opt.cli.progress import Watch
    from lionheart_opt.results.final import check_finalists

    file = load_study(study)
    searches = list(file.runs(only or ()))
    oracle = file.oracle
    file.check_strategies()
    try:
        with Watch(oracle) as watch:
            for one, seed in searches:
                search = file.search(one, seed)
                watch.ended(search.run(watch.start(search)))
                if checks:
                    check_finalists(search.record, oracle)
    except KeyboardInterrupt:
        typer.echo(f"\nStopped; nothing is lost. Resume: lionheart-opt run {study}", err=True)
        raise typer.Exit(130) from None
    tables.print_show(_runs(file))


@app.command()
def worker(study: StudyPath) -> None:
    """Evaluate queued trials of a running study from another process or machine, until it ends.

    Example: `lionheart-opt worker studies/quickstart`
    """
    from lionheart_opt.cli import progress

    file = load_study(study)
    _ = file.oracle
    try:
        done = progress.work(file)
    except KeyboardInterrupt:
        typer.echo("\nStopped; the trial in hand goes back to the queue.", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"{done} trials evaluated; nothing is queued any more.")


@app.command()
def show(study: StudyPath, as_json: AsJson = False) -> None:
    """Incumbents, what binds, and the budget spent, for each search.

    Example: `lionheart-opt show studies/quickstart`
    """
    from lionheart_opt.cli import tables
    from lionheart_opt.results import report

    runs = _runs(load_study(study))
    if as_json:
        print_json([report.show_row(one) for one in runs])
    else:
        tables.print_show(runs)


@app.command()
def compare(
    studies: Annotated[list[Path], typer.Argument(metavar="STUDY...")], as_json: AsJson = False
) -> None:
    """Strategies side by side over seeds: budgets, hypervolume, the best gains at each threshold.

    Example: `lionheart-opt compare studies/quickstart`
    """
    from dataclasses import replace

    from lionheart_opt.cli.comparison_tables import print_comparison
    from lionheart_opt.results import comparison

    files = [load_study(study) for study in dict.fromkeys(one.resolve() for one in studies)]
    comparison.check_same_question(files)
    runs: list[SearchResult] = []
    for file, name in zip(files, comparison.names(files), strict=True):
        prefix = f"{name}: " if len(files) > 1 else ""
        runs += [replace(one, label=prefix + one.label) for one in _runs(file)]
    data = comparison.comparison(runs, comparison.truth_of(files[0]))
    if as_json:
        print_json(data)
    else:
        print_comparison(data)


@app.command()
def plot(
    study: StudyPath,
    out: Annotated[
        Path | None, typer.Option(help="Folder for PDF and PNG; STUDY/figures by default.")
    ] = None,
) -> None:
    """Pareto fronts, hypervolume as budgets are spent, gains at thresholds, mappings, drift.

    Example: `lionheart-opt plot studies/quickstart --out figures`
    """
    from lionheart_opt.plots import figures
    from lionheart_opt.results.comparison import truth_of

    file = load_study(study)
    folder = out or file.figures
    say_written(figures.draw_study(_runs(file), truth_of(file), folder))


@app.command()
def export(
    study: StudyPath,
    trial: Annotated[int, typer.Option(help="Number of the trial in its search.")],
    only: Annotated[
        str | None, typer.Option(help="The search, as `LABEL/seedN`; needed if there are several.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder; STUDY/export/SEARCH-trialN by default.")
    ] = None,
) -> None:
    """Write one trial's mapping (JSON), trained weights (state dict) and report.

    Example: `lionheart-opt export studies/quickstart --only mac_greedy/seed0 --trial 3`
    """
    from lionheart_opt.results.export import export_trial

    say_written(export_trial(load_study(study), only, trial, out))


@app.command()
def table(
    study: StudyPath,
    out: Annotated[
        Path | None, typer.Option(help="The .npz file; STUDY/table.npz by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make what a study has measured a table that other searches are answered from, in seconds.

    A study that sets `kind = "table"` and `file = "table.npz"` in its `[oracle]` uses it.

    Example: `lionheart-opt table studies/resnet8-cifar10/ground-truth.toml`
    """
    from lionheart_opt.results.tabulate import tabulate

    file = load_study(study)
    made, left_out = tabulate(file)
    path = out or file.folder / "table.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save(path)
    rows, draws = made.samples.shape[:2]
    if as_json:
        print_json({"file": str(path), "rows": rows, "left_out": left_out, "draws": draws})
    else:
        typer.echo(f"{path}: {rows:,} mappings, {draws} draws each; {left_out:,} left out")


def _runs(file: StudyFile) -> list[SearchResult]:
    from lionheart_opt.results.final import final_checks
    from lionheart_opt.results.result import SearchResult
    from lionheart_opt.study.search import PROPOSALS

    _ = file.problem  # loads torch, to trace the network
    gc.freeze()  # half of the time to read a large record went into looking for garbage there
    runs = [
        SearchResult(
            label=one.name,
            seed=seed,
            problem=file.problem,
            evaluations=record.evaluations(),
            strategy=one.strategy,
            budget=file.budget(one),
            proposals=record.study.user_attrs.get(PROPOSALS),
            knowledge_s=record.knowledge_s,
            checks=final_checks(record),
        )
        for one, seed, record in file.records()
    ]
    if not runs:
        raise InputError(
            f"{file.path}: nothing recorded yet; start with: lionheart-opt run {file.folder}"
        )
    return runs


def main() -> None:
    """Entry point of `lionheart-opt`: bad input is one line on standard error and exit code 2."""
    # Threads that spin while they wait make small networks crawl where the cores are shared with
    # anything else; OpenMP reads this when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path.insert(0, "")  # as `python -m` does: `module:attr` may lie in the working folder
    try:
        app()
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("\nStopped.", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
