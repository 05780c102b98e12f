"""Trees of adders, layers split over clusters, and the clusters of a plan."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from lionheart_opt.cost_models.manycore import Manycore
from lionheart_opt.cost_models.parts.manycore_plan import (
    MachineParameters,
    Plan,
    Work,
    splits,
    trees,
)
from lionheart_opt.cost_models.parts.pipeline import Graph
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.plugins import load_system
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.workload import Layer

SYSTEM = load_system("manycore")


def machine(ports: int, choice: str = "chosen") -> MachineParameters:
    return Manycore(variant(SYSTEM, "machine", ports=ports, trees=choice)).machine


def layer(kind: str, shape: tuple[int, ...], **fields: int) -> Layer:
    template = convolutional_workload().layers[0]
    return replace(
        template,
        kind=kind,
        output_shape=shape,
        mvm=None,
        **{"macs": 0, "weight_count": 0, **fields},
    )


class TestTrees:
    def test_of_eighteen_tiles(self) -> None:
        """17 sums: 2 clusters with 9 and 8 of them, ..., 17 with one each."""
        chosen = [(tree.clusters, tree.sums) for tree in trees(18, machine(16))]
        assert chosen == [(2, 9), (3, 6), (4, 5), (5, 4), (6, 3), (9, 2), (17, 1)]
        [widest] = trees(18, machine(16, "widest"))
        assert (widest.clusters, widest.sums, widest.path_sums) == (2, 15, 17)
        [alone] = trees(1, machine(16))
        assert (alone.clusters, alone.sums, alone.path_sums) == (0, 0, 0)

    def test_wide_ports_allow_all_that_narrow_ones_do(self) -> None:
        for narrow, wide in pairwise(map(machine, (2, 3, 4, 8, 16, 32))):
            for row_tiles in range(1, 40):
                assert set(trees(row_tiles, narrow)) <= set(trees(row_tiles, wide))

    @pytest.mark.parametrize("ports", [2, 4, 16])
    def test_clusters_can_add_all_sums(self, ports: int) -> None:
        with_ports = machine(ports)
        for row_tiles in range(2, 40):
            for tree in trees(row_tiles, with_ports):
                assert tree.clusters * tree.sums >= row_tiles - 1
                assert tree.sums <= ports - 1
                assert tree.sums <= tree.path_sums <= row_tiles - 1


class TestSplits:
    def test_columns_of_a_matrix(self) -> None:
        fc = convolutional_workload().layer("fc")
        assert fc.mvm is not None
        columns = fc.mvm.columns
        every = list(splits(fc, fc.weight_count))
        assert every[0] == (1, 1.0) and every[-1] == (columns, 1 / columns)
        fewer = list(splits(fc, fc.weight_count - 1))
        assert fewer == every[1:], "a larger L1 allows all that a smaller one does"
        assert list(splits(fc, 1)) == [(fc.weight_count, 1 / columns)]

    def test_channels(self) -> None:
        for each in (
            layer("add", (1, 4, 8, 8)),
            layer("max_pool2d", (1, 4, 8, 8)),
            layer("depthwise_conv2d", (1, 4, 8, 8), macs=9 * 4 * 64, weight_count=36),
            layer("matmul", (1, 7, 4), macs=7 * 4 * 9),
            layer("gelu", (1, 7, 4)),
        ):
            assert list(splits(each, 2**20)) == [(1, 1.0), (2, 0.5), (4, 0.25)]

    def test_what_reads_other_channels_is_not_split(self) -> None:
        assert list(splits(layer("softmax", (1, 7, 4)), 2**20)) == [(1, 1.0)]
        embedding = layer("embedding", (1, 7, 4), weight_count=1000)
        assert list(splits(embedding, 300)) == [(4, 1.0)]


def test_clusters_of_a_plan() -> None:
    work = {
        "a": Work(clusters=3, slice_s=1.0, components={}),
        "b": Work(clusters=0, slice_s=1.0, components={}),
    }
    graph = Graph.of(convolutional_workload())
    plan = Plan(graph=graph, work=work, copies={"a": 2, "b": 5}, storage_clusters=4, interval_s=1.0)
    assert plan.clusters_of("a") == 6 and plan.clusters == 10
