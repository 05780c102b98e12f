"""Built-in RPU configurations, with their sources."""

from __future__ import annotations

from aihwkit.inference import (
    BaseNoiseModel,
    GlobalDriftCompensation,
    PCMLikeNoiseModel,
    ReRamCMONoiseModel,
    ReRamWan2022NoiseModel,
)
from aihwkit.inference.noise.hermes import HermesNoiseModel
from aihwkit.simulator.configs import TorchInferenceRPUConfig
from aihwkit.simulator.parameters.enums import WeightClipType, WeightModifierType, WeightRemapType

from lionheart_opt.oracle.ternary import TernaryCells, TernaryTile


def lionheart() -> TorchInferenceRPUConfig:
    """LionHeart's configuration: 256x256 PCM tiles, 8-bit converters, global drift compensation.

    C. Lammie et al., "LionHeart", IEEE TETC 2025, section IV-B3 (tile size, digital bias, column-wise
    scaling, weights re-mapped after every mini-batch, multiplicative weight noise of 0.08, PCM-like
    noise model). Settings that the paper does not state are those of IBM/lionheart v0.1.0: g_max of
    25 uS, clipping at 1, output noise of 0.06, converters of 8 bit, learned output scales, drift
    compensation.
    """
    config = TorchInferenceRPUConfig()
    config.mapping.digital_bias = True
    config.mapping.weight_scaling_omega = 1.0
    config.mapping.weight_scaling_columnwise = True
    config.mapping.learn_out_scaling = True
    config.mapping.out_scaling_columnwise = True
    config.mapping.max_input_size = 256
    config.mapping.max_output_size = 256
    config.forward.inp_res = 1 / (2**8 - 2)
    config.forward.out_res = 1 / (2**8 - 2)
    config.forward.out_noise = 0.06
    config.modifier.type = WeightModifierType.MULT_NORMAL
    config.modifier.std_dev = 0.08
    config.modifier.rel_to_actual_wmax = True
    config.clip.type = WeightClipType.FIXED_VALUE
    config.clip.fixed_value = 1.0
    config.remap.type = WeightRemapType.CHANNELWISE_SYMMETRIC
    config.noise_model = PCMLikeNoiseModel(g_max=25.0)
    config.drift_compensation = GlobalDriftCompensation()
    return config


def alpine() -> TorchInferenceRPUConfig:
    """ALPINE's tiles: those of `lionheart`, each as large as the matrix that it holds.

    J. Klein et al., "ALPINE", IEEE TC 2023: PCM, signed converters of 8 bit (section V-A), tiles sized
    to their layers. Its own functional model has no noise; the PCM's is that of LionHeart, which
    simulates the same system.
    """
    config = lionheart()
    config.mapping.max_input_size = 0
    config.mapping.max_output_size = 0
    return config


def pcm() -> TorchInferenceRPUConfig:
    """PCM-like noise model of aihwkit on 256x256 tiles with its standard converters.

    Nandakumar et al., ICECS 2019 (noise model, g_max of 25 uS); M. Rasch et al., arXiv 2302.08469
    (converters: 8 bit, outputs clip at 10, output noise of 0.04). Trained as `lionheart`.
    """
    return _standard(PCMLikeNoiseModel(g_max=25.0))


def hermes() -> TorchInferenceRPUConfig:
    """Model of the HERMES chips in aihwkit: 256x256 tiles, weights of two PCM pairs.

    M. Le Gallo et al., Nature Electronics 2023 (noise model, input of 8 bit); R. Khaddam-Aljameh et
    al., JSSC 2022, section IV-A (ADC of about 420 levels). Other converter settings are those of `pcm`.
    """
    config = _standard(HermesNoiseModel(num_devices=2))
    config.forward.out_res = 1 / 420
    return config


def reram_wan2022() -> TorchInferenceRPUConfig:
    """ReRAM of Wan et al., Nature 2022, as aihwkit models it: at 1 s, 1 day and 2 days only.

    Converters and training are those of `pcm`; there is no drift to compensate.
    """
    config = _standard(ReRamWan2022NoiseModel())
    config.drift_compensation = None
    return config


def reram_cmo() -> TorchInferenceRPUConfig:
    """ReRAM with a conductive metal oxide of Falcone et al., as aihwkit models it.

    Converters, drift compensation and training are those of `pcm`.
    """
    return _standard(ReRamCMONoiseModel())


def diana() -> TorchInferenceRPUConfig:
    """DIANA's macro: 1152x512 SRAM cells of three states, trained with them.

    K. Ueyoshi et al., ISSCC 2022 15.6: inputs of 7 bit, weights of 1.5 bit, outputs of 6 bit. Weights
    are -s, 0 or s with s for each column (`ternary_weights`); they are programmed exactly and do not
    drift. The full scale of the ADC is not published; it is the 12 of aihwkit's defaults, in units of
    the largest input and weight. Inputs that overflow it are scaled down and read again.
    """
    config = lionheart()
    config.mapping.max_input_size = 1152
    config.mapping.max_output_size = 512
    config.forward.inp_res = 1 / (2**7 - 2)
    config.forward.out_res = 1 / (2**6 - 2)
    config.forward.out_noise = 0.0
    config.modifier.type = WeightModifierType.NONE
    config.simulator_tile_class = TernaryTile
    config.noise_model = TernaryCells()
    config.drift_compensation = None
    return config


def _standard(noise_model: BaseNoiseModel) -> TorchInferenceRPUConfig:
    config = lionheart()
    config.forward.out_bound = 10.0
    config.forward.out_noise = 0.04
    config.noise_model = noise_model
    return config


BUILT_IN = {
    "lionheart": lionheart,
    "alpine": alpine,
    "pcm": pcm,
    "hermes": hermes,
    "reram-wan2022": reram_wan2022,
    "reram-cmo": reram_cmo,
    "diana": diana,
}
