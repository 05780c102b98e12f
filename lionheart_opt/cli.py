"""The command line: one function a verb."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lionheart_opt import plugins
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.installed import Listed, installed

if TYPE_CHECKING:
    from lionheart_opt.mapping import Mapping
    from lionheart_opt.report import Run
    from lionheart_opt.space import Space
    from lionheart_opt.studyfile import StudyFile

app = typer.Typer(
    name="lionheart-opt",
    help="Which layers run on analog tiles? Mapping as constrained search.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

StudyPath = Annotated[
    Path, typer.Argument(metavar="STUDY", help="A folder with a study.toml, or the file itself.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command("list")
def list_installed(
    what: Annotated[Listed | None, typer.Argument(help="Everything by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """What is installed, and where it comes from.

    Example: `lionheart-opt list systems`
    """
    from lionheart_opt import terminal

    found = {kind.value: installed(kind) for kind in ([what] if what else list(Listed))}
    if as_json:
        _print_json(found)
    else:
        terminal.print_installed(found)


@app.command()
def check(study: StudyPath, as_json: AsJson = False) -> None:
    """Load and resolve everything, price all-digital and all-analog, print the plan; no search.

    Example: `lionheart-opt check studies/quickstart`
    """
    from lionheart_opt import report, terminal

    file = _load(study)
    _ = file.oracle
    file.check_strategies()
    plan = report.plan(file)
    if as_json:
        _print_json(plan)
    else:
        terminal.print_plan(plan)


@app.command()
def cost(
    model: Annotated[str, typer.Option(help="A name of `list models`, or package.module:factory.")],
    system: Annotated[str, typer.Option(help="A name of `list systems`, or FILE.toml.")],
    input_shape: Annotated[
        str | None, typer.Option("--input", help="Channels first, without the batch: 3x32x32.")
    ] = None,
    mapping: Annotated[
        str, typer.Option(help="all-analog, all-digital, or a JSON file: unit -> target.")
    ] = "all-analog",
    plot: Annotated[
        Path | None, typer.Option(help="Folder for stacked bars by layer and component.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Latency, energy and gains over all-digital of one mapping, layer by layer.

    Example: `lionheart-opt cost --model resnet8 --system lionheart`
    """
    from lionheart_opt import report, terminal
    from lionheart_opt.space import Space
    from lionheart_opt.tracing import trace_model

    machine = plugins.load_system(system, "--system")
    cost_model = plugins.cost_model(machine)
    workload = trace_model(model, _shape(input_shape))
    space = Space(workload=workload, system=machine)
    chosen = _mapping(space, mapping)
    price = cost_model.cost(workload, chosen)
    digital = cost_model.cost(workload, space.all_digital)
    data = report.cost_report(model, system, price, digital, space.analog_mac_ratio(chosen))
    if plot is not None:
        from lionheart_opt import plots

        named = {"all-digital": space.all_digital, "all-analog": space.all_analog}
        named[Path(mapping).stem] = chosen
        costs = {name: cost_model.cost(workload, one) for name, one in named.items()}
        _say_written(plots.draw_costs(costs, plot, f"{model} on {machine.name}"))
    if as_json:
        _print_json(data)
    else:
        terminal.print_cost(data)


def _shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        shape = tuple(int(part) for part in text.split("x"))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise InputError(f"--input: got {text!r}; must be positive sizes such as 3x32x32")
    return shape


def _mapping(space: Space, name: str) -> Mapping:
    if name in ("all-analog", "all-digital"):
        return space.all_analog if name == "all-analog" else space.all_digital
    path = Path(name)
    if not path.is_file():
        raise unknown("mapping", name, ["all-analog", "all-digital", "FILE.json"], "--mapping")
    try:
        data = json.loads(path.read_text())
        assignments = {str(unit): str(target) for unit, target in data.items()}
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path}: must be a JSON object unit -> target: {error}") from error
    try:
        return space.mapping(assignments)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


@app.command()
def validate(
    system: Annotated[str | None, typer.Argument(help="All systems by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Every published number that a cost model claims, ours beside it, and the error in percent.

    Example: `lionheart-opt validate lionheart`
    """
    from lionheart_opt import terminal, validation

    rows = validation.rows(system)
    if as_json:
        _print_json(rows)
    else:
        terminal.print_validation(rows)


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
    from lionheart_opt import terminal
    from lionheart_opt.mapping import TRAININGS
    from lionheart_opt.profile import profile_search, read_profile
    from lionheart_opt.profile_plot import draw_profile
    from lionheart_opt.progress import Watch

    if training not in TRAININGS:
        raise unknown("training", training, TRAININGS, "--training")
    file = _load(study)
    oracle = file.oracle
    search = profile_search(file, training, pairs)
    try:
        with Watch(oracle) as watch:
            watch.ended(search.run(watch.start(search)))
            found = read_profile(search.record, training, oracle)
    except KeyboardInterrupt:
        typer.echo(f"\nStopped; nothing is lost. Resume: lionheart-opt profile {study}", err=True)
        raise typer.Exit(130) from None
    _say_written(draw_profile(found, out or file.folder / "figures"))
    if as_json:
        _print_json({"study": file.name, **found.to_json()})
    else:
        terminal.print_profile(found)


@app.command()
def run(
    study: StudyPath,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this run (its label); may be given again.")
    ] = None,
) -> None:
    """Run or resume every strategy of the study. Ctrl-C loses nothing.

    Example: `lionheart-opt run studies/quickstart`
    """
    from lionheart_opt import terminal
    from lionheart_opt.final import check_incumbent
    from lionheart_opt.progress import Watch

    file = _load(study)
    searches = list(file.runs(only or ()))
    oracle = file.oracle
    file.check_strategies()
    try:
        with Watch(oracle) as watch:
            for one, seed in searches:
                search = file.search(one, seed)
                watch.ended(search.run(watch.start(search)))
                check_incumbent(search.record, oracle)
    except KeyboardInterrupt:
        typer.echo(f"\nStopped; nothing is lost. Resume: lionheart-opt run {study}", err=True)
        raise typer.Exit(130) from None
    terminal.print_show(_runs(file))


@app.command()
def worker(study: StudyPath) -> None:
    """Evaluate queued trials of a running study from another process or machine, until it ends.

    Example: `lionheart-opt worker studies/quickstart`
    """
    from lionheart_opt import progress

    file = _load(study)
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
    from lionheart_opt import report, terminal

    runs = _runs(_load(study))
    if as_json:
        _print_json([report.show_row(one) for one in runs])
    else:
        terminal.print_show(runs)


@app.command()
def compare(
    studies: Annotated[list[Path], typer.Argument(metavar="STUDY...")], as_json: AsJson = False
) -> None:
    """Strategies side by side: medians over seeds, and the share of the hypervolume.

    Example: `lionheart-opt compare studies/quickstart`
    """
    from dataclasses import replace

    from lionheart_opt import report, terminal

    runs: list[Run] = []
    for study in studies:
        file = _load(study)
        prefix = f"{file.name}: " if len(studies) > 1 else ""
        runs += [replace(one, label=prefix + one.label) for one in _runs(file)]
    rows = report.compare_rows(runs)
    if as_json:
        _print_json(rows)
    else:
        terminal.print_compare(rows)


@app.command()
def plot(
    study: StudyPath,
    out: Annotated[
        Path | None, typer.Option(help="Folder for PDF and PNG; STUDY/figures by default.")
    ] = None,
) -> None:
    """Pareto fronts, mapping heat-map, hypervolume against oracle seconds, drift fan.

    Example: `lionheart-opt plot studies/quickstart --out figures`
    """
    from lionheart_opt import plots

    file = _load(study)
    _say_written(plots.draw_study(_runs(file), out or file.folder / "figures"))


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
    from lionheart_opt.export import export_trial

    _say_written(export_trial(_load(study), only, trial, out))


def _load(study: Path) -> StudyFile:
    import optuna

    from lionheart_opt.studyfile import StudyFile

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # our own progress says more
    file = StudyFile.load(study)
    sys.path.insert(0, str(file.folder.resolve()))  # `module:attr` may lie beside the study file
    return file


def _runs(file: StudyFile) -> list[Run]:
    from lionheart_opt.final import final_checks
    from lionheart_opt.report import Run

    runs = [
        Run(
            label=one.name,
            seed=seed,
            problem=file.problem,
            evaluations=record.evaluations(),
            checks=final_checks(record),
        )
        for one, seed, record in file.records()
    ]
    if not runs:
        raise InputError(
            f"{file.path}: nothing recorded yet; start with: lionheart-opt run {file.folder}"
        )
    return runs


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, indent=2))


def _say_written(paths: list[Path]) -> None:
    for path in paths:
        typer.echo(f"wrote {path}", err=True)


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
