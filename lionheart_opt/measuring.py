"""What an oracle measures, as searches take it: checked, as anybody can write an oracle."""

from __future__ import annotations

from lionheart_opt.accuracy import Accuracy, AccuracyOracle, Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.text import shown


def measured(
    oracle: AccuracyOracle, candidate: Candidate, fidelity: Fidelity, seed: int
) -> Accuracy:
    """The accuracy of a resolved candidate, compared with what was asked.

    Raises:
        InputError: It is no `Accuracy`, or has another number of draws: draws that are counted twice
            would make a limit look decided.
    """
    where = f"{type(oracle).__name__}: accuracy"
    accuracy: object = oracle.accuracy(candidate, fidelity, seed)
    if not isinstance(accuracy, Accuracy):
        raise InputError(f"{where}: got {shown(accuracy)}; must be an Accuracy")
    first, last = fidelity.draws
    if len(accuracy.samples) != last - first:
        raise InputError(
            f"{where}: got {len(accuracy.samples)} draws; must be the {last - first} of "
            f"fidelity.draws, {first} to {last - 1}: each programs a chip of its own"
        )
    return accuracy
