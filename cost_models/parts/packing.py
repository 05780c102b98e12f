"""Packing of matrices onto crossbars: cut what exceeds an array, then pack rectangles (TILE&PACK).

Garofalo et al. 2022 (JETCAS 12(2)), Algorithm 1: a matrix is cut only where it exceeds the array. The
rectangles go into bins by best fit (MaxRects, best short side), with the library rectpack.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import rectpack

#: Rows and columns of a rectangle of cells.
Tile = tuple[int, int]


def cut(rows: int, columns: int, array: Tile) -> list[Tile]:
    """Parts of a matrix on arrays of that size: full tiles, remainder strips and the corner."""
    return [
        (height, width) for height in _parts(rows, array[0]) for width in _parts(columns, array[1])
    ]


def _parts(length: int, limit: int) -> list[int]:
    whole, rest = divmod(length, limit)
    return [limit] * whole + [rest] * bool(rest)


def crossbars(matrices: Iterable[Tile], array: Tile) -> int:
    """Number of arrays that hold all matrices (rows, columns) at the same time."""
    return len(pack(tuple(tile for matrix in matrices for tile in cut(*matrix, array)), array))


@lru_cache(maxsize=4096)
def pack(tiles: tuple[Tile, ...], array: Tile) -> tuple[float, ...]:
    """Pack tiles into arrays; returns the share of cells in use of each array.

    Tiles are not rotated (inputs stay rows), and the largest come first, which reproduces the 34 arrays
    that the paper reports for MobileNetV2. Tiles as large as the array need no packing.
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
    shares = [sum(rect.width * rect.height for rect in packed) / cells for packed in packer]
    return (1.0,) * (len(tiles) - len(parts)) + tuple(shares)
