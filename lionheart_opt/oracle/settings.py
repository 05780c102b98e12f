"""Settings of training and measuring in a study file; defaults are LionHeart's. Imports no torch."""

from __future__ import annotations

from math import floor, isclose
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

EngineName = Literal["aihwkit", "fast"]
CompensationName = Literal["none", "columns", "batch_norm"]
Estimator = Literal["least_squares", "deviations", "errors_in_variables"]


class ParameterRecipe(BaseModel):
    """Settings of some of the parameters; those of the recipe where it does not say."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    learning_rate: PositiveFloat | None = None
    """Learning rate at the start."""
    momentum: float | None = Field(default=None, ge=0.0, lt=1.0)
    weight_decay: NonNegativeFloat | None = None


class Recipe(BaseModel):
    """Gradient descent on the cross entropy.

    Training ends when the mean loss of an epoch has not decreased for `patience` epochs in a row
    (LionHeart sections III and IV-B2), at the latest after `epochs`. If it ends early, it goes on from
    the best epoch for `annealing_epochs`, in which the learning rate falls to zero. The weights of the
    epoch with the smallest training loss are kept. Validation data are not used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    learning_rate: PositiveFloat
    """Learning rate at the start, or after the warm-up."""
    momentum: float = Field(ge=0.0, lt=1.0)
    """For the optimisers `SGD` and `RMSprop`."""
    weight_decay: NonNegativeFloat = 0.0
    optimizer: str = "SGD"
    """Name of a class in `torch.optim`: `SGD`, `Adam`, `AdamW`, ..."""
    optimizer_arguments: dict[str, bool | int | float | list[float]] = Field(default_factory=dict)
    """Its further arguments, such as `betas` or `nesterov`."""
    digital: ParameterRecipe | None = None
    """Settings of the parameters that are not on tiles, as in LionHeart's code; None has the same."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls to zero, or that it does not."""
    warm_up: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the training in which the learning rate grows linearly from zero."""
    clip_norm: PositiveFloat | None = None
    """Largest norm of the gradients of all parameters together; larger ones are scaled down."""
    batch_norm: Literal["trained", "frozen"] = "trained"
    """`frozen` keeps the statistics of batch norm as they are at the start, and normalises with them."""
    batch_size: PositiveInt = 256
    epochs: PositiveInt = 50
    """Largest number of epochs, which the schedule is about (T_max of the cosine)."""
    steps: PositiveInt | None = None
    """Number of batches in an epoch, each epoch with other examples (`num_steps` of LionHeart's code);
    None uses all training data in every epoch."""
    patience: PositiveInt = 5
    """Number of epochs without a smaller training loss after which training ends."""
    annealing_epochs: NonNegativeInt = 1
    """Epochs in which the learning rate falls to zero, where training ends early."""
    augmentation: Literal["none", "crop_flip"] = "none"
    """`crop_flip` shifts images by up to an eighth of their side and mirrors half of them."""


class PretrainRecipe(Recipe):
    """How the floating-point network is trained (LionHeart Table II, digital set for CIFAR)."""

    learning_rate: PositiveFloat = 0.057
    """Learning rate at the start."""
    momentum: float = Field(default=0.867, ge=0.0, lt=1.0)
    seed: int = Field(default=0, ge=0)
    """Seed of the initial weights, the order of examples and the augmentation."""


class InputRangeCalibration(BaseModel):
    """How input ranges are calibrated before a training (`[oracle.hat.input_ranges]`).

    It is `calibrate_input_ranges` of aihwkit, on training examples, for tiles whose RPU configuration
    learns input ranges or initialises them from data.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    calibration: Literal["moving_std", "moving_quantile", "cache_quantile", "max"]
    """What a range is: `moving_std`, a multiple of the inputs' standard deviation, mean over batches;
    `moving_quantile`, a quantile of the inputs, mean over batches; `cache_quantile`, a quantile of a
    random sample of the input vectors of all batches; `max`, the largest magnitude."""
    examples: PositiveInt = 512
    """Number of training examples, at most; they pass in batches of the recipe's size."""
    quantile: float = Field(default=0.99995, gt=0.0, le=1.0)
    """The quantile of `moving_quantile` and `cache_quantile`."""
    max_samples: PositiveInt = 1000
    """Largest number of input vectors of each tile that `cache_quantile` keeps."""
    std_alpha: PositiveFloat | None = None
    """The multiple of `moving_std`; None is the `init_std_alpha` of the RPU configuration."""

    @model_validator(mode="after")
    def _all_is_used(self) -> InputRangeCalibration:
        users = {
            "quantile": ("moving_quantile", "cache_quantile"),
            "max_samples": ("cache_quantile",),
            "std_alpha": ("moving_std",),
        }
        for name, kinds in users.items():
            if name in self.model_fields_set and self.calibration not in kinds:
                raise ValueError(f"{name}: it needs calibration = {' or '.join(map(repr, kinds))}")
        return self


class FromShared(BaseModel):
    """How a mapping is trained on from weights that all mappings share (`[oracle.hat.from_shared]`).

    It is trained as the recipe says, with batches that the shared training has not seen, but for what
    is said here. That may end below the shared weights, so it is tested: both are measured on the same
    chips and validation examples, and what is not shown to be better is not used. Chips of a study that
    calibrates them are calibrated at the time of the test.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    rate: float = Field(default=0.1, gt=0.0, le=1.0)
    """Its learning rates, relative to those of the recipe."""
    batch_norm: Literal["trained", "frozen"] = "frozen"
    """Replaces `batch_norm` of the recipe."""
    keep: Literal["better", "always"] = "better"
    """`better` uses the new weights only where the test shows that they are better; `always` does not
    test."""
    draws: int = Field(default=10, ge=2)
    """Number of chips of the test. A search judges mappings by others."""
    time_s: NonNegativeFloat | None = None
    """Time since programming of the test; None is the latest of the oracle's `times_s`."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    """Confidence of the test, over chips and examples."""

    @model_validator(mode="after")
    def _test_is_done(self) -> FromShared:
        unused = [n for n in ("draws", "time_s", "confidence") if n in self.model_fields_set]
        if self.keep == "always" and unused:
            raise ValueError(f"{unused[0]}: it needs keep = 'better', which tests")
        return self


class HatRecipe(Recipe):
    """Hardware-aware training (HAT) of a mapping (LionHeart Table II, analog set for CIFAR)."""

    learning_rate: PositiveFloat = 0.024
    """Learning rate at the start."""
    momentum: float = Field(default=0.775, ge=0.0, lt=1.0)
    short_epochs: PositiveInt = 2
    """Replaces `epochs` in training level `short`."""
    one_shot_epochs: PositiveInt = 10
    """Replaces `epochs` in training level `one_shot`."""
    one_shot_sampling: Literal["random", "sandwich"] = "random"
    """Mappings of a step of one-shot training. `random`: one. `sandwich`: all-digital, all-analog and two
    random ones, whose gradients are averaged, so that a step takes four times as long (Yu and Huang,
    "Universally Slimmable Networks", ICCV 2019). In the same time, `random` lost less where it was
    measured (`benchmarks/one_shot_rank.py --ways 3`)."""
    one_shot_distillation: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the loss of one-shot training that is the cross entropy with the classes' probabilities of
    the floating-point network instead of the labels."""
    one_shot_norm_batches: NonNegativeInt = 0
    """Number of batches on which each mapping estimates its own batch-norm statistics for one-shot
    weights. 0 uses the shared statistics, which were as good where it was measured (CIFAR-10, ResNet8
    and smaller networks)."""
    input_ranges: InputRangeCalibration | None = None
    """How input ranges of tiles are calibrated before a training; None leaves them to the training."""
    from_shared: FromShared = FromShared()
    """How a mapping is trained on from one-shot weights."""


class Calibration(BaseModel):
    """How a programmed chip is calibrated (`[oracle.calibration]`); see `OracleSettings.compensation`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    examples: int = Field(default=128, ge=2)
    """Number of training examples, drawn anew for each chip. They pass through the chip together."""
    recalibrate_every_s: PositiveFloat | None = None
    """Seconds between two calibrations, of which the first is right after programming. At each time, the
    last one before is in force. None calibrates at each of `times_s`."""
    read_noise: Literal["same", "anew"] = "same"
    """Read noise of devices while a calibration is done that is then measured at the same time. `same`:
    that of the measurement, which is right for noise that is slow, and is calibrated away, too. `anew`:
    another draw, which is right for noise that is fast. PCM has 1/f noise, which is between the two, and
    half of what calibration buys may depend on it. On a schedule, times between two calibrations have
    other read noise than they anyway."""
    fit_to: Literal["network", "tile"] = "network"
    """What columns are fitted to: `network`, the outputs of the network without tiles (in what the host
    computes in), which also makes up for errors of the layers before; `tile`, products of the chip's own
    inputs with the trained weights."""
    estimator: Estimator = "least_squares"
    """How the gain of a column is estimated from its outputs y and what they are fitted to, t.
    `least_squares`: cov(y, t) / var(y), the smallest squared error; noise of y makes it smaller.
    `deviations`: std(t) / std(y). `errors_in_variables`: cov(y, t) / (var(y) - variance of read noise),
    with the noise from several `reads` of each vector."""
    reads: PositiveInt = 1
    """How often each vector is read. Columns are fitted to the mean."""
    bits: int = Field(default=8, ge=2, le=24)
    """Bits of gains and offsets, sign included. Those of a matrix share one scale each."""

    @model_validator(mode="after")
    def _noise_is_known(self) -> Calibration:
        if self.estimator == "errors_in_variables" and self.reads < 2:
            raise ValueError(
                f"reads: got {self.reads}; errors_in_variables needs at least 2, for the read noise"
            )
        return self

    def moment_s(self, time_s: float) -> float:
        """Time since programming of the calibration that is in force at a time."""
        every_s = self.recalibrate_every_s
        if every_s is None:
            return time_s
        last_s = floor(time_s / every_s * (1 + 1e-12)) * every_s  # 0.3 / 0.1 is less than 3
        return time_s if isclose(last_s, time_s) else last_s


#: Settings that do not concern batch norm.
_OF_COLUMNS = ("fit_to", "estimator", "reads", "bits")


class Stuck(BaseModel):
    """Shares of the devices of analog tiles that are stuck (`[oracle.stuck]`): their yield."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    at_g_min: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the devices that are stuck at the smallest conductance."""
    at_g_max: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the devices that are stuck at the largest conductance."""

    @model_validator(mode="after")
    def _some_are_stuck(self) -> Stuck:
        share = self.at_g_min + self.at_g_max
        if not 0.0 < share <= 1.0:
            raise ValueError(f"at_g_min + at_g_max: got {share:g}; must be above 0, and 1 at most")
        return self


def _none_for_false(value: Any) -> Any:
    """TOML has no None."""
    return None if value is False else value


class OracleSettings(BaseModel):
    """How weights are trained and accuracy is measured."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    engine: EngineName = "fast"
    """What simulates analog matrices."""
    rpu_config: str | dict[str, str] | None = None
    """RPU configuration of the analog targets, or a table with one for some of them; those of the system
    by default. It is the name of a built-in configuration, or `package.module:factory` with a factory
    that returns a `TorchInferenceRPUConfig`."""
    stuck: Stuck | None = None
    """Devices of all analog tiles that are stuck, other ones in every programming; None has those of the
    RPU configurations, which are none in the built-in ones."""
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
    threads: PositiveInt = 1
    """Threads that every process computes with. Another number changes the last digits and, near a
    limit, which mappings win. To use all cores, evaluate in several processes (`--workers`)."""
    verify_on: EngineName | None = None
    """Engine on which final results are measured again."""
    compensation: CompensationName = "none"
    """What is done for a chip after programming and drift, beyond the drift compensation of the RPU
    configuration. `none`: nothing, as LionHeart. `columns`: gain and offset of each output of an analog
    matrix are fitted on a few training examples, one layer after the other. `batch_norm`: the statistics
    of batch norm change as the chip's activations differ from the floating-point network's."""
    calibration: Calibration = Calibration()
    """How the chip is calibrated for `compensation`."""
    pretrain: Annotated[PretrainRecipe | None, BeforeValidator(_none_for_false)] = PretrainRecipe()
    """How the floating-point network is trained; `false` uses the network as it is given."""
    hat: HatRecipe = HatRecipe()
    """How a mapping is trained."""

    @model_validator(mode="after")
    def _calibration_is_used(self) -> OracleSettings:
        given = self.calibration.model_fields_set
        if self.compensation == "none" and given:
            raise ValueError("calibration: it needs compensation = 'columns' or 'batch_norm'")
        unused = [name for name in _OF_COLUMNS if name in given]
        if self.compensation == "batch_norm" and unused:
            raise ValueError(f"calibration.{unused[0]}: it needs compensation = 'columns'")
        return self

    @property
    def calibration_moments_s(self) -> tuple[float, ...]:
        """Times since programming of the calibrations that are in force at `times_s`."""
        if self.compensation == "none":
            return ()
        return tuple(dict.fromkeys(map(self.calibration.moment_s, self.times_s)))

    @property
    def test_time_s(self) -> float:
        """Time since programming at which weights are compared that have been trained on."""
        time_s = self.hat.from_shared.time_s
        return max(self.times_s) if time_s is None else time_s

    def at_times(self, times_s: tuple[float, ...]) -> OracleSettings:
        """The same settings, and the same weights, for measuring at other times.

        Final results are not measured again on another engine.
        """
        from_shared = self.hat.from_shared
        if from_shared.keep == "better":
            from_shared = from_shared.model_copy(update={"time_s": self.test_time_s})
        hat = self.hat.model_copy(update={"from_shared": from_shared})
        return self.model_copy(update={"times_s": times_s, "verify_on": None, "hat": hat})

    def recalibrated_every(self, interval_s: float) -> OracleSettings | None:
        """The same settings, with another interval between calibrations; None if there are none."""
        if self.compensation == "none":
            return None
        changes = {"recalibrate_every_s": interval_s}
        calibration = self.calibration.model_copy(update=changes)
        return self.model_copy(update={"calibration": calibration})
