"""Settings of training and measuring in a study file; defaults are LionHeart's. Imports no torch."""

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
    """Stochastic gradient descent with momentum on the cross entropy.

    The learning rate follows a cosine. Training ends when the mean loss of an epoch has not decreased
    for `patience` epochs in a row (LionHeart sections III and IV-B2), at the latest after `epochs`.
    The weights of the epoch with the smallest training loss are kept. Validation data are not used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    learning_rate: PositiveFloat
    """Learning rate at the start."""
    momentum: float = Field(ge=0.0, lt=1.0)
    weight_decay: NonNegativeFloat = 0.0
    batch_size: PositiveInt = 256
    epochs: PositiveInt = 50
    """Largest number of epochs, after which the learning rate is zero (T_max of the cosine)."""
    steps: PositiveInt | None = None
    """Number of batches in an epoch, each epoch with other examples (`num_steps` of LionHeart's code);
    None uses all training data in every epoch."""
    patience: PositiveInt = 5
    """Number of epochs without a smaller training loss after which training ends."""
    augmentation: Literal["none", "crop_flip"] = "none"
    """`crop_flip` shifts images by up to an eighth of their side and mirrors half of them."""


class PretrainRecipe(Recipe):
    """How the floating-point network is trained (LionHeart Table II, digital set for CIFAR)."""

    learning_rate: PositiveFloat = 0.057
    """Learning rate at the start."""
    momentum: float = Field(default=0.867, ge=0.0, lt=1.0)
    seed: int = Field(default=0, ge=0)
    """Seed of the initial weights, the order of examples and the augmentation."""


class HatRecipe(Recipe):
    """Hardware-aware training (HAT) of a mapping (LionHeart Table II, analog set for CIFAR)."""

    learning_rate: PositiveFloat = 0.024
    """Learning rate at the start."""
    momentum: float = Field(default=0.775, ge=0.0, lt=1.0)
    short_epochs: PositiveInt = 2
    """Replaces `epochs` in training level `short`."""
    one_shot_epochs: PositiveInt = 10
    """Replaces `epochs` in training level `one_shot`."""
    one_shot_norm_batches: NonNegativeInt = 0
    """Number of batches on which each mapping estimates its own batch-norm statistics for one-shot
    weights. 0 uses the shared statistics, which were as good where it was measured (CIFAR-10, ResNet8
    and smaller networks)."""


class OracleSettings(BaseModel):
    """How weights are trained and accuracy is measured."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    engine: EngineName = "fast"
    """What simulates analog matrices."""
    rpu_config: str | dict[str, str] | None = None
    """RPU configuration of the analog targets, or a table with one for some of them; those of the system
    by default. It is the name of a built-in configuration, or `package.module:factory` with a factory
    that returns a `TorchInferenceRPUConfig`."""
    times_s: tuple[NonNegativeFloat, ...] = Field(
        default=(1.0, 60.0, 3600.0, 86400.0), min_length=1, strict=False
    )
    """Times since programming at which accuracy is measured (LionHeart section IV-B4)."""
    batch_size: PositiveInt = 64
    """Examples in one pass of an evaluation. On the engine `aihwkit`, another batch size draws other
    converter noise."""
    validation_examples: PositiveInt | None = None
    """Number of examples of the validation set to use; None uses all."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; `auto` uses CUDA if it is available."""
    verify_on: EngineName | None = None
    """Engine on which final results are measured again."""
    pretrain: PretrainRecipe | None = PretrainRecipe()
    """How the floating-point network is trained; None uses the network as it is given."""
    hat: HatRecipe = HatRecipe()
    """How a mapping is trained."""
