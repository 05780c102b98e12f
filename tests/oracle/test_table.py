"""Tables of accuracies: written, read and refused. What an oracle promises is in the contracts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Mapping, Training
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.oracle.table_oracle import TableOracle

ASSIGNMENTS = np.array([[0, 0], [0, 1], [1, 1], [1, 1]], np.uint8)


def table(**changes: Any) -> AccuracyTable:
    default = AccuracyTable(
        units=("a", "b"),
        targets=("cpu", "tile"),
        times_s=(1.0, 60.0),
        baseline=0.9,
        trainings=("none", "none", "none", "one_shot"),
        assignments=ASSIGNMENTS,
        samples=np.random.default_rng(0).random((4, 5, 2)),
        training_s=np.array([0.0, 0.0, 0.0, 3.0]),
        draw_s=np.array([0.0, 2.0, 2.0, 2.0]),
        provenance="made up",
        n_examples=100,
        proxies={"norm": np.array([1.0, 2.0])},
        proxies_s=4.0,
        shared_s=7.0,
    )
    return replace(default, **changes)


def candidate(a: str, b: str, training: Training | None = "none") -> Candidate:
    return Candidate(Mapping.of({"a": a, "b": b}), training=training)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = table()
    written.save(tmp_path / "t.npz")
    read = AccuracyTable.load(tmp_path / "t.npz")
    for name, value in vars(written).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(read, name), value)
        elif name == "proxies":
            assert {key: array.tolist() for key, array in read.proxies.items()} == {
                "norm": [1.0, 2.0]
            }
        elif not name.startswith("_"):
            assert getattr(read, name) == value, name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.01, 1.01, -124.87])
def test_accuracies_must_be_shares(tmp_path: Path, value: float) -> None:
    samples = table().samples.copy()
    samples[2, 1, 0] = value
    changes: list[dict[str, Any]] = [{"samples": samples}, {"baseline": value}]
    for change in changes:
        with pytest.raises(ValueError, match="must be from 0 to 1"):
            table(**change)
    table().save(tmp_path / "t.npz")
    arrays = dict(np.load(tmp_path / "t.npz"))
    np.savez(tmp_path / "t.npz", **{**arrays, "samples": samples})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"t\.npz: .*must be from 0 to 1"):
        AccuracyTable.load(tmp_path / "t.npz")


@pytest.mark.parametrize("name", ["training_s", "draw_s", "shared_s", "proxies_s"])
def test_seconds_must_be_numbers(name: str) -> None:
    seconds = getattr(table(), name) * float("nan")
    with pytest.raises(ValueError, match="NaN or infinite seconds"):
        table(**{name: seconds})


def test_answers_are_rows() -> None:
    made = table()
    answer = made.accuracy(candidate("cpu", "tile"), Fidelity(draws=(1, 3)), 9)
    np.testing.assert_array_equal(answer.samples, made.samples[1, 1:3])
    assert (answer.evaluation_s, answer.shared_s, answer.n_examples) == (4.0, 0.0, 100)
    digital = made.accuracy(candidate("cpu", "cpu"), Fidelity(draws=(0, 1)), 9)
    assert (digital.evaluation_s, digital.n_examples) == (0.0, None)
    shared = made.accuracy(candidate("tile", "tile", "one_shot"), Fidelity(draws=(0, 1)), 9)
    assert (shared.training_s, shared.shared_s) == (3.0, 7.0)


@pytest.mark.parametrize(
    ("asked", "fidelity", "message"),
    [
        (candidate("tile", "cpu"), Fidelity(draws=(0, 1)), "no row"),
        (candidate("cpu", "gpu"), Fidelity(draws=(0, 1)), "gpu"),
        (candidate("cpu", "cpu", "full"), Fidelity(draws=(0, 1)), "full"),
        (candidate("cpu", "cpu"), Fidelity(draws=(0, 9)), "draws up to 9"),
        (
            Candidate(Mapping.of({"a": "cpu"}), training="none"),
            Fidelity(draws=(0, 1)),
            "about units a, b",
        ),
    ],
)
def test_what_is_not_there_is_refused(asked: Candidate, fidelity: Fidelity, message: str) -> None:
    with pytest.raises(InputError, match=message):
        table().accuracy(asked, fidelity, 0)


def test_final_checks_need_two_fresh_draws() -> None:
    asked = candidate("cpu", "tile")
    checks = table().final_checks(asked, Fidelity(draws=(0, 3)), 0)
    assert checks["fresh draws"].samples.shape == (2, 2)
    assert not table().final_checks(asked, Fidelity(draws=(0, 4)), 0)


def test_mappings_are_those_of_a_training() -> None:
    assert [dict(mapping.to_json()) for mapping in table().mappings("one_shot")] == [
        {"a": "tile", "b": "tile"}
    ]
    assert len(table().mappings("none")) == 3 and not table().mappings("full")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": np.zeros((3, 5, 2))}, "samples has shape"),
        ({"proxies": {"norm": np.zeros(3)}}, "norm has shape"),
        ({"trainings": ("none",) * 4}, "there twice"),
    ],
)
def test_inconsistent_tables_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        table(**change)


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "t.npz"
    with pytest.raises(InputError, match=r"t\.npz: No such file"):
        AccuracyTable.load(file)
    file.write_bytes(b"PK damaged")
    with pytest.raises(InputError, match="not an accuracy table"):
        _ = TableOracle(file=file).table
    with file.open("wb") as opened:
        np.savez(opened, units=np.array(["a"]))
    with pytest.raises(InputError, match="not an accuracy table"):
        AccuracyTable.load(file)


def test_a_table_is_measured_by_asking_an_oracle() -> None:
    original = table(proxies={}, proxies_s=0.0)
    asked = [
        replace(Candidate(mapping), training=training)
        for training in ("none", "one_shot")
        for mapping in original.mappings(training)
    ]
    made = AccuracyTable.measure(original, asked, draws=5, seed=0, provenance="made up")
    np.testing.assert_array_equal(made.samples, original.samples)
    np.testing.assert_array_equal(made.assignments, original.assignments)
    assert (made.shared_s, made.n_examples) == (7.0, 100)
    with pytest.raises(ValueError, match="is not resolved"):
        AccuracyTable.measure(original, [candidate("cpu", "cpu", None)], draws=1, seed=0)
