"""What a study file says about training and measuring; defaults are LionHeart's. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

EngineName = Literal["aihwkit", "fast"]


class Recipe(BaseModel):
    """Stochastic gradient descent with momentum on the cross entropy, learning rate on a cosine.

    Training ends when the mean loss of an epoch has not decreased for `patience` epochs in a row
    (LionHeart sections III and IV-B2), at the latest after `epochs`; the weights of the epoch with
    the least training loss are kept. Validation data take no part in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    learning_rate: PositiveFloat
    """At the start."""
    momentum: float = Field(ge=0.0, lt=1.0)
    weight_decay: NonNegativeFloat = 0.0
    batch_size: PositiveInt = 256
    epochs: PositiveInt = 50
    """Most passes over the training data; the cosine reaches zero there (T_max)."""
    steps: PositiveInt | None = None
    """Batches that count as an epoch, where that shall not be all training data (`num_steps` of
    LionHeart's code); each epoch takes others."""
    patience: PositiveInt = 5
    """Epochs without a smaller training loss after which training ends."""
    augmentation: Literal["none", "crop_flip"] = "none"
    """`crop_flip` shifts images by up to an eighth of their side and mirrors half of them."""


class PretrainRecipe(Recipe):
    """How the floating-point network is trained (LionHeart Table II, digital set for CIFAR)."""

    learning_rate: PositiveFloat = 0.057
    """At the start."""
    momentum: float = Field(default=0.867, ge=0.0, lt=1.0)
    seed: int = Field(default=0, ge=0)
    """Of the initial weights, the order of examples and the augmentation."""


class HatRecipe(Recipe):
    """Hardware-aware training (HAT) of a mapping (LionHeart Table II, analog set for CIFAR)."""

    learning_rate: PositiveFloat = 0.024
    """At the start."""
    momentum: float = Field(default=0.775, ge=0.0, lt=1.0)
    short_epochs: PositiveInt = 2
    """Instead of `epochs` in training level `short`."""
    one_shot_epochs: PositiveInt = 10
    """Instead of `epochs` in training level `one_shot`."""
    one_shot_norm_batches: NonNegativeInt = 0
    """Batches on which each mapping estimates batch-norm statistics of its own for one-shot weights;
    0 uses the shared ones, which were as good where we measured (CIFAR-10, ResNet8 and smaller)."""


class OracleSettings(BaseModel):
    """How weights are trained and accuracy is measured."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    engine: EngineName = "fast"
    """What simulates analog layers."""
    rpu_config: str = "lionheart"
    """A built-in name, or `package.module:factory`, which returns a `TorchInferenceRPUConfig`."""
    times_s: tuple[NonNegativeFloat, ...] = Field(
        default=(1.0, 60.0, 3600.0, 86400.0), min_length=1, strict=False
    )
    """Times since programming at which accuracy is measured (LionHeart section IV-B4)."""
    batch_size: PositiveInt = 64
    """Examples in one pass of an evaluation; another size draws other converter noise (aihwkit)."""
    validation_examples: PositiveInt | None = None
    """Use only so many examples of the validation set."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; `auto` takes CUDA where there is one."""
    verify_on: EngineName | None = None
    """Engine on which final results are measured once more."""
    pretrain: PretrainRecipe | None = PretrainRecipe()
    """How the floating-point network is trained; None takes the network as it is given."""
    hat: HatRecipe = HatRecipe()
    """How a mapping is trained."""
