"""Segmentation: a small U-Net finds squares in noisy pictures. The limit is of the mean IoU."""

import torch
from torch.nn import Conv2d, ConvTranspose2d, ModuleList

import lionheart_opt as lo


class UNet(ModuleList):  # noqa: D101
    def forward(self, images):  # noqa: D102
        high = self[0](images).relu()
        return self[3](torch.cat([high, self[2](self[1](high).relu()).relu()], dim=1))


torch.manual_seed(0)
down, up = [Conv2d(1, 64, 3, 1, 1), Conv2d(64, 128, 3, 2, 1)], ConvTranspose2d(128, 64, 2, 2)
x, y, size = torch.rand(3, 400, 1, 1) * 10 + 3
far = torch.maximum((torch.arange(16.0) - x).abs(), (torch.arange(16.0)[:, None] - y).abs())
classes = (far < size / 2) * (1 + (size > 8).long())  # nothing, a small square, a large one
images = classes[:, None] + 0.5 * torch.randn(400, 1, 16, 16)
data = {"train": (images[:300], classes[:300]), "test": (images[300:], classes[300:])}
recipe = {"learning_rate": 0.1, "batch_size": 25, "epochs": 6}
oracle, unet = {"pretrain": recipe, "hat": recipe}, UNet([*down, up, Conv2d(128, 3, 1)])
options = {"task": "segmentation", "max_drop": 0.02, "training": "none", "draws": (5,)}
print(lo.search(lo.problem(unet, data, oracle=oracle, **options), "exhaustive"))
