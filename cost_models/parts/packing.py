"""Matrices onto crossbars: cut what is larger than an array, then pack the rectangles (TILE&PACK).

Garofalo et al. 2022 (JETCAS 12(2)), Algorithm 1: a matrix is cut only where it exceeds the array; the
rectangles go into bins by best fit, MaxRects best short side, with the library rectpack.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import rectpack

#: Rows and columns of a rectangle of cells.
Tile = tuple[int, int]


def cut(rows: int, columns: int, array: Tile) -> list[Tile]:
    """Full tiles, remainder strips and the corner of a matrix on arrays of `array` cells."""
    return [
        (height, width) for height in _parts(rows, array[0]) for width in _parts(columns, array[1])
    ]


def _parts(length: int, limit: int) -> list[int]:
    whole, rest = divmod(length, limit)
    return [limit] * whole + [rest] * bool(rest)


def crossbars(matrices: Iterable[Tile], array: Tile) -> int:
    """How many arrays hold all matrices (rows, columns) at the same time."""
    return len(pack(tuple(tile for matrix in matrices for tile in cut(*matrix, array)), array))


@lru_cache(maxsize=4096)
def pack(tiles: tuple[Tile, ...], array: Tile) -> tuple[float, ...]:
    """Share of cells in use of each array that holds a part of the tiles.

    Without rotation (inputs stay rows) and largest area first, as reproduces the 34 arrays that the
    paper reports for MobileNetV2. A tile as large as the array fills one, so that only the others are
    packed.
    """
    packer = rectpack.newPacker(
        bin_algo=rectpack.PackingBin.BBF,
        pack_algo=rectpack.MaxRectsBssf,
        sort_algo=rectpack.SORT_AREA,
        rotation=False,
    )
    parts = [tile for tile in tiles if tile != array]
    for height, width in parts:
        packer.add_rect(width, height)
    packer.add_bin(array[1], array[0], count=max(1, len(parts)))
    packer.pack()
    cells = array[0] * array[1]
    shares = [sum(rect.width * rect.height for rect in one) / cells for one in packer]
    return (1.0,) * (len(tiles) - len(parts)) + tuple(shares)
