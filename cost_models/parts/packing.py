"""Packing of matrices onto crossbars: cut what exceeds an array, then pack rectangles (TILE&PACK).

Garofalo et al. 2022 (JETCAS 12(2)), Algorithm 1: a matrix is cut only where it exceeds the array. The
rectangles go into bins by best fit (MaxRects, best short side), with the library rectpack.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import lru_cache
from math import prod
from typing import TypeVar

import rectpack

#: Rows and columns of a rectangle of cells.
Tile = tuple[int, int]
Key = TypeVar("Key", bound=Hashable)


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


def own_crossbars(matrices: dict[Key, Tile], array: Tile) -> tuple[dict[Key, int], int]:
    """What the arrays hold onto which all matrices are packed together.

    Args:
        matrices: Key -> rows and columns of a matrix.
        array: Rows and columns of an array.

    Returns:
        Key -> arrays that hold that matrix and nothing else, and the number of all other arrays.
    """
    parts = [(key, tile) for key, matrix in matrices.items() for tile in cut(*matrix, array)]
    own, shared = dict.fromkeys(matrices, 0), 0
    for numbers in _packed(tuple(tile for _, tile in parts), array):
        keys = {parts[number][0] for number in numbers}
        if len(keys) == 1:
            own[keys.pop()] += 1
        else:
            shared += 1
    return own, shared


def pack(tiles: tuple[Tile, ...], array: Tile) -> tuple[float, ...]:
    """Pack tiles into arrays; returns the share of cells in use of each array.

    Tiles are not rotated (inputs stay rows), and the largest come first, which reproduces the 34 arrays
    that the paper reports for MobileNetV2. Tiles as large as the array need no packing.
    """
    cells = prod(array)
    return tuple(
        sum(prod(tiles[number]) for number in numbers) / cells for numbers in _packed(tiles, array)
    )


@lru_cache(maxsize=4096)
def _packed(tiles: tuple[Tile, ...], array: Tile) -> tuple[tuple[int, ...], ...]:
    """Numbers of the tiles in each array."""
    packer = rectpack.newPacker(
        bin_algo=rectpack.PackingBin.BBF,
        pack_algo=rectpack.MaxRectsBssf,
        sort_algo=rectpack.SORT_AREA,
        rotation=False,
    )
    whole = [number for number, tile in enumerate(tiles) if tile == array]
    parts = [number for number, tile in enumerate(tiles) if tile != array]
    for number in parts:
        height, width = tiles[number]
        packer.add_rect(width, height, rid=number)
    packer.add_bin(array[1], array[0], count=max(1, len(parts)))
    packer.pack()
    shared = (tuple(rect.rid for rect in packed) for packed in packer)
    return (*((number,) for number in whole), *shared)
