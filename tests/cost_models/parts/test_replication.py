"""Copies of the stages of a pipeline, by hand and against brute force."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from lionheart_opt.cost_models.parts.replication import Stage, Way, replicate


def stage(*ways: tuple[dict[float, int], int], name: str = "stage", room: int = 99) -> Stage:
    """A stage that can be built in these ways: work and clusters of a copy."""
    built = tuple(Way(work=work, clusters=clusters) for work, clusters in ways)
    return Stage(name=name, ways=built, room=room)


def copies_of(stages: list[Stage], budget: int, least_s: float = 0.0) -> tuple[int, ...]:
    """Copies of each stage."""
    return tuple(option.copies for option in replicate(stages, budget, least_s))


class TestReplication:
    def test_the_slowest_stage_is_copied_first(self) -> None:
        """Four slices of 1 s and two of 1 s: with four clusters both take 2 s at best, then 1 s."""
        stages = [stage(({1.0: 4}, 1)), stage(({1.0: 2}, 1))]
        assert copies_of(stages, 2) == (1, 1)
        assert copies_of(stages, 3) == (2, 1)
        assert copies_of(stages, 5) == (2, 1), "three copies of the first are no faster than two"
        assert copies_of(stages, 6) == (4, 2)
        assert copies_of(stages, 6, least_s=2.0) == (2, 1), "no gain below what is imposed"
        assert copies_of(stages, 1) == (1, 1), "more than the budget: one copy each"

    def test_intervals_are_as_short_as_the_budget_allows(self) -> None:
        """Nothing is imposed unless it is said."""
        stages = [stage(({1e-6: 8}, 2))]
        copies = [copies_of(stages, budget)[0] for budget in (2, 4, 7, 8, 15, 16)]
        assert copies == [1, 2, 3, 4, 4, 8]

    def test_times_of_a_stage(self) -> None:
        each = stage(({2.0: 5}, 3))
        assert [each.ways[0].time_s(copies) for copies in (1, 2, 3, 5)] == [10.0, 6.0, 4.0, 2.0]
        assert [option.copies for option in each.options] == [1, 2, 3, 5]
        cheapest = [each.cheapest(time_s) for time_s in (10.0, 9.9, 4.0, 2.0)]
        assert [option and option.copies for option in cheapest] == [1, 2, 3, 5]
        assert [option and option.clusters for option in cheapest] == [3, 6, 9, 15]
        assert each.cheapest(1.9) is None
        instant = stage(({0.0: 5}, 1)).cheapest(0.0)
        assert instant is not None and instant.copies == 1

    def test_a_stage_with_slices_of_two_kinds(self) -> None:
        """Every copy takes its share of each kind: two copies take 2 + 1 slices, three 1 + 1."""
        each = stage(({1.0: 3, 10.0: 2}, 1))
        assert [option.time_s for option in each.options] == [23.0, 12.0, 11.0]
        cheapest = [each.cheapest(time_s) for time_s in (23.0, 12.0, 11.5, 11.0)]
        assert [option and option.copies for option in cheapest] == [1, 2, 3, 3]
        assert each.cheapest(10.9) is None

    def test_a_way_is_taken_where_it_pays(self) -> None:
        """A copy of three clusters that takes 3 s for a slice, or of four that takes 1 s."""
        each = stage(({3.0: 4}, 3), ({1.0: 4}, 4), room=12)
        options = [tuple(option) for option in each.options]
        assert options == [(3, 12.0, 0, 1), (4, 4.0, 1, 1), (8, 2.0, 1, 2)]
        assert each.smallest(2) == (6, 6.0, 0, 2), "copies of the way with the fewest clusters"

    def test_the_smallest_is_an_option_even_where_it_does_not_fit(self) -> None:
        each = stage(({3.0: 4}, 7), ({1.0: 4}, 9), room=5)
        assert [tuple(option) for option in each.options] == [(7, 12.0, 0, 1)]
        assert replicate([each], 5) == each.options


stages = st.lists(
    st.builds(
        stage,
        *[
            st.tuples(
                st.dictionaries(
                    st.integers(0, 9).map(float), st.integers(1, 5), min_size=1, max_size=2
                ),
                st.integers(1, 4),
            )
        ]
        * 2,
        room=st.just(30),
    ),
    min_size=1,
    max_size=3,
)


class TestExactness:
    @settings(max_examples=200, deadline=None)
    @given(stages=stages, budget=st.integers(1, 30), least_s=st.sampled_from([0.0, 3.0]))
    def test_equals_brute_force(self, stages: list[Stage], budget: int, least_s: float) -> None:
        every = product(
            *(
                [
                    (way.time_s(copies), way.clusters * copies)
                    for way in each.ways
                    for copies in range(1, max(way.work.values()) + 1)
                ]
                for each in stages
            )
        )
        values = [
            (max(least_s, *(time_s for time_s, _ in chosen)), sum(n for _, n in chosen))
            for chosen in every
        ]
        options = replicate(stages, budget, least_s)
        fitting = [value for value in values if value[1] <= budget]
        if fitting:
            interval_s = max(least_s, *(option.time_s for option in options))
            assert (interval_s, sum(option.clusters for option in options)) == min(fitting)
        else:
            assert sum(option.clusters for option in options) == min(n for _, n in values)


def test_stages_of_one_kind_are_replicated_alike() -> None:
    """Names do not matter, clusters and slices do."""
    stages = [
        stage(({1.0 + number % 2: 8}, 1 + number // 4), name=str(number)) for number in range(8)
    ]
    options = replicate(stages, 60)
    assert options == replicate(stages[::-1], 60)[::-1]
    assert len({(option, each.kind) for option, each in zip(options, stages, strict=True)}) == 4
