"""Mappings are values; candidates carry the whole lineage of their weights."""

import collections.abc
import json
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies_hypothesis import candidates, mappings, names

from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Mapping


@given(mappings(), st.randoms())
def test_equality_does_not_depend_on_the_order_of_units(mapping: Mapping, shuffle) -> None:
    items = list(mapping.assignments)
    shuffle.shuffle(items)
    other = Mapping(tuple(items))
    assert other == mapping
    assert hash(other) == hash(mapping)
    assert other.digest == mapping.digest


@given(mappings())
def test_json_round_trip(mapping: Mapping) -> None:
    assert Mapping.of(json.loads(json.dumps(mapping.to_json()))) == mapping


@given(mappings(), st.data())
def test_a_move_changes_one_unit_and_leaves_the_original(mapping: Mapping, data) -> None:
    unit = data.draw(st.sampled_from(list(mapping)))
    target = data.draw(names)
    before = mapping.to_json()
    moved = mapping.move(unit, target)
    assert moved.to_json() == {**before, unit: target}
    assert mapping.to_json() == before
    assert (moved == mapping) == (before[unit] == target)
    assert (moved.digest == mapping.digest) == (moved == mapping)
    assert moved.move(unit, before[unit]) == mapping


@given(mappings())
def test_units_on_divides_the_units(mapping: Mapping) -> None:
    targets = set(mapping.to_json().values())
    assert sorted(unit for name in targets for unit in mapping.units_on(name)) == sorted(mapping)
    assert len(mapping) == len(list(mapping))
    assert all(unit in mapping.units_on(mapping[unit]) for unit in mapping)


def test_a_unit_that_does_not_exist_is_refused_with_the_nearest_names() -> None:
    mapping = Mapping.of({"conv1": "cpu", "conv2": "tile"})
    with pytest.raises(InputError, match=r"unknown unit 'conv3' .*did you mean 'conv"):
        mapping["conv3"]
    with pytest.raises(InputError, match="unknown unit 'conv3'"):
        mapping.move("conv3", "cpu")


def test_a_unit_cannot_be_assigned_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        Mapping((("a", "cpu"), ("a", "tile")))


def test_mappings_cannot_be_changed() -> None:
    mapping = Mapping.of({"a": "cpu"})
    with pytest.raises(FrozenInstanceError):
        mapping.assignments = ()


@given(candidates())
def test_candidate_json_round_trip(candidate: Candidate) -> None:
    again = Candidate.from_json(json.loads(json.dumps(candidate.to_json())))
    assert again == candidate
    assert again.digest == candidate.digest


@given(candidates(), candidates())
def test_equal_digests_mean_equal_lineages(candidate: Candidate, other: Candidate) -> None:
    assert (candidate.digest == other.digest) == (candidate == other)


@given(candidates(), candidates())
def test_the_digest_covers_parent_and_training(candidate: Candidate, other: Candidate) -> None:
    child = Candidate(candidate.mapping, parent=candidate)
    assert child.digest != Candidate(candidate.mapping, parent=None).digest
    assert (child.digest == Candidate(candidate.mapping, parent=other).digest) == (
        candidate == other
    )
    assert candidate.with_training("one_shot").digest != candidate.with_training("full").digest
    assert candidate.with_training("one_shot").mapping == candidate.mapping


def test_a_moved_candidate_starts_from_the_one_it_was_moved_from() -> None:
    first = Candidate(Mapping.of({"a": "cpu", "b": "cpu"}), training="short")
    second = first.move("a", "tile")
    assert second.parent == first
    assert second.mapping == first.mapping.move("a", "tile")
    assert second.training == "short"


def test_digests_are_the_same_in_another_process() -> None:
    code = (
        "from lionheart_opt import Candidate, Mapping\n"
        "one = Candidate(Mapping.of({'b': 'tile', 'a': 'cpu'}), training='full')\n"
        "print(one.move('a', 'tile').digest)"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = Candidate(Mapping.of({"a": "cpu", "b": "tile"}), training="full").move("a", "tile")
    assert there.stdout.strip() == here.digest


def test_digests_are_those_of_earlier_records() -> None:
    """Records are found by these digests: other values make every record start anew."""
    root = Candidate(Mapping.of({"a": "cpu", "b": "cpu"}))
    child = root.move("b", "tile")
    grandchild = child.move("a", "tile").with_training("short")
    lineage = [root, child, grandchild]
    assert [candidate.digest for candidate in lineage] == [
        "8f59c01c088dc846",
        "d869f861073f9151",
        "57cb260bb7b23bdc",
    ]
    assert [candidate.resolved("full").digest for candidate in lineage] == [
        "ca7249322d1f09b5",
        "61e0de1ea659d27d",
        "1fe1f3af3a7f2848",
    ]
    assert grandchild.to_json() == [
        {"moved": {"a": "cpu", "b": "cpu"}, "training": None},
        {"moved": {"b": "tile"}, "training": None},
        {"moved": {"a": "tile"}, "training": "short"},
    ]


def test_a_resolved_candidate_says_its_training() -> None:
    parent = Candidate(Mapping.of({"a": "cpu", "b": "cpu"}))
    child = Candidate(parent.mapping.move("a", "tile"), parent=parent, training="short")
    assert child.resolved("full").trained_by == "short"
    assert parent.resolved("full").trained_by == "full"
    for unresolved in (parent, child):
        with pytest.raises(ValueError, match="is not resolved"):
            _ = unresolved.trained_by


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        ({"a": "cpu"}, r"got a dictionary; write Mapping.of\(\{unit: target"),
        (Mapping.of({"a": "cpu"}), "got a dictionary"),
        ([("a", "cpu")], "must be a tuple of pairs"),
        (("a", "cpu"), "must be a tuple of pairs"),
        ((("a", "cpu", "x"),), "must be a tuple of pairs"),
        ((("b", "cpu"), ("a", 1)), "got unit 'a' on target 1; both must be names"),
        ("ab", "must be a tuple of pairs"),
        (None, "must be a tuple of pairs"),
    ],
)
def test_what_is_no_tuple_of_pairs_is_refused(assignments, message) -> None:
    with pytest.raises(InputError, match=message):
        Mapping(assignments)


def test_it_reads_like_a_dictionary() -> None:
    mapping = Mapping.of({"b": "tile", "a": "cpu"})
    assert dict(mapping) == {**mapping} == {"b": "tile", "a": "cpu"}
    assert list(mapping) == list(mapping.keys()) == ["b", "a"] and "a" in mapping
    assert list(mapping.values()) == ["tile", "cpu"] and len(mapping) == 2
    assert isinstance(mapping, collections.abc.Mapping)  # noqa: TID251
    assert mapping != {"b": "tile", "a": "cpu"}, "only mappings are equal to mappings"


def test_it_travels_to_other_processes() -> None:
    mapping = Mapping.of({"b": "tile", "a": "cpu"})
    hash(mapping)
    again = pickle.loads(pickle.dumps(mapping))
    assert again == mapping and hash(again) == hash(mapping) and again.digest == mapping.digest
    candidate = Candidate(mapping).move("a", "tile")
    assert pickle.loads(pickle.dumps(candidate)) == candidate


def test_representations() -> None:
    mapping = Mapping.of({"conv1": "tile", "fc": "cpu", "conv2": "tile"})
    assert repr(mapping) == "Mapping(tile: conv1, conv2; cpu: fc)"
    assert repr(Mapping(())) == "Mapping()"
    child = Candidate(mapping, training="short").move("fc", "tile")
    assert "trainings, latest first: short, short" in repr(child)
    assert "<td>conv1</td><td>tile</td>" in mapping._repr_html_()


def test_mappings_that_are_read_share_their_pairs() -> None:
    """Records hold many mappings of few units."""
    data = [{"moved": {"conv1": "tile", "fc": "cpu"}, "training": None}]
    first, second = Candidate.from_json(data), Candidate.from_json(data)
    pairs = zip(first.mapping.assignments, second.mapping.assignments, strict=True)
    assert all(one is other for one, other in pairs)


@pytest.mark.parametrize("pair", [("a",), ("a", "b", "c"), ("a", 1), "ab", ["a", "b"], 3])
def test_other_things_than_pairs_are_refused_among_many_pairs(pair):
    with pytest.raises(InputError, match=r"must be a tuple of pairs|both must be names"):
        Mapping((("x", "cpu"), pair, ("y", "cpu")))


def test_texts_of_numpy_are_names_too():
    assert Mapping(((np.str_("a"), "cpu"),)) == Mapping((("a", "cpu"),))
