"""`fit`: a system whose constants are fitted to one's own measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lionheart_opt.cli.inputs import AsJson, print_json, say_written
from lionheart_opt.errors import InputError


def fit(
    system: Annotated[str, typer.Argument(help="A name of `list systems`, or FILE.toml.")],
    measurements: Annotated[
        Path,
        typer.Argument(
            metavar="MEASUREMENTS.csv",
            help="Columns: model, and latency_s, energy_j or interval_s; beside them input (3x32x32), "
            "mapping, layer (a name, or total), held_out (yes or no).",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="File of the fitted system; SYSTEM-fitted.toml by default.")
    ] = None,
    constants: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Constants to fit, such as 'software.*'; all with an interval by default. May be given "
            "again.",
        ),
    ] = None,
    holdout: Annotated[
        float, typer.Option(help="Share of the measurements that check the fit.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(help="Decides which ones these are.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Fit a system's constants to measured layers and networks, and write a system file.

    The intervals of the system's constants are the priors. Constants that the measurements do not
    determine keep them. Fits are robust: a few wrong measurements count less.

    Example: `lionheart-opt fit lionheart examples/measurements.csv --out mine.toml`
    """
    from lionheart_opt import api_fit
    from lionheart_opt.cli import fit_tables
    from lionheart_opt.text_files import write_text

    path = out or Path(f"{Path(system).stem}-fitted.toml")
    if path.suffix != ".toml":
        raise InputError(f"--out: got {path}; must end in .toml")
    if path.exists():
        raise InputError(f"--out: {path} exists; remove it or choose another name")
    fitted = api_fit.fit(
        system, measurements, constants=constants or ("*",), holdout=holdout, seed=seed
    )
    write_text(path, fitted.text)
    say_written([path])
    if as_json:
        print_json(
            {
                "system": str(path),
                "constants": fitted.to_frame().to_dict("records"),
                "summary": fitted.summary(),
                "residuals": fitted.residuals().to_dict("records"),
            }
        )
    else:
        fit_tables.print_fit(fitted)
