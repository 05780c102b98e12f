"""Copies of the stages of a pipeline, by hand and against brute force."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from lionheart_opt.cost_models.parts.replication import Stage, replicate


class TestReplication:
    def test_the_slowest_stage_is_copied_first(self) -> None:
        """Four slices of 1 s and two of 1 s: with four clusters both take 2 s at best, then 1 s."""
        stages = [
            Stage(name="a", work={1.0: 4}, clusters=1),
            Stage(name="b", work={1.0: 2}, clusters=1),
        ]
        assert replicate(stages, 2) == (1, 1)
        assert replicate(stages, 3) == (2, 1)
        assert replicate(stages, 5) == (2, 1), "three copies of `a` are no faster than two"
        assert replicate(stages, 6) == (4, 2)
        assert replicate(stages, 6, least_s=2.0) == (2, 1), (
            "nothing is gained below what is imposed"
        )
        assert replicate(stages, 1) == (1, 1), "more than the budget: one copy each"

    def test_intervals_are_as_short_as_the_budget_allows(self) -> None:
        """Nothing is imposed unless it is said."""
        stages = [Stage(name="a", work={1e-6: 8}, clusters=2)]
        assert [replicate(stages, budget) for budget in (2, 4, 7, 8, 15, 16)] == [
            (1,),
            (2,),
            (3,),
            (4,),
            (4,),
            (8,),
        ]

    def test_times_and_copies_of_a_stage(self) -> None:
        stage = Stage(name="a", work={2.0: 5}, clusters=3)
        assert [stage.time_s(copies) for copies in (1, 2, 3, 5)] == [10.0, 6.0, 4.0, 2.0]
        assert [stage.least_copies(time_s) for time_s in (10.0, 9.9, 4.0, 2.0)] == [1, 2, 3, 5]
        assert stage.least_copies(1.9) is None
        assert Stage(name="b", work={0.0: 5}, clusters=1).least_copies(0.0) == 1

    def test_a_stage_with_slices_of_two_kinds(self) -> None:
        """Every copy takes its share of each kind: two copies take 2 + 1 slices, three 1 + 1."""
        stage = Stage(name="a", work={1.0: 3, 10.0: 2}, clusters=1)
        assert [stage.time_s(copies) for copies in (1, 2, 3)] == [23.0, 12.0, 11.0]
        assert [stage.least_copies(time_s) for time_s in (23.0, 12.0, 11.5, 11.0)] == [1, 2, 3, 3]
        assert stage.least_copies(10.9) is None and len(stage.times_s) == 3


stages = st.lists(
    st.builds(
        Stage,
        name=st.just("stage"),
        work=st.dictionaries(
            st.integers(0, 9).map(float), st.integers(1, 5), min_size=1, max_size=2
        ),
        clusters=st.integers(1, 4),
    ),
    min_size=1,
    max_size=4,
)


class TestExactness:
    @settings(max_examples=200, deadline=None)
    @given(stages=stages, budget=st.integers(1, 30), least_s=st.sampled_from([0.0, 3.0]))
    def test_equals_brute_force(self, stages: list[Stage], budget: int, least_s: float) -> None:
        def value(copies: tuple[int, ...]) -> tuple[float, int]:
            times = [stage.time_s(n) for stage, n in zip(stages, copies, strict=True)]
            clusters = sum(stage.clusters * n for stage, n in zip(stages, copies, strict=True))
            return max(least_s, *times), clusters

        every = product(*(range(1, len(stage.times_s) + 1) for stage in stages))
        fitting = [value(copies) for copies in every if value(copies)[1] <= budget]
        copies = replicate(stages, budget, least_s)
        if fitting:
            assert value(copies) == min(fitting)
        else:
            assert copies == (1,) * len(stages)


def test_stages_of_one_kind_are_replicated_alike() -> None:
    """Names do not matter, clusters and slices do."""
    stages = [
        Stage(name=str(number), work={1.0 + number % 2: 8}, clusters=1 + number // 4)
        for number in range(8)
    ]
    copies = replicate(stages, 60)
    assert copies == replicate(stages[::-1], 60)[::-1]
    assert len({(n, stage.kind) for n, stage in zip(copies, stages, strict=True)}) == 4
