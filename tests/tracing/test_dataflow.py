"""Data flow through memory, by hand."""

from __future__ import annotations

import torch

from lionheart_opt.tracing.dataflow import DataFlow, storage


class TestDataFlow:
    def test_a_view_has_the_producer_of_its_memory(self) -> None:
        flow, tensor = DataFlow(), torch.zeros(4, 6)
        flow.write(tensor, 7)
        assert flow.producers(tensor.t()[1:]) == {7: (5, 4)}
        assert flow.producers(tensor.view(2, 12)) == {7: (2, 12)}
        assert storage(tensor) == storage(tensor[2:]) != storage(tensor.clone())

    def test_what_nobody_computed_is_constant(self) -> None:
        flow, constant, computed = DataFlow(), torch.zeros(3), torch.zeros(3)
        flow.write(computed, 1)
        assert flow.producers(constant) == {}
        assert not flow.depends([constant]) and flow.depends([constant, computed])
        assert flow.producers(torch.zeros(0)) == {}

    def test_a_write_replaces_what_it_covers_and_nothing_else(self) -> None:
        flow, tensor = DataFlow(), torch.zeros(4, 6)
        flow.write(tensor, 1)
        flow.write(tensor[:2], 2)
        assert flow.producers(tensor[:2]) == {1: (4, 6), 2: (2, 6)}
        assert flow.producers(tensor[2:]) == {1: (2, 6)}, "rows that the second write left alone"
        flow.write(tensor, 3)
        assert flow.producers(tensor[:2]) == {3: (2, 6)}

    def test_columns_leave_gaps_and_replace_nothing(self) -> None:
        flow, tensor = DataFlow(), torch.zeros(4, 6)
        flow.write(tensor[:, :3], 1)
        flow.write(tensor[:, 3:], 2)
        assert flow.producers(tensor) == {1: (4, 3), 2: (4, 3)}

    def test_reads_count_a_repeated_view_once(self) -> None:
        flow, left, right = DataFlow(), torch.zeros(2, 3), torch.zeros(2, 3)
        flow.write(left, 1)
        flow.write(right, 2)
        assert flow.reads([left, right, left]) == ((1, (2, 3)), (2, (2, 3)))
        assert flow.reads([left[0], left[1], left[0]]) == ((1, (3,)), (1, (3,)))
        assert flow.reads([torch.zeros(2)]) == ()
