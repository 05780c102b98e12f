"""How far each unit alone on an analog target moves the outputs of the floating-point network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import nn

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.oracle.compensation import Compensation
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.measured_together import measure_together
from lionheart_opt.oracle.measurement import Conditions
from lionheart_opt.oracle.seeds import derive
from lionheart_opt.oracle.weights import CandidateWeights
from lionheart_opt.questions import Divergences
from lionheart_opt.tasks.divergence import Divergence

#: Units that are measured in one go: what precedes the first of them is computed once.
TOGETHER = 16


def divergences(
    weights: CandidateWeights,
    network: nn.Module,
    examples: Examples,
    question: Divergences,
    seed: int,
) -> dict[str, dict[str, float]]:
    """The values of the answer, see `Divergences`.

    Chips are those on which candidates are measured, calibrated as they are.

    Args:
        weights: What knows where matrices are, and what they compute in there.
        network: The floating-point network with its pretrained weights.
        examples: Held-out examples.
        question: What is asked.
        seed: Seed of all draws.
    """
    settings, task = weights.settings, Divergence(examples.task, network)
    conditions = Conditions(
        times_s=(question.time_s,),
        draws=range(question.n_draws),
        seed=derive(seed, "validation"),
        batch_size=settings.batch_size,
    )
    compensation = Compensation.of(settings, weights.splits.train)
    compared = replace(examples, task=task)
    others = Mapping.of(question.others)

    def measured(mappings: list[Mapping]) -> np.ndarray:
        """Divergences, shape (n_mappings, n_draws, n_examples)."""
        group = [Candidate(mapping, training="none") for mapping in mappings]
        name = engine(settings.engine)
        statistics = measure_together(
            weights, group, name, network, compared, conditions, compensation
        )
        return np.asarray(statistics[:, :, 0, :, 0])

    base = np.zeros(1) if weights.is_exact(others) else measured([others])[0]
    answer: dict[str, dict[str, float]] = {"divergence": {}, "standard_error": {}}
    for first in range(0, len(question.units), TOGETHER):
        units = question.units[first : first + TOGETHER]
        weights.report(
            f"divergences: units {first + 1} to {first + len(units)} of {len(question.units)}"
        )
        values = measured([others.move(unit, question.target) for unit in units]) - base
        for unit, of_unit in zip(units, values, strict=True):
            answer["divergence"][unit] = float(of_unit.mean())
            answer["standard_error"][unit] = standard_error(of_unit)
    return answer


def standard_error(values: np.ndarray) -> float:
    """Standard error of the mean over examples, and over chips where there are several.

    Args:
        values: Shape (n_chips, n_examples). Examples and chips are crossed; what is left of the scatter
            counts twice, which errs on the safe side.
    """
    variance = sum(
        values.mean(axis=1 - axis).var(ddof=1) / n for axis, n in enumerate(values.shape) if n > 1
    )
    return float(np.sqrt(variance))
