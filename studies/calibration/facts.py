"""The table of README.md, from the records: drops by compensation, training and time.

python studies/calibration/facts.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.stats import t

import lionheart_opt as lo

HERE = Path(__file__).parent


def main() -> None:
    """Mean drop in points, and the half-width of its 95 % interval over draws."""
    for name in ("study", "once", "columns", "anew", "batch_norm"):
        for result in lo.load(HERE / f"{name}.toml").results():
            for evaluation in result.evaluations:
                accuracy = evaluation.accuracy
                if accuracy is None:
                    continue
                drops = 100 * (accuracy.baseline - np.asarray(accuracy.samples))
                n = len(drops)
                half = t.ppf(0.975, n - 1) * drops.std(0, ddof=1) / n**0.5
                cells = [f"{d:.1f} ({h:.1f})" for d, h in zip(drops.mean(0), half, strict=True)]
                print(f"{name:10} {evaluation.candidate.training:5}", *cells)


if __name__ == "__main__":
    main()
