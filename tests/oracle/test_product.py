"""A product in floating point, in parts and with its bias."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from lionheart_opt.oracle.product import Product
from lionheart_opt.oracle.window import Window

torch.manual_seed(0)


@pytest.mark.parametrize("groups", [1, 2])
def test_parts_of_a_convolution_are_parts_of_torchs(groups: int) -> None:
    weight, bias, x = torch.randn(6, 4 // groups, 3, 2), torch.randn(6), torch.randn(2, 4, 7, 6)
    settings = {"stride": 2, "padding": 1, "dilation": (1, 2)}
    window = Window.of((6, 4, 3, 2), **settings)
    product = Product(x, weight, bias, window, groups=groups)
    expected = F.conv2d(x, weight, bias, groups=groups, **settings)  # type: ignore[arg-type]
    parts = [product.plain(slice(0, 2)), product.plain(slice(2, None))]
    torch.testing.assert_close(product.with_bias(torch.cat(parts, 1)), expected)


def test_parts_of_a_product_of_vectors() -> None:
    weight, bias, x = torch.randn(6, 2, 2), torch.randn(6), torch.randn(3, 5, 4)
    product = Product(x, weight, bias)
    parts = [product.plain(slice(0, 2)), product.plain(slice(2, None))]
    expected = F.linear(x, weight.flatten(1), bias)
    torch.testing.assert_close(product.with_bias(torch.cat(parts, -1)), expected)
    y = torch.randn(3)
    assert Product(x, weight).with_bias(y) is y and product.finish(y) is y
