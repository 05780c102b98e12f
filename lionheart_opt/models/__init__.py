"""The network zoo: names, factories and inputs. Importing it loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lionheart_opt import plugins
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.oracle_context import ModelTable
from lionheart_opt.pretrained import library

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """A network of the zoo.

    Args:
        name: Its name in study files and on the command line.
        factory: `package.module:function`; its arguments are those of the network.
        input_shape: (channels, height, width) or (features,), without the batch.
        description: One line.
        source: Where its shape comes from.
    """

    name: str
    factory: str
    input_shape: tuple[int, ...]
    description: str
    source: str


def _info(
    name: str, module: str, input_shape: tuple[int, ...], description: str, source: str
) -> ModelInfo:
    return ModelInfo(
        name=name,
        factory=f"lionheart_opt.models.{module}:{name}",
        input_shape=input_shape,
        description=description,
        source=source,
    )


_SANDLER = "Sandler et al., CVPR 2018, Table 2"
_TABLE_I = "Lammie et al., IEEE TETC 2025, Table I"
_CHATFIELD = "Klein et al., IEEE TC 2023, section IX (after Chatfield et al., BMVC 2014)"
_ZOO = (
    _info("digits_cnn", "digits", (1, 8, 8), "small residual network for 8x8 digits", "this project"),
    _info("resnet8", "resnet", (3, 32, 32), "ResNet8, 1x1 shortcuts, for CIFAR", _TABLE_I),
    _info("resnet20", "resnet", (3, 32, 32), "ResNet20, shortcuts without weights, for CIFAR", _TABLE_I),
    _info("resnet18", "resnet", (3, 256, 256), "ResNet-18 for ImageNet", "He et al., CVPR 2016, Table 1"),
    _info("mobilenet", "mobilenet", (3, 32, 32), "MobileNet V1 shape for CIFAR", _TABLE_I),
    _info("mobilenet_v2", "mobilenet_v2", (3, 224, 224), "MobileNetV2 for ImageNet", _SANDLER),
    _info("vgg16", "vgg", (3, 32, 32), "VGG-16 with one linear layer, for CIFAR", _TABLE_I),
    _info("alexnet", "alexnet", (3, 32, 32), "AlexNet of 3x3 convolutions for CIFAR", _TABLE_I),
    _info("cnn_f", "chatfield", (3, 224, 224), "CNN-F as ALPINE runs it", _CHATFIELD),
    _info("cnn_m", "chatfield", (3, 224, 224), "CNN-M as ALPINE runs it", _CHATFIELD),
    _info("cnn_s", "chatfield", (3, 224, 224), "CNN-S as ALPINE runs it", _CHATFIELD),
    _info("mlp", "mlp", (1024,), "two dense layers of 1024", "Klein et al., IEEE TC 2023, section VII"),
)  # fmt: skip


#: Ends of names of files that hold weights.
_FILES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")


def available() -> dict[str, ModelInfo]:
    """Name -> description of each network of the zoo."""
    return {info.name: info for info in _ZOO}


def build_table(
    table: ModelTable, folder: Path, seed: int = 0, *, is_whole: bool = False
) -> nn.Module:
    """The network that a study names, as `plain_network` makes it.

    Args:
        table: The `[model]` of the study.
        folder: What relative file names are relative to.
        seed: Seed of the weights that are random.
        is_whole: Whether a network of Hugging Face must have all of its weights.

    Raises:
        InputError: There is no such network or argument.
    """
    if not table.is_pretrained:
        return build_seeded(table.name, table.arguments, seed)
    library(f"model {table.name!r}")
    import torch

    from lionheart_opt.models.hugging_face import load_network
    from lionheart_opt.models.plain import plain_network

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return plain_network(load_network(table, folder, is_whole=is_whole))


def build_seeded(name: str, arguments: dict[str, Any], seed: int = 0) -> nn.Module:
    """The network, with the random weights of a seed; see `build`.

    Where the data flow of a network depends on its weights, it is then the same every time.

    Args:
        name: As for `build`.
        arguments: Keyword arguments of the factory.
        seed: Seed of torch's global generator while the network is built.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build(name, **arguments)


def build(name: str, **arguments: Any) -> nn.Module:
    """The network, with random weights, as `plain_network` makes it.

    Args:
        name: A name of `available()`, or `package.module:factory` for a function that returns a
            `torch.nn.Module`.
        arguments: Keyword arguments of the factory.

    Raises:
        InputError: There is no such network or argument, or the factory returns something else.
    """
    from torch import nn

    from lionheart_opt.models.memory import limited_memory
    from lionheart_opt.models.plain import plain_network

    where = f"model {name!r}"
    factory = plugins.attribute(name if ":" in name else _zoo(name).factory, "model")
    with limited_memory(where):
        if ":" in name:
            model = plugins.call(factory, arguments, where)
        else:
            model = _from_zoo(factory, arguments, where)
    if not isinstance(model, nn.Module):
        raise InputError(f"{where}: got a {type(model).__name__}; must be a torch.nn.Module")
    return plain_network(model)


def _from_zoo(factory: Any, arguments: dict[str, Any], where: str) -> Any:
    """A network of the zoo, whose factories check little: what they cannot build is bad input."""
    try:
        return plugins.call(factory, arguments, where)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{where}: cannot be built: {error}") from error


def input_shape(name: str) -> tuple[int, ...]:
    """Shape of the input of a network of the zoo, without the batch.

    Raises:
        InputError: There is no such network, or it is `package.module:factory`, whose input only its
            user knows.
    """
    if ":" in name:
        raise InputError(
            f"model {name!r}: its input shape is not known; give input_shape, or an example"
        )
    return _zoo(name).input_shape


def _zoo(name: str) -> ModelInfo:
    if name.lower().endswith(".onnx"):
        raise InputError(
            f"model {name!r}: ONNX files are not read; convert it in a function of your own, such as "
            f"`def network(): return onnx2torch.convert({name!r})` in mine.py, and name it: mine:network"
        )
    if name.lower().endswith(_FILES):
        raise InputError(
            f"model {name!r}: a file of weights is no network; name the network, and give the file as "
            "`weights` of [model]"
        )
    if name not in available():
        raise unknown("model", name, available())
    return available()[name]
