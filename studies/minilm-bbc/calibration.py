"""What training and calibration buy MiniLM on tiles: `python calibration.py`.

Prints the accuracy drop, all-analog at a day, without and with hardware-aware training.
"""

from dataclasses import replace
from pathlib import Path

import lionheart_opt as lo

WAYS = {
    "none": {"compensation": "none"},
    "to the network": {"compensation": "columns", "calibration": {"fit_to": "network"}},
    "to the tile": {"compensation": "columns", "calibration": {"fit_to": "tile"}},
    "to the tile, deviations": {
        "compensation": "columns",
        "calibration": {"fit_to": "tile", "estimator": "deviations"},
    },
}


def main() -> None:
    """Four chips on the validation data of the study."""
    source = lo.load(Path(__file__).parent).file
    with source.beside():
        oracle, problem = source.oracle, source.problem
        print(f"floating point: {100 * oracle.baseline('validation'):.1f} %")
        for name, way in WAYS.items():
            table = {**oracle.settings.model_dump(exclude={"compensation", "calibration"}), **way}
            settings = type(oracle.settings).model_validate(table)
            chips = replace(oracle, settings=settings)
            for training in ("none", "short"):
                candidate = lo.Candidate(problem.all_analog, training=training)
                answer = chips.accuracy(candidate, lo.Fidelity(draws=(0, 4)), 0)
                drops = 100 * answer.drops_at(answer.times_s[-1])
                print(
                    f"training {training}, calibration {name}: {drops.mean():.1f} points "
                    f"({drops.std(ddof=1):.1f} between chips)"
                )


if __name__ == "__main__":
    main()
