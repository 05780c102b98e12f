"""The published ResNet-20 for CIFAR-10 and some of its images, where they are on this machine.

They lie in a folder `shared/data` beside the repository or above it: `resnet20-cifar10`, a state dict of
github.com/akamaster/pytorch_resnet_cifar10, and `cifar10-lossless`, the images as PNG by class.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lionheart_opt import models
from lionheart_opt.datasets.splits import Examples

MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]


def folder() -> Path:
    """The folder of the data; the test is skipped where it is absent."""
    for parent in Path(__file__).resolve().parents:
        data = parent / "shared" / "data"
        if all((data / name).is_dir() for name in ("resnet20-cifar10", "cifar10-lossless")):
            return data
    pytest.skip(
        "no folder shared/data with resnet20-cifar10 and cifar10-lossless beside the project"
    )


def network() -> nn.Module:
    """The network, with the names of its modules translated to ours."""
    [file] = (folder() / "resnet20-cifar10").glob("*.th")
    state = torch.load(file, map_location="cpu", weights_only=True)["state_dict"]
    made = models.build("resnet20")
    weights = {
        name.removeprefix("module.").replace("linear.", "fc."): tensor
        for name, tensor in state.items()
    }
    missing, unknown = made.load_state_dict(weights, strict=False)
    assert not unknown and all(name.endswith("num_batches_tracked") for name in missing)
    return made.eval()


def examples(part: str, n: int, seed: int = 0) -> Examples:
    """Images drawn at random from a part, `train` or `test`, as many from every class."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    images, labels = [], []
    with zipfile.ZipFile(folder() / "cifar10-lossless" / f"{part}.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        classes = sorted({name.split("/")[0] for name in names})
        for label, kind in enumerate(classes):
            members = [name for name in names if name.startswith(f"{kind}/")]
            for name in rng.choice(members, n // len(classes), replace=False):
                pixels = np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB"))
                images.append((pixels.transpose(2, 0, 1) / np.float32(255) - MEAN) / DEVIATION)
                labels.append(label)
    order = rng.permutation(len(labels))
    return Examples(
        inputs=torch.from_numpy(np.stack(images)[order]), targets=torch.tensor(labels)[order]
    )
