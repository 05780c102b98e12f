"""The command line: one function a verb."""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from lionheart_opt.cli import analyses, exploring, fits, systems
from lionheart_opt.cli.inputs import (
    AsJson,
    StudyPath,
    load_study,
    print_json,
    read_study,
    resumable,
    say_written,
    undocumented_matplotlib,
    usual_workers,
    without_export_warnings,
)
from lionheart_opt.cli.verb import Verb
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.own_errors import TRACEBACK, own_error, place_of
from lionheart_opt.results.wording import results_stream
from lionheart_opt.signals import exit_code, stopped_by_signals
from lionheart_opt.text import never_fail, one_line, printable

if TYPE_CHECKING:
    from lionheart_opt.studies import Study

app = typer.Typer(
    name="lionheart-opt",
    help="Which layers run on analog tiles? Mapping as constrained search.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _say_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"lionheart-opt {version('lionheart_opt')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Say the version, and stop.", callback=_say_version, is_eager=True
        ),
    ] = False,
) -> None:
    del version


app.command("list", cls=Verb)(systems.list_installed)
app.command(cls=Verb)(systems.cost)
app.command(cls=Verb)(systems.systems)
app.command(cls=Verb)(exploring.explore)
app.command(cls=Verb)(systems.validate)
app.command(cls=Verb)(fits.fit)


@app.command(cls=Verb)
def check(study: StudyPath, as_json: AsJson = False) -> None:
    """Say everything that would stop a run: price the extremes and rehearse a run, in seconds.

    A few examples are classified, trained on, programmed and drifted to every time, by the code that a
    run uses. Nothing is written. A study is code: its own modules, and those that it names, are run.

    Example: `lionheart-opt check studies/quickstart`
    """
    from lionheart_opt.cli.check_tables import print_check

    checked = load_study(study).check(refuse=False)
    if as_json:
        print_json(checked)
    else:
        print_check(checked)
    for problem in checked["problems"]:
        typer.echo(f"error: {problem}", err=True)
    if checked["problems"]:
        raise typer.Exit(2)


@app.command(cls=Verb)
def profile(
    study: StudyPath,
    training: Annotated[
        str, typer.Option(help="How weights are obtained: none, one_shot, short or full.")
    ] = "none",
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Also pairs of units that share data flow.")
    ] = False,
    proxies: Annotated[
        bool, typer.Option("--proxies", help="Also what may predict the losses; takes long.")
    ] = False,
    screen: Annotated[
        bool,
        typer.Option(
            "--screen", help="How far each unit moves the outputs, on a third of the chips."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for PDF and PNG; STUDY/figures by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What each unit alone loses on an analog target, and how well proxies predict it.

    Measured once: strategies of the study that need the same numbers take them from there.

    Example: `lionheart-opt profile studies/quickstart --pairs`; faster, for networks with many
    units: `lionheart-opt profile studies/minilm-bbc --screen`
    """
    from lionheart_opt.cli import tables
    from lionheart_opt.mapping import TRAININGS
    from lionheart_opt.plots.sensitivity import draw_profile

    if training not in TRAININGS:
        raise unknown("training", training, TRAININGS, "--training")
    loaded = load_study(study)
    with resumable():
        sensitivities = loaded.profile(
            training, pairs=pairs, proxies=proxies, screen=screen, progress=True
        )
    say_written(draw_profile(sensitivities, out or loaded.file.figures))
    if as_json:
        print_json({"study": loaded.name, **sensitivities.to_json()})
    else:
        tables.print_profile(sensitivities)


@app.command(cls=Verb)
def run(
    study: StudyPath,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this run (its label); may be given again.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Most processes that evaluate candidates side by side; they start when there is "
            "work for them. By default, one for each core, or for as many cores as the oracle has "
            "`threads`; 1, this process, where the oracle is a table or computes on a GPU.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Evaluate on a Dask cluster instead: its scheduler, such as tcp://host:8786.",
        ),
    ] = None,
    checks: Annotated[
        bool,
        typer.Option(help="Measure the best mappings once more, on test data with fresh draws."),
    ] = True,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Wait for another process that runs a search of the study."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run or resume every strategy of the study, side by side. Ctrl-C loses nothing.

    What a strategy finds does not depend on the number of workers. Of a search that
    proposes one candidate at a time, the chips of a candidate are shared out, unless it has to be
    trained; `threads` in `[oracle]` lets a training use several cores, and is part of the record.

    Example: `lionheart-opt run studies/quickstart --workers 2`

    `--no-checks` leaves the final measurement to a later `run`, which then does nothing else.
    """
    loaded = load_study(study)
    with resumable():
        count = usual_workers(loaded, scheduler) if workers is None else workers
        loaded.run(only or (), count, scheduler=scheduler, checks=checks, wait=wait, progress=True)
    _show(loaded, as_json)


@app.command(cls=Verb)
def show(study: StudyPath, as_json: AsJson = False) -> None:
    """Incumbents, what binds, and the budget spent, for each search.

    Example: `lionheart-opt show studies/quickstart`
    """
    _show(read_study(study), as_json)


def _show(study: Study, as_json: bool) -> None:
    from lionheart_opt.cli import show_tables
    from lionheart_opt.results.calibration import calibration_costs, calibration_json
    from lionheart_opt.results.report import show_row

    results = study.recorded_results()
    calibrations = calibration_costs(results, study.file.table.oracle)
    if as_json:
        rows = [show_row(result) for result in results]
        for row, cost in zip(rows, calibrations, strict=True):
            if cost is not None:
                row["calibration"] = calibration_json(cost)
        print_json(rows)
    else:
        show_tables.print_show(results)
        show_tables.print_calibrations(results, calibrations)


@app.command(cls=Verb)
def compare(
    studies: Annotated[
        list[Path],
        typer.Argument(metavar="STUDY...", help="Folders with a study.toml, or the files."),
    ],
    as_json: AsJson = False,
) -> None:
    """Strategies side by side over seeds: budgets, hypervolume, the best gains at each threshold.

    Example: `lionheart-opt compare studies/quickstart`
    """
    from lionheart_opt.cli.comparison_tables import print_comparison
    from lionheart_opt.studies import compare_studies

    loaded = [read_study(study) for study in dict.fromkeys(path.resolve() for path in studies)]
    comparison = compare_studies(loaded)
    if as_json:
        print_json(comparison.to_json())
    else:
        print_comparison(comparison.to_json())


@app.command(cls=Verb)
def plot(
    study: StudyPath,
    out: Annotated[
        Path | None, typer.Option(help="Folder for PDF and PNG; STUDY/figures by default.")
    ] = None,
    upload: Annotated[
        bool, typer.Option("--upload", help="Also show them in optuna-dashboard, with each search.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Pareto fronts, hypervolume as budgets are spent, gains at thresholds, mappings, drift.

    Example: `lionheart-opt plot studies/quickstart --out figures`
    """
    loaded = read_study(study)
    with undocumented_matplotlib():
        say_written(loaded.plot(out, upload=upload), as_json)


@app.command(cls=Verb)
def export(
    study: StudyPath,
    trial: Annotated[
        int | None, typer.Option(help="Number of the trial in its search, from 0.")
    ] = None,
    best: Annotated[
        bool,
        typer.Option("--best", help="The best mapping of the search, or of all searches."),
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(help="The search, as `LABEL/seedN`; needed for a trial if there are several."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder; STUDY/export/SEARCH-trialN by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write one trial's mapping (JSON), trained weights (state dict) and report.

    Example: `lionheart-opt export studies/quickstart --best`

    `--only mac_greedy/seed0 --trial 3` takes trial 3 of that search.
    """
    import json

    if best == (trial is not None):
        raise InputError("export: give either --trial N or --best")
    with without_export_warnings():
        files = load_study(study).export(trial, only, out)
    report = json.loads(files[1].read_text())
    name = "all-digital" if report["trial"] is None else f"trial {report['trial']}"
    typer.echo(f"exported {name} of {report['search']}", err=True)
    if report["warning"]:
        typer.echo(f"warning: {report['warning']}", err=True)
    say_written(files, as_json)


app.command(cls=Verb)(analyses.diagnose)
app.command(cls=Verb)(analyses.lifetime)


@app.command(cls=Verb)
def table(
    study: StudyPath,
    out: Annotated[
        Path | None, typer.Option(help="The .npz file; STUDY/table.npz by default.")
    ] = None,
    proxies: Annotated[
        bool, typer.Option("--proxies", help="Also proxies of sensitivity, which hilal needs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Turn what a study has measured into a table, on which other searches take seconds.

    A study that sets `kind = "table"` and `file = "table.npz"` in its `[oracle]` uses it.

    Example: `lionheart-opt table studies/resnet8-cifar10/ground-truth.toml`
    """
    made = load_study(study).table(out, proxies=proxies)
    if as_json:
        print_json(made)
    else:
        print(
            f"{printable(made['file'])}: {made['rows']:,} mappings, {made['draws']} draws each; "
            f"{made['left_out']:,} left out",
            file=results_stream(),
        )


def main() -> None:
    """Entry point of `lionheart-opt`: bad input is one line on standard error and exit code 2."""
    # Threads of torch that spin while they wait take the cores from other programs; OpenMP reads this
    # when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    warnings.formatwarning = lambda message, *_: f"warning: {one_line(str(message))}\n"
    for stream in (sys.stdout, sys.stderr):
        never_fail(stream)
    try:
        with stopped_by_signals(is_exit_ours=True):
            app()
    except KeyboardInterrupt as stop:
        _end(stop)
    except SystemExit as end:
        # typer turns Ctrl-C into an exit without a word
        cause = end.__context__ and end.__context__.__cause__
        if isinstance(cause, KeyboardInterrupt):
            _end(cause)
        if not place_of(end):
            raise
        _refuse(end)
    except BaseException as error:  # own code may raise any
        _refuse(error)


def _refuse(error: BaseException) -> NoReturn:
    """End with what is wrong with the input; with a traceback where that is no input's fault."""
    hint = ""
    if isinstance(error, InputError):
        said = str(error)
    elif place_of(error):
        said, hint = str(own_error(error)), f"; {TRACEBACK}=1 shows the traceback"
    elif isinstance(error, OSError) and (error.filename or error.errno == errno.ENOSPC):
        said = one_line(f"{error.filename}: {error.strerror}")
    else:
        raise error
    if TRACEBACK in os.environ:
        traceback.print_exception(error)
    for line in said.splitlines():
        print(f"error: {line}{hint}", file=sys.stderr)
    sys.exit(2)


def _end(stop: KeyboardInterrupt) -> NoReturn:
    print("\nStopped.", file=sys.stderr)
    sys.exit(exit_code(stop))


if __name__ == "__main__":
    main()
