"""What makes an oracle small: a run in seconds, whose accuracies mean nothing."""

from __future__ import annotations

from dataclasses import replace

from lionheart_opt.datasets.splits import Splits
from lionheart_opt.oracle.settings import HatRecipe, OracleSettings, PretrainRecipe

#: Steps of each training, and examples in each. The second step shows what the first has done to the
#: weights.
STEPS, BATCH_SIZE = 2, 8


def few_examples(splits: Splits) -> Splits:
    """The first examples of each part: enough for `STEPS` of training, and for a batch elsewhere."""
    return replace(
        splits,
        train=splits.train[: STEPS * BATCH_SIZE],
        validation=splits.validation[:BATCH_SIZE],
        test=splits.test[:BATCH_SIZE],
    )


def short_trainings(settings: OracleSettings) -> OracleSettings:
    """The same settings with trainings of one epoch of `STEPS` steps, each of few examples."""
    short = {"epochs": 1, "steps": STEPS}
    hat, pretrain, calibration = settings.hat, settings.pretrain, settings.calibration
    examples = min(calibration.examples, STEPS * BATCH_SIZE)
    from_shared = hat.from_shared.model_copy(update={"draws": 2})
    return settings.model_copy(
        update={
            "batch_size": min(settings.batch_size, BATCH_SIZE),
            "calibration": calibration.model_copy(update={"examples": examples}),
            "hat": hat.model_copy(
                update={
                    **short,
                    "batch_size": _small(hat),
                    "short_epochs": 1,
                    "one_shot_epochs": 1,
                    "one_shot_norm_batches": min(hat.one_shot_norm_batches, 1),
                    "from_shared": from_shared,
                }
            ),
            "pretrain": pretrain
            and pretrain.model_copy(update={**short, "batch_size": _small(pretrain)}),
        }
    )


def _small(recipe: HatRecipe | PretrainRecipe) -> int:
    return min(recipe.batch_size, BATCH_SIZE)
