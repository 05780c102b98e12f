"""Padding of feature maps: of a batch at once, or of one image after another while a kernel works.

A batch that is padded at once is written to and read back from memory far from the processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit

from lionheart_opt.oracle.fast.inputs import copy_from
from lionheart_opt.oracle.fast.panel import ROWS
from lionheart_opt.oracle.fast.structures import Frame, Layout
from lionheart_opt.oracle.window import Window


def padded(x: torch.Tensor, window: Window) -> torch.Tensor:
    """Padded feature maps, channels last.

    Without a gradient only the edges are filled with zeros; torch fills everything, then copies.
    """
    left, _, top, _ = window.padding
    if not any(window.padding) or x.requires_grad:
        return window.pad(x.contiguous(memory_format=torch.channels_last))
    n, channels, height, width = x.shape
    shape = n, channels, *window.padded_size(height, width)
    made = torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)
    made[:, :, top : top + height, left : left + width] = x
    rows = made.permute(0, 2, 3, 1).numpy()  # torch takes longer for small edges
    rows[:, :top] = rows[:, top + height :] = 0
    rows[:, top : top + height, :left] = rows[:, top : top + height, left + width :] = 0
    return made


def frame(window: Window, height: int, width: int) -> Frame:
    """Where an image of a size lies in the same image with its padding."""
    left, _, top, _ = window.padding
    row = window.padded_size(height, width)[1] * window.channels
    return Frame(top * row + left * window.channels, row, height, width * window.channels)


def room(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Memory for the images that a block of rows may need, and which images are in it: none.

    Returns:
        Images with their padding, and numbers of images; both are empty if inputs are padded already.
    """
    n = (ROWS - 1) // len(layout.starts) + 2 if layout.frame.height else 0
    return np.zeros(n * layout.image_size, np.float32), np.full(n, -1, np.int64)


@njit(error_model="numpy", forceinline=True)
def enter(layout: Any, x: Any, n: Any, begins: Any, images: Any, entered: Any) -> None:
    """Copy the images of n rows to `images`, unless they are there, and let `begins` point to them.

    Args:
        layout: The `Layout`.
        x: Images without padding.
        n: Number of rows.
        begins: Index of each row's first input, as if all images were padded.
        images: Room for some images with their padding.
        entered: Which images are in it.
    """
    frame, size = layout.frame, layout.image_size
    for image in range(begins[0] // size, begins[n - 1] // size + 1):
        place = image % len(entered)
        if entered[place] != image:
            entered[place] = image
            source = image * frame.height * frame.width
            to = place * size + frame.first
            for _ in range(frame.height):
                copy_from(x, source, frame.width, images, to)
                source += frame.width
                to += frame.stride
    for i in range(n):
        begins[i] %= len(images)
