"""Packing of matrices onto crossbars, against the reference and against counts of cells."""

from __future__ import annotations

import numpy as np
import pytest

from lionheart_opt.cost_models.parts.packing import crossbars, cut, pack
from lionheart_opt.cost_models.validation import imc_cluster as paper
from lionheart_opt.workload import Workload

ARRAY = (256, 256)


@pytest.fixture(scope="module")
def workload() -> Workload:
    return paper.mobilenet_v2()


class TestPacking:
    def test_mobilenet_as_the_reference_packs_it(self, workload: Workload) -> None:
        matrices = [(layer.mvm.rows, layer.mvm.columns) for layer in workload.layers if layer.mvm]
        tiles = tuple(tile for matrix in matrices for tile in cut(*matrix, ARRAY))
        assert len(tiles) == 87
        assert sum(rows * columns for rows, columns in tiles) == 2_126_560
        shares = sorted(pack(tiles, ARRAY))
        assert shares[0] == pytest.approx(0.146, abs=5e-4)
        assert shares[1] >= 0.844 - 5e-4
        assert sum(shares) * 256 * 256 == pytest.approx(2_126_560)

    @pytest.mark.parametrize(
        ("matrices", "expected"),
        [
            ([], 0),
            ([(1, 1)], 1),
            ([(256, 256)], 1),
            ([(257, 256)], 2),
            ([(512, 513)], 5),  # four full arrays; two columns of 256 rows share one
            ([(128, 256), (128, 256)], 1),
            ([(128, 256), (256, 128)], 2),
            ([(256, 128), (256, 128), (1, 1)], 2),
        ],
    )
    def test_counts(self, matrices: list[tuple[int, int]], expected: int) -> None:
        assert crossbars(matrices, ARRAY) == expected

    def test_arrays_that_are_not_square(self) -> None:
        """Inputs are rows: a matrix is cut at the array's rows and columns."""
        array = (256, 64)
        parts = [(256, 64), (256, 36), (44, 64), (44, 36)]
        assert sorted(cut(300, 100, array)) == sorted(parts)
        assert sorted(pack(((256, 64), (128, 64), (64, 32)), array)) == [0.625, 1.0]
        assert crossbars([(64, 256)], array) == 1, "four parts below each other"
        assert crossbars([(256, 64)] * 2, array) == 2

    def test_never_less_than_the_cells_need(self) -> None:
        rng = np.random.default_rng(0)
        for _ in range(20):
            matrices = [tuple(map(int, matrix)) for matrix in rng.integers(1, 600, size=(8, 2))]
            cells = sum(rows * columns for rows, columns in matrices)
            shares = pack(tuple(tile for matrix in matrices for tile in cut(*matrix, ARRAY)), ARRAY)
            assert sum(shares) == pytest.approx(cells / 256**2)
            assert max(shares) <= 1
