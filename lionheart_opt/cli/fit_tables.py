"""What `fit` found, as tables."""

from __future__ import annotations

from lionheart_opt.cli.tables import new_table, say
from lionheart_opt.fitting.system_fit import SystemFit
from lionheart_opt.results.wording import console


def print_fit(fitted: SystemFit) -> None:
    """Constants before and after, the errors that remain, and the measurements that are missed."""
    out = console()
    table = new_table(f"Constants of {fitted.system.name}", "constant", ">before", ">fitted", "")
    for row in fitted.to_frame().to_dict("records"):
        if row["constant"] in fitted.fitted:
            table.add_row(
                row["constant"].rpartition(".")[0] + ".\n" + row["constant"].rpartition(".")[2],
                f"{row['prior']:.4g}\n{row['prior_low']:.3g} to {row['prior_high']:.3g}",
                f"{row['value']:.4g}\n{row['low']:.3g} to {row['high']:.3g}",
                row["found"].removeprefix("fitted").removeprefix(", "),
            )
    caption = "Below each number: its interval of 95 %. That before the fit is its prior."
    if fitted.undetermined:
        caption += (
            f"\nNot determined by these measurements, so that they keep their priors: "
            f"{', '.join(fitted.undetermined)}."
        )
    say(out, table, caption)
    errors = new_table(
        "Errors",
        "measurements",
        ">number",
        ">median",
        ">worst",
        ">median before",
        ">in their intervals",
    )
    for part in fitted.summary():
        errors.add_row(
            str(part["part"]),
            str(part["measurements"]),
            *(
                f"{part[key]:.1f} %"
                for key in (
                    "median_error_percent",
                    "worst_error_percent",
                    "prior_median_error_percent",
                )
            ),
            f"{part['inside']} of {part['measurements']}",
        )
    say(
        out,
        errors,
        "In their intervals: of 95 %, so that about one in 20 is not. They cover what is open of the "
        "constants, and the scatter of the measurements.",
    )
    for row in fitted.residuals().to_dict("records"):
        if not row["inside"]:
            out.print(
                f"{row['where']}: {row['quantity']} of {row['layer']} is outside its interval: "
                f"measured {row['measured']:.4g}, predicted {row['predicted']:.4g} "
                f"[{row['predicted_low']:.4g}, {row['predicted_high']:.4g}]"
            )
    if len(fitted.summary()) == 1:
        out.print("no measurement is held out, so that nothing checks the fit")
